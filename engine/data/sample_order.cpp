// Fisher-Yates shuffles whose draws come from Philox: stream 0 orders whole epochs, stream 1 the classes of balanced
// rounds, the streams from 2 on the photos of one class.
#include "engine/data/sample_order.h"

#include <limits>
#include <map>
#include <string>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/api/philox.h"

namespace tsugi {
namespace {

/// Which independent sequence of draws of an epoch is meant.
struct Stream {
  std::uint64_t seed;
  std::uint32_t epoch, number;
};

/// Draw `index` of the stream, in 0 .. bound - 1 (bias below bound / 2^64).
std::uint32_t draw_below(const Stream& stream, std::uint32_t index, std::uint32_t bound) {
  const Philox4 words = philox(stream.seed, stream.epoch, index, purpose::kShuffle, stream.number);
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(words.v[0]) << 32 | words.v[1]) % bound);
}

/// Shuffles with the draws first, first + 1, ... of the stream.
void shuffle(const Stream& stream, std::uint32_t first, std::vector<std::uint32_t>* values) {
  for (std::uint32_t i = static_cast<std::uint32_t>(values->size()); i > 1; --i)
    std::swap((*values)[i - 1], (*values)[draw_below(stream, first + i, i)]);
}

void check_samples(const char* place, std::size_t photos, std::uint32_t variants) {
  const std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();
  if (variants == 0) throw Error(std::string(place) + ": variants is 0, at least 1 expected");
  if (photos > limit / variants) {
    throw Error(std::string(place) + ": " + std::to_string(photos) + " photos x " + std::to_string(variants) +
                " variants, the limit is " + std::to_string(limit) + " samples");
  }
}

/// Deals the samples of one class. Every pass over its photos is in a new order, and shows each photo in its next
/// variant; where a photo's variants begin is drawn for each photo.
class ClassDeck {
 public:
  ClassDeck(const Stream& stream, std::uint32_t variants) : stream_(stream), variants_(variants) {}
  void add(std::uint32_t photo) { photos_.push_back(photo); }

  std::uint32_t next() {
    const std::uint32_t count = static_cast<std::uint32_t>(photos_.size());
    const std::uint32_t pass = dealt_ / count, place = dealt_ % count;
    if (place == 0) shuffle(stream_, pass * (count + 1), &photos_);
    ++dealt_;
    const std::uint32_t photo = photos_[place];
    const Stream starts{stream_.seed, stream_.epoch, ~stream_.number};
    return photo * variants_ + (draw_below(starts, photo, variants_) + pass) % variants_;
  }

 private:
  Stream stream_;
  std::uint32_t variants_;
  std::uint32_t dealt_ = 0;
  std::vector<std::uint32_t> photos_;
};

}  // namespace

std::vector<std::uint32_t> shuffled_order(std::size_t photos, std::uint32_t variants, std::uint64_t seed,
                                          std::uint32_t epoch) {
  check_samples("shuffled_order", photos, variants);
  std::vector<std::uint32_t> order(photos * variants);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  shuffle({seed, epoch, 0}, 0, &order);
  return order;
}

std::vector<std::uint32_t> balanced_order(const std::vector<int>& labels, std::uint32_t variants, std::size_t length,
                                          std::uint64_t seed, std::uint32_t epoch) {
  check_samples("balanced_order", labels.size(), variants);
  check_samples("balanced_order", length, 1);
  if (labels.empty()) throw Error("balanced_order: 0 photos, at least 1 expected");
  std::map<int, ClassDeck> decks;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) throw Error("balanced_order: label is " + std::to_string(labels[i]) + ", 0 or more expected");
    const Stream stream{seed, epoch, 2 + static_cast<std::uint32_t>(labels[i])};
    decks.emplace(labels[i], ClassDeck(stream, variants)).first->second.add(static_cast<std::uint32_t>(i));
  }
  std::vector<ClassDeck*> by_number;
  std::vector<std::uint32_t> round;
  for (auto& [label, deck] : decks) {
    round.push_back(static_cast<std::uint32_t>(by_number.size()));
    by_number.push_back(&deck);
  }
  std::vector<std::uint32_t> order;
  order.reserve(length);
  while (order.size() < length) {
    const std::size_t place = order.size() % round.size();
    if (place == 0) shuffle({seed, epoch, 1}, static_cast<std::uint32_t>(order.size()), &round);
    order.push_back(by_number[round[place]]->next());
  }
  return order;
}

}  // namespace tsugi
