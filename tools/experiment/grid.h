// A whole experiment: checks its settings, runs what is missing, and says how far it is.
#pragma once

#include <functional>
#include <string>

#include "tools/console.h"
#include "tools/experiment/jobs.h"

namespace tsugi::tools {

struct GridSummary {
  bool stopped = false;
  std::size_t cells = 0, done = 0, run = 0;  ///< of the grid; finished; in this process
  std::vector<std::string> failed;           ///< jobs that threw, with what they said
  double wall_s = 0.0;
};

/// Runs every job whose cell is missing and writes the tables. command: what repeats it, for the report. Throws Error
/// on unusable input before anything is written; a job that fails is left out, with what needs it, and the next one
/// runs.
GridSummary run_grid(const ExperimentSettings& settings, const std::string& command, Console& console, FileLog* files);

}  // namespace tsugi::tools
