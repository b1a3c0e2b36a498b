// Roofline plots: the measured ceilings of each device, and a point a layer and direction.
// Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 2009.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/compare.h"

namespace tsugi::tools {

/// A gnuplot script. Points from cold caches where a file has them: those move the bytes that the x axis counts. Throws
/// Error when no point has floating-point operations, or no device its limits.
std::string roofline_script(const std::vector<bench::CompareSide>& sides);

constexpr int kRooflineWidth = 1300, kRooflineHeight = 700;

/// Writes PREFIX.svg and PREFIX.png.
void write_roofline_plot(const std::vector<bench::CompareSide>& sides, const std::string& prefix);

}  // namespace tsugi::tools
