// Runs a few lines of PTX: what the tests of the interpreter share.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/ptx/launch.h"
#include "tests/support.h"

namespace tsugi {
namespace test {

/// What a thread is given and what it leaves: four words.
using Words = std::array<std::uint32_t, 4>;

struct Setup {
  std::uint32_t threads = 32, blocks = 1;
  std::uint64_t shuffle = 0;
  ptx::Checks* checks = nullptr;
  std::string declarations;     ///< of the module
  std::size_t extra_bytes = 0;  ///< of %extra, an allocation of its own that nothing wrote
  const char* target = "sm_75";
};

/// Runs `body` as every thread's program and returns what it left in %r5 to %r8, which begin as zeros. `given` (a row a
/// thread; empty: zeros) is in %r1 to %r4. Registers beside them: %r9 to %r63, %f, %d (f64), %h (16 bits), %q (64 bits)
/// and %p, 0 to 31 each; %r0 is %tid.x; %extra (64 bits) is an address; `memory` is 4096 bytes of shared memory,
/// `depot` 64 of local. Label DONE ends it.
std::vector<Words> run(const std::string& body, const std::vector<Words>& given = {}, const Setup& setup = {});

/// The message of the Error that the program ends with.
inline std::string failure(const std::string& body, const Setup& setup = {}) {
  return error_of([&] { run(body, {}, setup); });
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace test
}  // namespace tsugi
