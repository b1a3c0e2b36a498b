#include "bench/measure/timing.h"

#include <algorithm>

#include "bench/measure/statistics.h"

namespace tsugi::bench {

Sample::Sample(const Contender& contender, int copies, const TimingOptions& options)
    : contender_(contender),
      copies_(copies),
      begin_(contender.backend->make_time_mark()),
      end_(contender.backend->make_time_mark()) {
  Backend& backend = *contender_.backend;
  run_calls(1);  // loads code, fails here if it fails
  backend.synchronize();
  const int tries = std::min(3, options.max_calls);
  begin_->record();
  run_calls(tries);
  end_->record();
  const double estimate = end_->seconds_since(*begin_) / tries;
  const double wanted = options.sample_seconds / std::max(estimate, 1e-9);
  // At least once over every copy: a graph that works on few of them would find those in the cache.
  calls_ = std::max(copies, static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(options.max_calls))));
  if (!backend.captures()) return;
  backend.begin_capture();
  try {
    run_calls(calls_);
  } catch (...) {
    try {
      (void)backend.end_capture();
    } catch (const Error&) {  // the first failure is the one to report
    }
    throw;
  }
  graph_ = backend.end_capture();
}

double Sample::run() {
  contender_.backend->synchronize();
  begin_->record();
  if (graph_ != nullptr) {
    graph_->launch();
  } else {
    run_calls(calls_);
  }
  end_->record();
  return end_->seconds_since(*begin_) / calls_;
}

void Sample::run_calls(int count) {
  for (int i = 0; i < count; ++i) {
    contender_.call(copy_);
    copy_ = (copy_ + 1) % copies_;
  }
}

Turn take_turn(const Contender& contender, int copies, const TimingOptions& options, double seconds) {
  Sample sample(contender, copies, options);
  sample.run();
  Turn turn;
  turn.calls = sample.calls();
  const double begin = now(), processor = processor_seconds();
  do {
    turn.seconds.push_back(sample.run());
  } while (now() - begin < seconds);
  turn.processor_seconds = (processor_seconds() - processor) / static_cast<double>(turn.seconds.size()) / turn.calls;
  return turn;
}

}  // namespace tsugi::bench
