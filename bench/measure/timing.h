// Times work on a device. A sample is long enough for a clock: several calls, as one captured graph where the device
// has those, between two marks in the device's stream. Contenders take turns, so that what else the machine does hits
// all alike.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/api/backend.h"

namespace tsugi::bench {

struct TimingOptions {
  double sample_seconds = 1e-3;  ///< a sample repeats the call until it lasts about that long
  int max_calls = 200;           ///< in a sample; but always once over every copy
};

/// One call, told which of several copies of its tensors to work on.
using IndexedCall = std::function<void(int copy)>;

/// Something to be timed. All memory must live until the timing is done.
struct Contender {
  std::string name;
  Backend* backend;
  IndexedCall call;
};

/// A contender made ready: its calls of one sample, recorded where the backend records.
class Sample {
 public:
  /// copies: how many sets of tensors a call can work on; more than the device's cache holds together times a cold
  /// cache, 1 a warm one. Makes untimed calls first, so that code is loaded and algorithms are chosen. Throws what the
  /// call throws.
  Sample(const Contender& contender, int copies, const TimingOptions& options);

  int calls() const { return calls_; }
  /// Seconds of one call, measured over calls() of them.
  double run();

 private:
  void run_calls(int count);

  Contender contender_;
  int copies_, copy_ = 0, calls_ = 1;
  std::unique_ptr<TimeMark> begin_, end_;
  std::unique_ptr<CapturedWork> graph_;
};

/// What one contender measured in one turn. Times are of one call.
struct Turn {
  std::vector<double> seconds;     ///< a sample each
  double processor_seconds = 0.0;  ///< of all threads of the process, mean over the turn
  int calls = 0;                   ///< in one sample
};

/// One contender's turn: an untimed sample, then samples for `seconds`, at least one.
Turn take_turn(const Contender& contender, int copies, const TimingOptions& options, double seconds);

}  // namespace tsugi::bench
