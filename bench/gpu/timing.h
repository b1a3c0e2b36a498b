// Times work on a device: contenders take turns in one run, each replay of a captured graph is one sample, and a sample
// is long enough for the host's clock. Medians and median absolute deviations; neither mean nor minimum.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/api/backend.h"

namespace tsugi::bench {

/// Seconds on a clock that never goes back.
double now();

/// The middle value; of an even number of values the mean of the two in the middle. NaN of none.
double median(std::vector<double> values);
/// Median of the distances from the median: how far samples lie apart, whatever a few outliers do.
double median_deviation(const std::vector<double>& values);

struct Timing {
  double seconds = 0.0;    ///< of one call: median over the samples
  double deviation = 0.0;  ///< median absolute deviation of the samples, seconds
  int samples = 0;
  int calls = 0;  ///< in one sample
};

struct TimingOptions {
  int samples = 7;
  double sample_seconds = 1e-3;  ///< a sample repeats the call until it lasts about that long
  int max_calls = 200;
};

/// One call, told which of several copies of its tensors to work on.
using IndexedCall = std::function<void(int copy)>;

/// Something to be timed. All memory must live until the timing is done.
struct Contender {
  std::string name;
  Backend* backend;
  IndexedCall call;
};

/// Times every contender in turn, `options.samples` times round, after one untimed sample each. copies: how many sets
/// of tensors a call can work on; more than the device's cache holds together times a cold cache, 1 a warm one.
/// A contender that throws Error gets no samples and its message in `failures` (same order), empty otherwise.
std::vector<Timing> time_in_turn(const std::vector<Contender>& contenders, int copies, const TimingOptions& options,
                                 std::vector<std::string>& failures);

}  // namespace tsugi::bench
