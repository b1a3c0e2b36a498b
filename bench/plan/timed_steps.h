// The machine that runs this as a device to plan for: steps of what is planned are run and timed there, as `tsugi bench
// --step` times them. No model of the machine comes as close.
#pragma once

#include <functional>
#include <map>
#include <tuple>

#include "bench/measure/step_bench.h"
#include "bench/plan/measured_device.h"
#include "bench/plan/step_model.h"

namespace tsugi::bench {

struct TimedStepsOptions {
  bool brief = false;  ///< one step of each kind: shows that everything runs, its times mean nothing
  std::function<void(double share_done)> progress;  ///< of the step that is being timed
  std::function<bool()> should_stop;
};

class TimedSteps {
 public:
  /// Times a step of `asked` with two batches of photos. What the process holds is measured then, too: make it before
  /// anything else takes memory. Throws what training throws, and Error when the caller asks to stop.
  TimedSteps(Backend& backend, const StepRequest& asked, const TimedStepsOptions& options);

  /// Memory as the trainer plans it for the request's photos, times of real steps: each kind of step is timed once.
  StepPrediction predict(const StepRequest& request);

  /// Limits, memory, noise; no efficiencies.
  const DeviceDescription& device() const { return device_; }

  /// The device with what it needs to be planned for elsewhere: usual steps of `lists` are timed, and tell how fast
  /// each kind of op is.
  DeviceDescription describe(const std::vector<ShapeList>& lists, int batch, DType dtype);

 private:
  /// What decides a step's time: model, batch, micro-batch, optimizer, layers and batch norm that are frozen.
  using Kind = std::tuple<std::string, int, int, OptimizerKind, std::string, bool>;
  const StepResult& time(const StepRequest& request, const RecordedStep& recorded);

  Backend& backend_;
  TimedStepsOptions options_;
  DeviceDescription device_;
  std::map<Kind, StepResult> timed_;
};

}  // namespace tsugi::bench
