// Comparisons of the op tests, one doctest assertion a tensor.
#include "tests/ops/expect.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

namespace tsugi {
namespace test {
namespace {

/// Asserts that no element is off; `worst` is the one to show.
void report(const std::string& what, const Values& got, const Values& want, std::size_t off, std::size_t worst,
            double allowed) {
  std::ostringstream message;
  message.precision(9);
  message << what << ": " << off << " of " << got.size() << " elements are off";
  if (off > 0) {
    message << "; element " << worst << " is " << got[worst] << ", expected " << want[worst] << " +- " << allowed;
  }
  message << "; TSUGI_TEST_SEED=" << test_seed();
  CHECK_MESSAGE(off == 0, message.str());
}

}  // namespace

Values rounded_before_adding(Values magnitude, const Values& sum, DType dtype) {
  if (dtype == DType::f32) return magnitude;
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    magnitude[i] += std::fabs(sum[i]) * static_cast<float>(stored(dtype) / 2.0 / kRandomSum);
  }
  return magnitude;
}

void expect_close(const std::string& what, const Values& got, const Values& want, const Values& magnitude,
                  const Bound& bound) {
  REQUIRE_MESSAGE(got.size() == want.size(), what);
  REQUIRE_MESSAGE(got.size() == magnitude.size(), what);
  std::size_t off = 0, worst = 0;
  double worst_excess = -1.0, worst_allowed = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double expected = static_cast<double>(want[i]);
    const double allowed = stored(bound.dtype) * std::fabs(expected) + bound.error * static_cast<double>(magnitude[i]) +
                           smallest(bound.dtype);
    const double excess = std::fabs(static_cast<double>(got[i]) - expected) / allowed;
    if (excess <= 1.0) continue;  // false for a NaN on either side
    ++off;
    if (!(excess <= worst_excess)) {
      worst = i;
      worst_excess = excess;
      worst_allowed = allowed;
    }
  }
  report(what, got, want, off, worst, worst_allowed);
}

void expect_identical(const std::string& what, const Values& got, const Values& want) {
  REQUIRE_MESSAGE(got.size() == want.size(), what);
  std::size_t off = 0, worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (got[i] == want[i]) continue;  // false for a NaN on either side
    ++off;
    worst = i;
  }
  report(what, got, want, off, worst, 0.0);
}

}  // namespace test
}  // namespace tsugi
