// Host-side values of the op tests: always float32, already rounded to the element type that the op will see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/api/types.h"

namespace tsugi {
namespace test {

/// An empty vector stands for a tensor that is not there.
using Values = std::vector<float>;

/// The seed of this run: TSUGI_TEST_SEED, or a fresh one. Every test that draws prints it when it fails.
std::uint64_t test_seed();

/// `value` as it reads back from memory of type `dtype` (f32, bf16 or f16).
float rounded(float value, DType dtype);
Values rounded(Values values, DType dtype);
Values absolute(Values values);

/// Draws of one test case: seeded by the run's seed and the case's own number.
class Random {
 public:
  explicit Random(std::uint64_t stream) : engine_(test_seed() * 0x9E3779B97F4A7C15u + stream) {}

  Values normal(std::size_t count, DType dtype, float mean = 0.0f, float deviation = 1.0f);
  Values uniform(std::size_t count, DType dtype, float low, float high);
  std::vector<double> normal_doubles(std::size_t count);
  /// Whole numbers in [low, high].
  template <typename Integer>
  std::vector<Integer> integers(std::size_t count, int low, int high) {
    std::uniform_int_distribution<int> draw(low, high);
    std::vector<Integer> values(count);
    for (Integer& value : values) value = static_cast<Integer>(draw(engine_));
    return values;
  }
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(engine_); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace test
}  // namespace tsugi
