// Random and rounded values for the op tests.
#include "tests/ops/values.h"

#include <cmath>
#include <cstdlib>

#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace test {

std::uint64_t test_seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("TSUGI_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : static_cast<std::uint64_t>(std::random_device()());
  }();
  return seed;
}

float rounded(float value, DType dtype) {
  if (dtype == DType::f16) return static_cast<float>(reference::Float16(value));
  return dtype == DType::bf16 ? static_cast<float>(reference::Bfloat16(value)) : value;
}

Values rounded(Values values, DType dtype) {
  for (float& value : values) value = rounded(value, dtype);
  return values;
}

Values absolute(Values values) {
  for (float& value : values) value = std::fabs(value);
  return values;
}

Values Random::normal(std::size_t count, DType dtype, float mean, float deviation) {
  std::normal_distribution<float> draw(mean, deviation);
  Values values(count);
  for (float& value : values) value = draw(engine_);
  return rounded(values, dtype);
}

Values Random::uniform(std::size_t count, DType dtype, float low, float high) {
  std::uniform_real_distribution<float> draw(low, high);
  Values values(count);
  for (float& value : values) value = draw(engine_);
  return rounded(values, dtype);
}

std::vector<double> Random::normal_doubles(std::size_t count) {
  std::normal_distribution<double> draw;
  std::vector<double> values(count);
  for (double& value : values) value = draw(engine_);
  return values;
}

}  // namespace test
}  // namespace tsugi
