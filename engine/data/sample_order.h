// The order of an epoch's samples. A sample is one variant of one photo: sample id = photo * variants + variant.
// Pure functions of (seed, epoch): an interrupted epoch is continued by computing its order again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsugi {

/// Every sample of `photos` photos once, in random order: a permutation of 0 .. photos * variants - 1.
/// Throws Error when the count does not fit 32 bits or variants is 0.
std::vector<std::uint32_t> shuffled_order(std::size_t photos, std::uint32_t variants, std::uint64_t seed,
                                          std::uint32_t epoch);

/// `length` samples with every class equally often (counts differ by one at most, in any stretch of the order by two):
/// rounds of all classes in random order. Within a class, photos come without replacement, and each photo's variants
/// likewise. labels: [photos], each photo's class; classes without a photo are left out. Throws Error when there are no
/// photos, a label is negative, or variants is 0.
std::vector<std::uint32_t> balanced_order(const std::vector<int>& labels, std::uint32_t variants, std::size_t length,
                                          std::uint64_t seed, std::uint32_t epoch);

}  // namespace tsugi
