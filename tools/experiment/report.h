// The report of an experiment: tables, figures, and one page that holds them all. Made from finished cells; nothing is
// trained.
#pragma once

#include <functional>
#include <string>

#include "engine/core/file_log.h"

namespace tsugi::tools {

struct ReportSummary {
  std::size_t cells = 0;
  bool figures = false;  ///< false: there is no gnuplot, the page says so
  std::string page;      ///< path of index.html
};

/// Writes results.csv, timing.csv, figures/ and index.html in the folder of an experiment. say: told once when figures
/// are left out. Throws Error when the folder holds no experiment or no finished cell, and when a file cannot be read
/// or written.
ReportSummary write_report(const std::string& out, const std::function<void(const std::string&)>& say,
                           FileLog* files = nullptr);

}  // namespace tsugi::tools
