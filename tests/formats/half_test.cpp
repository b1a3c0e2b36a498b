// float16 conversion, against the definition: the nearest of all float16 values, ties to the even one.
#include "kernels/api/half.h"

#include <cmath>
#include <random>

#include "tests/formats/support.h"

using tsugi::float_to_half;
using tsugi::half_to_float;

namespace {

float from_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("every float16 survives the way to float32 and back") {
  for (std::uint32_t half = 0; half < 0x10000u; ++half) {
    const float value = half_to_float(static_cast<std::uint16_t>(half));
    const bool nan = (half & 0x7fffu) > 0x7c00u;
    CHECK(std::isnan(value) == nan);
    const std::uint16_t back = float_to_half(value);
    if (back != (nan ? half | 0x200u : half)) FAIL("float16 ", half, " became ", back);  // signalling NaN turns quiet
  }
}

TEST_CASE("float16 values mean what IEEE 754 says") {
  CHECK(half_to_float(0x3c00) == 1.0f);
  CHECK(half_to_float(0xc000) == -2.0f);
  CHECK(half_to_float(0x7bff) == 65504.0f);
  CHECK(half_to_float(0x0400) == std::ldexp(1.0f, -14));
  CHECK(half_to_float(0x0001) == std::ldexp(1.0f, -24));
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(half_to_float(0x7c00) == INFINITY);
  CHECK(half_to_float(0xfc00) == -INFINITY);
}

TEST_CASE("halfway between two float16 values rounds to the even one, anything else to the nearer one") {
  for (std::uint16_t half = 0; half < 0x7bff; ++half) {
    const double low = half_to_float(half);
    const double high = half_to_float(static_cast<std::uint16_t>(half + 1));
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one more bit than float16 has
    const int even = half % 2 == 0 ? half : half + 1;
    const bool right = float_to_half(middle) == even && float_to_half(std::nextafter(middle, 0.0f)) == half &&
                       float_to_half(std::nextafter(middle, 1e9f)) == half + 1 &&
                       float_to_half(-middle) == (even | 0x8000);
    if (!right) FAIL("around float16 ", half);
  }
}

TEST_CASE("float32 beyond the range of float16 becomes infinite, and NaN stays NaN") {
  CHECK(float_to_half(65519.996f) == 0x7bff);
  CHECK(float_to_half(65520.0f) == 0x7c00);
  CHECK(float_to_half(-3e38f) == 0xfc00);
  CHECK(float_to_half(INFINITY) == 0x7c00);
  CHECK(float_to_half(1e-40f) == 0);
  CHECK(float_to_half(-1e-10f) == 0x8000);
  for (const std::uint32_t nan : {0x7fc00000u, 0x7f800001u, 0xffffffffu})
    CHECK(std::isnan(half_to_float(float_to_half(from_bits(nan)))));
}
