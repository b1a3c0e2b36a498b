// How many threads can really run at once: the one place that says so, which computing, decoding and measuring ask when
// their caller says "all". How long threads waited for a processor, and who decides how they wait for each other.
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

/// Whether the user's environment says how threads wait for each other: OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME.
bool waiting_is_chosen();

/// How they wait, for people: "OMP_WAIT_POLICY=passive", or what the CPU backend does where nobody chose.
std::string wait_policy();

}  // namespace tsugi
