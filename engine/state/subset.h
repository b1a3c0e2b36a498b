// Chooses the part of the server's training photos that a bundle carries. It draws from original photos: the device
// augments them itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tsugi {

/// stratified: every person keeps their share, and at least one photo. random: the source paper's plain draw.
enum class SubsetStrategy : std::uint8_t { stratified, random };

/// "stratified", "random".
const char* name_of(SubsetStrategy strategy);

/// The strategy of that name. Throws on any other name.
SubsetStrategy subset_strategy(const std::string& name);

/// The indices, ascending, of the photos to hand over.
/// `labels`: the class of each training photo, >= 0. `fraction`: 0 to 1, of photos; the result has
/// round(fraction * photos) of them, more only where `stratified` would leave a person out. A larger fraction of the
/// same seed contains the smaller one. Throws when the fraction is outside [0, 1] or NaN, or a label is negative.
std::vector<std::size_t> choose_subset(const std::vector<std::int32_t>& labels, double fraction,
                                       SubsetStrategy strategy, std::uint64_t seed);

}  // namespace tsugi
