// Splits that agree with a checkpoint, and what to say where they can't.
#include "engine/train/known_photos.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/core/text.h"
#include "engine/data/photo_identity.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// Of the store's photos from `first` on and before `end`, whether `checkpoint` tested on them; nothing of those that
/// it does not know.
std::vector<std::optional<bool>> known_roles(const PhotoStore& store, std::size_t first, std::size_t end,
                                             const Checkpoint& checkpoint, const PhotoIndex& known,
                                             const std::string& place) {
  std::vector<std::optional<bool>> tested(store.size());
  for (std::size_t i = first; i < end; ++i) {
    const std::optional<std::size_t> found = known.find(store.photo(i).file, store.identity(i));
    if (!found) continue;
    if (class_of(known.name(*found)) != store.photo(i).class_name)
      throw Error(store.photo(i).file + ": is the photo that " + place + " knows as " + shown(known.name(*found)) +
                  ", another person's");
    tested[i] = *found >= checkpoint.train_photos.size();
  }
  return tested;
}

/// Which photos before `end` are only here, and which only there.
void say_differences(const PhotoStore& store, std::size_t end, const std::vector<std::optional<bool>>& tested,
                     const PhotoIndex& known, const std::string& place, const RunObserver& observer) {
  if (!observer.say) return;
  PhotoIndex here;
  std::vector<std::string> unknown, gone;
  for (std::size_t i = 0; i < store.size(); ++i) {
    here.add(store.photo(i).file, store.identity(i));
    if (i < end && !tested[i]) unknown.push_back(store.photo(i).file);
  }
  for (std::size_t i = 0; i < known.size(); ++i)
    if (!here.find(known.name(i), known.identity(i))) gone.push_back(known.name(i));
  if (!unknown.empty())
    observer.say(std::to_string(unknown.size()) + " of " + std::to_string(store.size()) + " photos are unknown to " +
                 place + ", " + unknown[0] + " the first");
  if (!gone.empty())
    observer.say(std::to_string(gone.size()) + " of the " + std::to_string(known.size()) + " photos that " + place +
                 " knows are gone, " + shown(gone[0]) + " the first");
}

}  // namespace

PhotoIndex known_photos(const Checkpoint& checkpoint, const std::string& place) {
  PhotoIndex known;
  const auto add = [&](const std::vector<std::string>& names, const std::vector<std::string>& digests,
                       const std::vector<std::string>& prints) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      PhotoIdentity identity;
      if (i < prints.size() && !prints[i].empty()) identity = from_print(prints[i], place + ": " + names[i]);
      if (i < digests.size()) identity.file = digests[i];
      known.add(names[i], identity);
    }
  };
  add(checkpoint.train_photos, checkpoint.train_digests, checkpoint.train_prints);
  add(checkpoint.test_photos, checkpoint.test_digests, checkpoint.test_prints);
  return known;
}

std::vector<std::uint32_t> originals_in(const PhotoStore& store, const RunObserver& observer) {
  const std::vector<std::uint32_t> originals = first_copies(store.identities(), store.labels());
  if (!observer.say) return originals;
  std::vector<std::uint32_t> copies;
  for (std::uint32_t i = 0; i < store.size(); ++i)
    if (originals[i] != i) copies.push_back(i);
  if (!copies.empty())
    observer.say(std::to_string(copies.size()) + " of " + std::to_string(store.size()) +
                 " photos are copies or near-copies of others of the same person, " + store.photo(copies[0]).file +
                 " of " + store.photo(originals[copies[0]]).file +
                 " the first: they go where the other goes, to training or to test");
  std::map<std::string, std::uint32_t> pixels;
  std::vector<std::string> shared;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const auto [earlier, is_new] = pixels.emplace(store.identity(i).pixels, i);
    if (!is_new && store.label(earlier->second) != store.label(i))
      shared.push_back(store.photo(earlier->second).file + " and " + store.photo(i).file);
  }
  if (!shared.empty())
    observer.say("photos that stand under two people: " + std::to_string(shared.size()) + ", " + shared[0] +
                 " the first");
  return originals;
}

Split split_as_trained(const PhotoStore& store, const Checkpoint& checkpoint, const std::string& place,
                       double test_fraction, std::uint64_t seed, const RunObserver& observer, std::size_t first,
                       std::size_t end) {
  end = std::min(end, store.size());
  const std::vector<std::uint32_t> originals = originals_in(store, observer);
  const PhotoIndex known = known_photos(checkpoint, place);
  const std::vector<std::optional<bool>> tested = known_roles(store, first, end, checkpoint, known, place);
  if (first == 0 && known.size() > 0) say_differences(store, end, tested, known, place, observer);
  std::vector<std::optional<bool>> group(store.size());  // of an original: whether none of its copies was trained on
  for (std::size_t i = first; i < end; ++i)
    if (tested[i]) group[originals[i]] = *tested[i] && group[originals[i]].value_or(true);
  std::set<std::uint32_t> drawn_test;
  const auto from = static_cast<std::ptrdiff_t>(first), to = static_cast<std::ptrdiff_t>(end);
  if (!std::all_of(tested.begin() + from, tested.begin() + to,
                   [](const std::optional<bool>& role) { return role.has_value(); })) {
    const std::vector<Photo> photos(store.photos().begin() + from, store.photos().begin() + to);
    const std::vector<int> labels(store.labels().begin() + from, store.labels().begin() + to);
    std::vector<std::uint32_t> copies(originals.begin() + from,
                                      originals.begin() + to);  // of the same person, so behind first
    for (std::uint32_t& original : copies) original -= static_cast<std::uint32_t>(first);
    for (const std::uint32_t i : split_by_person(photos, labels, test_fraction, seed, copies).test)
      drawn_test.insert(i + static_cast<std::uint32_t>(first));
  }
  Split split;
  for (auto i = static_cast<std::uint32_t>(first); i < end; ++i) {
    const bool test = tested[i].value_or(group[originals[i]].value_or(drawn_test.count(i) != 0));
    (test ? split.test : split.train).push_back(i);
  }
  return split;
}

void check_nobody_missing(const Split& split, const std::vector<int>& labels,
                          const std::vector<std::string>& class_names, const std::string& place, bool accepted,
                          const RunObserver& observer) {
  constexpr std::size_t kNamed = 3;
  std::vector<bool> learnt(class_names.size(), false);
  for (const std::uint32_t i : split.train)
    if (const auto person = static_cast<std::size_t>(labels[i]); person < learnt.size()) learnt[person] = true;
  std::string names;
  std::size_t missing = 0;
  for (std::size_t person = 0; person < class_names.size(); ++person)
    if (!learnt[person] && ++missing <= kNamed) names += (names.empty() ? "" : ", ") + class_names[person];
  if (missing == 0) return;
  const std::string who = place + ": holds no photo to train on of " + std::to_string(missing) + " of the " +
                          std::to_string(class_names.size()) + " people whom the checkpoint knows (" + names +
                          (missing > kNamed ? ", …)" : ")");
  if (!accepted) throw Error(who + ": they would be forgotten; --allow-missing-people accepts that");
  if (observer.say) observer.say(who);
}

}  // namespace tsugi
