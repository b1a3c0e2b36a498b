// Result files side by side: how much longer one device takes than another, and which part of that its peak and its
// bandwidth explain.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/result_file.h"

namespace tsugi::bench {

/// A result file under a short name.
struct CompareSide {
  std::string name;
  ResultFile file;
};

/// What a point's least time is set by on one device.
enum class Bound { unknown, peak, bandwidth };
const char* name_of(Bound bound);

struct CompareCell {
  bool present = false;
  ResultEntry entry;
  double peak = 0.0, bandwidth = 0.0, roofline = 0.0;  ///< shares of this device's own limits; 0 = unknown
  Bound bound = Bound::unknown;
  /// Against the first side, where both have the point: time by time, and the same of the rooflines. ratio =
  /// roofline_ratio times (the first side's share of its roofline / this side's share).
  double ratio = 0.0, roofline_ratio = 0.0;
  bool within_spread = false;  ///< the times differ by no more than their deviations together
  std::string because;         ///< the ratio taken apart, for people
};

struct CompareRow {
  std::string name, model, layer, op, dtype, cache;
  int batch = 0;
  double flops = 0.0, bytes = 0.0;
  std::vector<CompareCell> cells;  ///< one a side
};

/// A side against the first one.
struct CompareSummary {
  double f32_ratio = 0.0, f16_ratio = 0.0, bf16_ratio = 0.0,
         copy_ratio = 0.0;         ///< of limits, the first's by this one's; 0 = unknown
  double mean_ratio = 0.0;         ///< of times: geometric mean of shared points
  int shared = 0, missing = 0;     ///< points of the first side
  int within_spread = 0;           ///< of the shared ones
  std::vector<std::string> notes;  ///< what makes this comparison less than one of devices alone
};

struct Comparison {
  std::vector<CompareSide> sides;
  std::vector<CompareRow> rows;
  std::vector<CompareSummary> summaries;  ///< one a side; the first has notes only
};

/// Names sides after their files, told apart where two are alike. Throws Error when there are fewer than two sides, or
/// the sides share no point.
Comparison compare(const std::vector<std::string>& paths, const std::vector<ResultFile>& files);

/// One line that can be read off: "nano is 57 times slower by peak (f32), 24.1 by bandwidth, 61.3 in the mean of 45
/// points".
std::string summary_text(const Comparison& comparison, std::size_t side);

std::string to_csv(const Comparison& comparison);

}  // namespace tsugi::bench
