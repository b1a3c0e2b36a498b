// A mean over seeds, or hand-overs, and how well it is known.
#pragma once

#include <string>
#include <vector>

namespace tsugi::tools {

/// mean - half to mean + half is the 95 % interval of the mean (Student's t, two-sided). half is NaN below three
/// values: what two tell of their spread makes an interval 13 times as wide as it, which says nothing. mean is NaN
/// below one.
struct Estimate {
  double mean = 0.0, half = 0.0;
  int n = 0;
};

/// Values that are not finite are left out.
Estimate estimate(const std::vector<double>& values);

/// The 97.5 % quantile of Student's t with `degrees` degrees of freedom, at least 1: tabulated to 30, then within
/// 0.001. Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2; M. Abramowitz, I. Stegun, 26.7.5.
double student_t(int degrees);

/// "88.1 ± 2.3" from shares, in points of percent; "88.1 (2 seeds)" of two, "88.1" of one, "–" without a mean. signs:
/// "+0.4", "−1.2". of: what the values are of.
std::string percent_text(const Estimate& shares, bool signs = false, const std::string& of = "seeds");

/// What stands behind the mean: " ± 2.3" of points with so many `digits`, " (2 seeds)", or "".
std::string interval_text(const Estimate& shares, int digits, const std::string& of = "seeds");

}  // namespace tsugi::tools
