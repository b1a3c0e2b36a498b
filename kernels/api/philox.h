// Philox4x32-10, the counter-based generator behind every random draw: the same (seed, epoch, sample, purpose, block)
// gives the same numbers on every device, thread count and batch order.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "kernels/api/types.h"

namespace tsugi {

/// What a draw is for. Layers add their index to `dropout`, so two dropout layers draw differently.
namespace purpose {
constexpr std::uint32_t kInit = 1;
constexpr std::uint32_t kSplit = 2;
constexpr std::uint32_t kShuffle = 3;
constexpr std::uint32_t kSubset = 4;
constexpr std::uint32_t kAugment = 5;
constexpr std::uint32_t kNoise = 6;
constexpr std::uint32_t kSynth = 7;
constexpr std::uint32_t kDropout = 1000;
}  // namespace purpose

struct Philox4 {
  std::uint32_t v[4];
};

/// The i-th block of four numbers of the stream (seed, epoch, sample, purpose).
TSUGI_HOST_DEVICE inline Philox4 philox(std::uint64_t seed, std::uint32_t epoch, std::uint32_t sample,
                                        std::uint32_t draw_purpose, std::uint32_t block) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(seed >> 32);
  std::uint32_t c0 = block, c1 = sample, c2 = epoch, c3 = draw_purpose;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(0xD2511F53u) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(0xCD9E8D57u) * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return Philox4{{c0, c1, c2, c3}};
}

/// Uniform in [0, 1) with 24 random bits: exact in float32, so every device agrees.
TSUGI_HOST_DEVICE inline float uniform01(std::uint32_t bits) {
  return static_cast<float>(bits >> 8) * (1.0f / 16777216.0f);
}

}  // namespace tsugi
