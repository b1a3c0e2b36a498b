// How far a grid is, and how long the rest takes: jobs differ in work a hundredfold, so counting them would mislead.
#pragma once

#include <string>

#include "engine/train/run.h"
#include "tools/experiment/cells.h"

namespace tsugi::tools {

class GridProgress {
 public:
  explicit GridProgress(const std::vector<Job>& jobs);

  void start(const Job& job) { current_ = job; }
  /// A finished job took `seconds`; also for those of earlier processes.
  void finish(const Job& job, double seconds);

  std::size_t done() const { return done_; }
  /// NaN before anything is known.
  double seconds_left(double share_of_current = 0.0) const;
  /// The progress line within a job.
  std::string line(const RunStatus& status) const;
  /// "[12/180] 20 people, ...": the line after a job.
  std::string finished_line(const Cell& cell) const;

 private:
  std::size_t total_ = 0, done_ = 0;
  double work_left_ = 0.0, work_done_ = 0.0, seconds_ = 0.0;
  Job current_;
};

}  // namespace tsugi::tools
