// Every strategy puts all photos into one order and takes its first ones, so larger fractions contain smaller ones.
// `random` orders by a draw. The others rank each class's photos, by draw or by features, and merge the classes: that
// order hands out places as Sainte-Lague's method hands out seats: with a class of n photos, its photo of rank r comes
// at (r + 1/2) / n, except that everyone's first photo comes before all others. Largest remainders would give about the
// same shares, but not nested ones (a class can lose a photo when the total grows). Source: M. Balinski, H. P. Young,
// "Fair Representation", 1982.
#include "engine/handover/subset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "kernels/api/error.h"
#include "kernels/api/philox.h"

namespace tsugi {
namespace {

constexpr SubsetStrategy kStrategies[] = {SubsetStrategy::stratified, SubsetStrategy::random, SubsetStrategy::herding,
                                          SubsetStrategy::k_center, SubsetStrategy::typical};

struct Place {
  std::uint64_t key = 0;  // random
  std::size_t photo = 0;
  std::uint64_t rank = 0;  // within its class
  std::uint64_t size = 1;  // of its class
};

bool by_key(const Place& a, const Place& b) { return std::tie(a.key, a.photo) < std::tie(b.key, b.photo); }

bool by_share(const Place& a, const Place& b) {
  if ((a.rank == 0) != (b.rank == 0)) return a.rank == 0;
  const std::uint64_t left = (2 * a.rank + 1) * b.size;
  const std::uint64_t right = (2 * b.rank + 1) * a.size;
  if (a.rank != 0 && left != right) return left < right;
  return by_key(a, b);
}

std::vector<Place> draw(std::size_t photos, std::uint64_t seed) {
  std::vector<Place> places(photos);
  for (std::size_t i = 0; i < photos; ++i) {
    const Philox4 bits = philox(seed, 0, static_cast<std::uint32_t>(i), purpose::kSubset, 0);
    places[i].key = std::uint64_t{bits.v[0]} << 32 | bits.v[1];
    places[i].photo = i;
  }
  std::sort(places.begin(), places.end(), by_key);
  return places;
}

void check_input(const std::vector<std::int32_t>& labels, double fraction) {
  if (!(fraction >= 0.0 && fraction <= 1.0))
    throw Error("subset: fraction is " + std::to_string(fraction) + ", 0 to 1 expected");
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0)
      throw Error("subset: label of photo " + std::to_string(i) + " is " + std::to_string(labels[i]) +
                  ", at least 0 expected");
}

// Replaces the drawn ranks by those of each class's order.
void rank_by_features(std::vector<Place>& places, const std::vector<std::int32_t>& labels, SubsetStrategy strategy,
                      const std::vector<float>& features) {
  if (labels.empty()) return;
  if (features.empty() || features.size() % labels.size() != 0)
    throw Error(std::string("subset: strategy ") + name_of(strategy) + " has " + std::to_string(features.size()) +
                " features, a row for each of " + std::to_string(labels.size()) + " photos expected");
  const std::size_t width = features.size() / labels.size();
  std::map<std::int32_t, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(i);
  std::vector<std::uint64_t> ranks(labels.size());
  for (const auto& [label, photos] : classes) {
    std::vector<float> rows;
    for (const std::size_t photo : photos) {
      const auto row = features.begin() + static_cast<std::ptrdiff_t>(photo * width);
      rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(width));
    }
    const std::vector<std::size_t> order = order_by_features(strategy, rows, width);
    for (std::size_t rank = 0; rank < order.size(); ++rank) ranks[photos[order[rank]]] = rank;
  }
  for (Place& place : places) place.rank = ranks[place.photo];
}

}  // namespace

const char* name_of(SubsetStrategy strategy) {
  constexpr const char* kNames[] = {"stratified", "random", "herding", "k-center", "typical"};
  return kNames[static_cast<int>(strategy)];
}

std::vector<std::string> subset_strategy_names() {
  std::vector<std::string> names;
  for (const auto strategy : kStrategies) names.emplace_back(name_of(strategy));
  return names;
}

SubsetStrategy subset_strategy(const std::string& name) {
  for (const auto strategy : kStrategies)
    if (name == name_of(strategy)) return strategy;
  throw Error("subset: strategy is \"" + name + "\", stratified, random, herding, k-center or typical expected");
}

bool needs_features(SubsetStrategy strategy) {
  return strategy != SubsetStrategy::stratified && strategy != SubsetStrategy::random;
}

std::vector<std::size_t> choose_subset(const std::vector<std::int32_t>& labels, double fraction,
                                       SubsetStrategy strategy, std::uint64_t seed,
                                       const std::vector<float>& features) {
  check_input(labels, fraction);
  std::vector<Place> places = draw(labels.size(), seed);
  auto count = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(labels.size())));
  if (strategy != SubsetStrategy::random) {
    std::map<std::int32_t, std::uint64_t> sizes;
    for (Place& place : places) place.rank = sizes[labels[place.photo]]++;
    for (Place& place : places) place.size = sizes[labels[place.photo]];
    if (needs_features(strategy)) rank_by_features(places, labels, strategy, features);
    std::sort(places.begin(), places.end(), by_share);
    if (fraction > 0.0) count = std::max(count, sizes.size());
  }
  std::vector<std::size_t> chosen(count);
  for (std::size_t i = 0; i < count; ++i) chosen[i] = places[i].photo;
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace tsugi
