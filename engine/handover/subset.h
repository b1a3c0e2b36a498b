// Chooses the part of the server's training photos that a bundle carries. It draws from original photos: the device
// augments them itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tsugi {

/// How photos are chosen. All but `random` give every person their share, and at least one photo; the last three take a
/// person's photos in an order that features decide.
enum class SubsetStrategy : std::uint8_t {
  stratified,  ///< by draw
  random,      ///< the source paper's plain draw
  herding,     ///< the mean of the chosen stays close to the person's. Welling 2009; Rebuffi et al., iCaRL, CVPR 2017
  k_center,    ///< farthest first: the chosen cover the person. Gonzalez 1985; Sener & Savarese, ICLR 2018
  typical      ///< closest to the person's mean first
};

/// "stratified", "random", "herding", "k-center", "typical".
const char* name_of(SubsetStrategy strategy);

/// The names of all strategies, the default first.
std::vector<std::string> subset_strategy_names();

/// The strategy of that name. Throws on any other name.
SubsetStrategy subset_strategy(const std::string& name);

/// Whether the strategy looks at features.
bool needs_features(SubsetStrategy strategy);

/// The indices, ascending, of the photos to hand over.
/// `labels`: the class of each training photo, >= 0. `fraction`: 0 to 1, of photos; the result has
/// round(fraction * photos) of them, more only where a strategy that gives everyone a share would leave a person out. A
/// larger fraction of the same seed contains the smaller one. `features`: [photos, width] (host), of a strategy that
/// needs them. Throws when the fraction is outside [0, 1] or NaN, a label is negative, or needed features are missing,
/// not one row a photo, or not finite.
std::vector<std::size_t> choose_subset(const std::vector<std::int32_t>& labels, double fraction,
                                       SubsetStrategy strategy, std::uint64_t seed,
                                       const std::vector<float>& features = {});

/// The order in which one person's photos are chosen, best first: a permutation of 0 .. n - 1.
/// features: [n, width], host. Ties go to the lower index. Takes about n * n * width operations.
/// herding and typical scale every photo's features to length 1 first, as iCaRL does; k_center takes them as they are,
/// as Sener & Savarese do, and starts with the photo closest to the mean (Gonzalez leaves the first one open).
std::vector<std::size_t> order_by_features(SubsetStrategy strategy, const std::vector<float>& features,
                                           std::size_t width);

}  // namespace tsugi
