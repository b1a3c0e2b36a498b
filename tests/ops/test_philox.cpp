// Philox4x32-10 against the known-answer vectors of its authors.
// Source: Random123, tests/kat_vectors, https://github.com/DEShawResearch/random123
#include <doctest/doctest.h>

#include <cstdint>

#include "kernels/api/philox.h"

namespace tsugi {
namespace {

/// The published vectors give a counter of four words and a key of two; philox() names their parts.
void check_vector(const std::uint32_t (&counter)[4], const std::uint32_t (&key)[2], const std::uint32_t (&want)[4]) {
  const std::uint64_t seed = static_cast<std::uint64_t>(key[1]) << 32 | key[0];
  const Philox4 got = philox(seed, counter[2], counter[1], counter[3], counter[0]);
  for (int i = 0; i < 4; ++i) {
    CAPTURE(i);
    CHECK(got.v[i] == want[i]);
  }
}

}  // namespace

TEST_CASE("philox gives the published numbers") {
  check_vector({0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check_vector({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
               {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check_vector({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
               {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform01 covers 0 to 1 and never reaches 1") {
  CHECK(uniform01(0) == 0.0f);
  CHECK(uniform01(255) == 0.0f);
  CHECK(uniform01(256) == 1.0f / 16777216.0f);
  CHECK(uniform01(0x80000000u) == 0.5f);
  CHECK(uniform01(0xFFFFFFFFu) < 1.0f);
}

TEST_CASE("every part of a draw's key changes the draw") {
  const std::uint32_t plain = philox(1, 2, 3, 4, 5).v[0];
  CHECK(philox(2, 2, 3, 4, 5).v[0] != plain);
  CHECK(philox(1 | 1ull << 32, 2, 3, 4, 5).v[0] != plain);
  CHECK(philox(1, 3, 3, 4, 5).v[0] != plain);
  CHECK(philox(1, 2, 4, 4, 5).v[0] != plain);
  CHECK(philox(1, 2, 3, 5, 5).v[0] != plain);
  CHECK(philox(1, 2, 3, 4, 6).v[0] != plain);
}

}  // namespace tsugi
