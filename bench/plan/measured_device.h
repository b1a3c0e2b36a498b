// What was measured replaces what was derived: result files of a real board (`tsugi bench`, `tsugi bench --step`) as
// corrections of its description, and steps as the description of a device of which nothing else is known.
#pragma once

#include "bench/measure/recorded_step.h"
#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"

namespace tsugi::bench {

/// Limits of the file replace the description's. Each kind of op that it timed is as fast, on average over its points,
/// as measured; a timed step is kept as it is for plans of the same model, batch and precision. `place`: the file's
/// name. Throws Error naming it for a file of another kind of device
/// ("cpu" for a GPU), a smoke run, and one that times nothing that a plan can use. kernels: as record_step.
void apply_result(DeviceDescription& device, Backend& kernels, const ResultFile& file, const std::string& place);

/// A step and its times.
struct TimedStep {
  StepRequest request;
  StepResult step;
};

/// Keeps the steps as they are for plans of the same model, batch and precision. For others, each kind of op that they
/// have is as fast, on average over its calls, as there. device.limits must be there, efficiencies need not.
void learn_steps(DeviceDescription& device, Backend& kernels, const std::vector<TimedStep>& steps);

}  // namespace tsugi::bench
