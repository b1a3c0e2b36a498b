#include "bench/gpu/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace tsugi::bench {
namespace {

/// A contender's sample: a captured graph of several calls, or the calls themselves where nothing captures.
class Sample {
 public:
  Sample(const Contender& contender, int copies, const TimingOptions& options)
      : contender_(contender), copies_(copies) {
    Backend& backend = *contender.backend;
    run_calls(1);  // loads code, fails here if it fails
    backend.synchronize();
    double begin = now();
    run_calls(std::min(3, options.max_calls));
    backend.synchronize();
    const double estimate = (now() - begin) / std::min(3, options.max_calls);
    const double wanted = options.sample_seconds / std::max(estimate, 1e-9);
    // At least once over every copy: a graph that works on few of them would find those in the cache.
    calls_ = std::max(copies, static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(options.max_calls))));
    if (!backend.captures()) return;
    backend.begin_capture();
    try {
      run_calls(calls_);
    } catch (...) {
      try {
        backend.end_capture();
      } catch (const Error&) {  // the first failure is the one to report
      }
      throw;
    }
    graph_ = backend.end_capture();
  }

  int calls() const { return calls_; }

  /// Seconds of one call.
  double run() {
    Backend& backend = *contender_.backend;
    backend.synchronize();
    const double begin = now();
    if (graph_ != nullptr) {
      graph_->launch();
    } else {
      run_calls(calls_);
    }
    backend.synchronize();
    return (now() - begin) / calls_;
  }

 private:
  void run_calls(int count) {
    for (int i = 0; i < count; ++i) {
      contender_.call(copy_);
      copy_ = (copy_ + 1) % copies_;
    }
  }

  const Contender& contender_;
  int copies_, copy_ = 0, calls_ = 1;
  std::unique_ptr<CapturedWork> graph_;
};

}  // namespace

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

double median_deviation(const std::vector<double>& values) {
  const double center = median(values);
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::fabs(value - center));
  return median(distances);
}

std::vector<Timing> time_in_turn(const std::vector<Contender>& contenders, int copies, const TimingOptions& options,
                                 std::vector<std::string>& failures) {
  std::vector<Timing> timings(contenders.size());
  std::vector<std::unique_ptr<Sample>> samples(contenders.size());
  std::vector<std::vector<double>> seconds(contenders.size());
  failures.assign(contenders.size(), "");
  // -1: the untimed round.
  for (int round = -1; round < options.samples; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!failures[i].empty()) continue;
      try {
        if (samples[i] == nullptr) samples[i] = std::make_unique<Sample>(contenders[i], copies, options);
        const double one = samples[i]->run();
        if (round >= 0) seconds[i].push_back(one);
      } catch (const Error& error) {
        failures[i] = error.what();
        samples[i].reset();
      }
    }
  }
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (!failures[i].empty()) continue;
    timings[i] = {median(seconds[i]), median_deviation(seconds[i]), static_cast<int>(seconds[i].size()),
                  samples[i]->calls()};
  }
  return timings;
}

}  // namespace tsugi::bench
