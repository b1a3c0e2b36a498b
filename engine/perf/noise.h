// What says that a measurement was disturbed: its samples lie far apart, or this process waited for processors that
// others had. Medians stand an outlier, not a machine that works for somebody else half of the time.
#pragma once

#include <string>
#include <vector>

#include "engine/perf/result_file.h"

namespace tsugi::perf {

/// Bounds beyond which a result is marked. On an idle machine samples lie within some percent, and nobody waits.
constexpr double kMuchSpread =
    0.1;  ///< of samples: median absolute deviation over median; of a limit: how far the median stays below the best
constexpr double kMuchWaiting = 0.05;  ///< of the time that threads could have run
constexpr double kManyPoints = 0.1;    ///< of a file's points: tiny ones spread on any machine

/// How much of the time that this process's threads could have run they waited for a processor, since the object was
/// made.
class ProcessorWait {
 public:
  /// root: of the file system, for tests (proc/self/task/*/schedstat).
  explicit ProcessorWait(const std::string& root = "");
  /// 0 to 1; 0 where the system does not say.
  double share() const;

 private:
  struct Times {
    double ran = 0.0, waited = 0.0;
  };
  static Times read(const std::string& root);

  std::string root_;
  Times begin_;
};

bool is_noisy(const ResultEntry& entry);

/// What was disturbed, a line each; empty where nothing was, and of a smoke run.
std::vector<std::string> noise_of(const ResultFile& file);
std::vector<std::string> noise_of(const Limits& limits, double processor_wait);

}  // namespace tsugi::perf
