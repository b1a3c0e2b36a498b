// How many threads can really run at once. The one place that says so: computing, decoding and measuring ask here when
// their caller says "all".
#pragma once

#include <string>

namespace tsugi {

struct AvailableThreads {
  int count = 1;
  std::string source;  ///< why that many: "2 processors", "8 processors, quota 1.5 by /sys/fs/cgroup/cpu.max"
};

/// Of this process: the processors that it may run on, or the CPU quota of the control groups around it, rounded up,
/// where that is less (fewer threads would leave a part of the quota unused). Read once, at the first call.
const AvailableThreads& available_threads();

/// The same for `processors` and a file system below `root` (its proc/self/cgroup and proc/self/mountinfo; control
/// groups of version 1 and 2). What cannot be read or understood sets no limit.
AvailableThreads available_threads(int processors, const std::string& root);

}  // namespace tsugi
