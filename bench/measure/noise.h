// What says that a measurement was disturbed: its samples lie far apart, or this process waited for processors that
// others had. Medians stand an outlier, not a machine that works for somebody else half of the time.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/result_file.h"

namespace tsugi::bench {

/// Bounds beyond which a result is marked. On an idle machine samples lie within some percent, and nobody waits.
constexpr double kMuchSpread =
    0.1;  ///< of samples: median absolute deviation over median; of a limit: how far the median stays below the best
constexpr double kMuchWaiting = 0.05;  ///< of the time that threads could have run
constexpr double kManyPoints = 0.1;    ///< of a file's points: tiny ones spread on any machine

bool is_noisy(const ResultEntry& entry);

/// What was disturbed, a line each; empty where nothing was, and of a smoke run.
std::vector<std::string> noise_of(const ResultFile& file);
std::vector<std::string> noise_of(const Limits& limits, double processor_wait);

}  // namespace tsugi::bench
