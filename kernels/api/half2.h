// How far the "half2" rows sum in float16 before they go on in float32, and what that costs in precision.
#pragma once

#include <cmath>

namespace tsugi {

/// Products that a half2 row sums in float16 (fused multiply-adds) before it adds the sum to a float32. Two such runs,
/// of neighbouring terms, are added to each other in float16 first, so that a term is rounded at most kHalf2Run + 1
/// times: in the worst case a result errs by (kHalf2Run + 1) * 2^-11 of the sum of the absolute terms, plus what
/// float32 adds. A run must stay below 65504, which |x| <= 45 and |w| <= 45 guarantee; beyond it a result is infinite
/// or NaN, never silently wrong, and the loss scaling of float16 training reacts to that.
constexpr int kHalf2Run = 16;

/// Error of a half2 row, relative to the sum of the absolute terms, where terms have random signs and a result sums at
/// least `terms` of them (or none). Within a run of L terms of size a, partial sums grow as the root of their length,
/// and so does the sum of the roundings (each at most u = 2^-11 of the partial sum): about 1.1 u L a (standard
/// deviation). The errors of the terms / L runs are independent: 1.1 u a sqrt(terms L), which is 1.1 u sqrt(L / terms)
/// of terms * a. 8 u instead is seven standard deviations. It shrinks with the length, which a sum that stays in
/// float16 does not, and so tells the two apart.
inline double half2_error(double terms) {
  const double roundoff = 1.0 / 2048;
  return 8 * roundoff * (terms > kHalf2Run ? std::sqrt(kHalf2Run / terms) : 1.0);
}

}  // namespace tsugi
