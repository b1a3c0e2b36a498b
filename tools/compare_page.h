// A comparison of result files as one HTML page that needs nothing else: sorts by any column, filters by text, model,
// op, cache.
#pragma once

#include <string>

#include "bench/measure/compare.h"

namespace tsugi::tools {

/// Well-formed XML as well as HTML. svg: a roofline plot to show, or empty; no_plot: then why there is none. Nothing
/// that comes from the files is taken for markup.
std::string compare_page(const bench::Comparison& comparison, const std::string& svg, const std::string& no_plot);

}  // namespace tsugi::tools
