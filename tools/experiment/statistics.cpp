// Means and Student's t.
#include "tools/experiment/statistics.h"

#include <cmath>

#include "tools/console.h"

namespace tsugi::tools {

double student_t(int degrees) {
  static constexpr double kTable[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                      2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  constexpr int kRows = sizeof kTable / sizeof kTable[0];
  if (degrees <= kRows) return kTable[degrees < 1 ? 0 : degrees - 1];
  constexpr double z = 1.959964;  // the normal quantile, which t nears as 1 / degrees
  const double n = degrees;
  return z + (z * z * z + z) / (4.0 * n) + (5.0 * std::pow(z, 5) + 16.0 * z * z * z + 3.0 * z) / (96.0 * n * n);
}

Estimate estimate(const std::vector<double>& values) {
  Estimate result{std::nan(""), std::nan(""), 0};
  double sum = 0.0, squares = 0.0;
  for (const double value : values)
    if (std::isfinite(value)) {
      sum += value;
      ++result.n;
    }
  if (result.n == 0) return result;
  result.mean = sum / result.n;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - result.mean) * (value - result.mean);
  if (result.n > 2) result.half = student_t(result.n - 1) * std::sqrt(squares / (result.n - 1) / result.n);
  return result;
}

std::string interval_text(const Estimate& shares, int digits, const std::string& of) {
  if (std::isfinite(shares.half)) return format(" ± %.*f", digits, shares.half * 100.0);
  return shares.n == 2 ? " (2 " + of + ")" : "";
}

std::string percent_text(const Estimate& shares, bool signs, const std::string& of) {
  if (!std::isfinite(shares.mean)) return "–";
  const double tenths = std::round(shares.mean * 1000.0) / 10.0;
  const std::string sign = tenths < 0.0 ? "−" : signs && tenths > 0.0 ? "+" : "";
  return sign + format("%.1f", std::abs(tenths)) + interval_text(shares, 1, of);
}

}  // namespace tsugi::tools
