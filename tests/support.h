// What the tests of several areas share: a fresh seed, whether a sanitizer watches, and the message of an Error.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>

#include "kernels/api/error.h"

namespace tsugi::test {

/// A seed that differs from run to run; TSUGI_TEST_SEED=<number> repeats one. CAPTURE it.
inline std::uint64_t fresh_seed() {
  const char* fixed = std::getenv("TSUGI_TEST_SEED");
  return fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
}

/// Whether a sanitizer watches. What it looks for shows in a few draws as in many, at 5 to 30 times their cost: tests
/// that repeat themselves (thread orders, drawn cases, steps) do it less often then. The optimised build does all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// The message of the Error that `call` throws; fails the test when it throws nothing or something else.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& other) {
    FAIL("an Error expected, another exception thrown: ", other.what());
  }
  FAIL("an Error expected, nothing thrown");
  return {};
}

}  // namespace tsugi::test
