// A place in a device's stream of work, and the time at which the device got there: how work is timed without making
// the host wait between ops.
#pragma once

namespace tsugi {

/// Marks of one backend can be compared with each other. A mark can be recorded again: the new place replaces the old.
class TimeMark {
 public:
  virtual ~TimeMark() = default;
  /// Marks the end of everything issued so far.
  virtual void record() = 0;
  /// Seconds from `earlier`, a recorded mark of the same backend, to this one. Waits until the device has passed both.
  virtual double seconds_since(const TimeMark& earlier) const = 0;
};

}  // namespace tsugi
