// Roofline plots: the measured ceilings of each device, and a point a layer and direction.
// Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 2009.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/compare.h"

namespace tsugi::tools {

/// The bytes of a figure, drawn by gnuplot (third_party/packages.txt). kind: svg or pngcairo. Throws Error
/// when no point has floating-point operations, no device its limits, and when gnuplot is missing or fails.
std::string roofline_plot(const std::vector<bench::CompareSide>& sides, const std::string& kind);

/// Writes PREFIX.svg and PREFIX.png.
void write_roofline_plot(const std::vector<bench::CompareSide>& sides, const std::string& prefix);

}  // namespace tsugi::tools
