// Comparisons of the op tests. A NaN on either side fails; a failure names the worst element and the run's seed.
#pragma once

#include <string>
#include <vector>

#include "tests/ops/values.h"

namespace tsugi {
namespace test {

/// Unit roundoff of float32 arithmetic.
constexpr double kFloat32Roundoff = 1.0 / (1 << 24);

/// Backend and reference each round once when they store: half a unit in the last place each. A whole one is 2^-23 of
/// the value in f32 (24 significant bits), 2^-7 in bf16 (8 significant bits), 2^-10 in f16 (11).
constexpr double stored(DType dtype) {
  return dtype == DType::bf16 ? 1.0 / (1 << 7) : dtype == DType::f16 ? 1.0 / (1 << 10) : 1.0 / (1 << 23);
}

/// Where numbers grow so small that their spacing no longer shrinks, each of the two roundings errs by half of it.
constexpr double smallest(DType dtype) { return dtype == DType::f16 ? 1.0 / (1 << 24) : 1e-37; }

/// How far two correct results of one element may lie apart: stored(dtype) * |want| + error * magnitude, and never less
/// than smallest(dtype).
struct Bound {
  DType dtype;   ///< in which the result is stored
  double error;  ///< of the arithmetic, relative to `magnitude`: the sum of the absolute values of all terms
};

/// A float32 sum of terms with random signs, in any order. Each addition errs by at most u times the partial sum;
/// partial sums grow as the root of their length, and so does the sum of the errors, so the result errs by about
/// 1.1 u times the magnitude, whatever the length (standard deviation). 8 u is seven of those.
constexpr double kRandomSum = 8 * kFloat32Roundoff;

/// In bf16 a sum may also be rounded (half a unit in the last place) before the old value is added to it: oneDNN's
/// backward-data passes can only overwrite, so their result is stored, then added. Gives the magnitude that allows it
/// where `sum` is the result without the old value.
Values rounded_before_adding(Values magnitude, const Values& sum, DType dtype);

/// A few float32 operations in a row (no sum): each errs by u of what it produces.
constexpr double few_operations(int count) { return count * kFloat32Roundoff; }

void expect_close(const std::string& what, const Values& got, const Values& want, const Values& magnitude,
                  const Bound& bound);

/// Equal bit for bit where `got` and `want` are numbers.
void expect_identical(const std::string& what, const Values& got, const Values& want);

template <typename T>
void expect_same(const std::string& what, const std::vector<T>& got, const std::vector<T>& want) {
  expect_identical(what, Values(got.begin(), got.end()), Values(want.begin(), want.end()));
}

}  // namespace test
}  // namespace tsugi
