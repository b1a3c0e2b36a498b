// Ranks each person's photos by a draw of their own.
#include "engine/data/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "kernels/api/error.h"
#include "kernels/api/philox.h"

namespace tsugi {
namespace {

std::uint64_t split_draw(const Photo& photo, std::uint64_t seed) {
  const std::uint64_t key = photo_key(photo);
  const Philox4 words =
      philox(seed, static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key), purpose::kSplit, 0);
  return static_cast<std::uint64_t>(words.v[0]) << 32 | words.v[1];
}

std::size_t test_count(std::size_t count, double test_fraction) {
  if (test_fraction == 0.0) return 0;
  const std::size_t wanted = static_cast<std::size_t>(std::lround(test_fraction * static_cast<double>(count)));
  return std::min(std::max<std::size_t>(wanted, 1), count - 1);
}

}  // namespace

Split split_by_person(const std::vector<Photo>& photos, const std::vector<int>& labels, double test_fraction,
                      std::uint64_t seed, const std::vector<std::uint32_t>& originals) {
  if (photos.size() != labels.size())
    throw Error("split: " + std::to_string(photos.size()) + " photos, " + std::to_string(labels.size()) + " labels");
  if (!originals.empty() && originals.size() != photos.size())
    throw Error("split: " + std::to_string(photos.size()) + " photos, " + std::to_string(originals.size()) +
                " originals");
  if (!(test_fraction >= 0.0 && test_fraction < 1.0))
    throw Error("split: test fraction is " + std::to_string(test_fraction) + ", expected 0 or more and less than 1");
  // Equal draws and even equal names are put in a fixed order by the name and the position.
  using Ranked = std::tuple<std::uint64_t, std::string, std::uint32_t>;
  std::map<int, std::vector<Ranked>> people;
  std::vector<bool> is_test(photos.size(), false);
  const auto original = [&](std::size_t i) { return originals.empty() ? i : originals[i]; };
  for (std::size_t i = 0; i < photos.size(); ++i) {
    if (original(i) != i) continue;
    people[labels[i]].emplace_back(split_draw(photos[i], seed), photos[i].file, static_cast<std::uint32_t>(i));
  }
  Split split;
  for (auto& [label, ranked] : people) {
    if (ranked.size() == 1 && test_fraction > 0.0) {
      const bool copies = std::count(labels.begin(), labels.end(), label) > 1;
      throw Error(photos[std::get<2>(ranked[0])].class_name + ": has 1 photo" + (copies ? " and copies of it" : "") +
                  ", at least 2 are needed: one to train on and one to test");
    }
    std::sort(ranked.begin(), ranked.end());
    const std::size_t tests = test_count(ranked.size(), test_fraction);
    for (std::size_t rank = 0; rank < tests; ++rank) is_test[std::get<2>(ranked[rank])] = true;
  }
  for (std::uint32_t i = 0; i < photos.size(); ++i) (is_test[original(i)] ? split.test : split.train).push_back(i);
  return split;
}

}  // namespace tsugi
