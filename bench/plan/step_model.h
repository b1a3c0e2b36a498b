// How long a training step will take on a device: every op that the trainer would issue, by the device's limits,
// efficiencies and call costs.
#pragma once

#include "bench/measure/recorded_step.h"
#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"

namespace tsugi::bench {

struct StepPrediction {
  StepResult step;  ///< the fields that `tsugi bench --step` measures
  MemoryLayout memory;
  std::uint32_t steps_per_epoch = 0;
  double forward_s = 0.0;  ///< of all layers
};

/// Whether both are of the same layers, by name, kind and work.
bool same_layers(const StepResult& a, const StepResult& b);

/// The member that holds the time of an op's part of the step.
double& seconds_of_part(StepResult& step, const Model& model, const RecordedOp& op);

/// By limits, efficiencies and call costs. kernels: as record_step. Throws as record_step and efficiency_of.
StepPrediction modelled_step(const DeviceDescription& device, Backend& kernels, const StepRequest& request);

/// The same, but a step of the same model, batch and precision that was timed on the device (measured_steps) is taken
/// as it is, and `measured`.
StepPrediction predict_step(const DeviceDescription& device, Backend& kernels, const StepRequest& request);

/// Memory that training takes of the device: what it plans there, the process itself, and what the host keeps besides
/// (kept_bytes: files of photos, checkpoints) where both share one memory.
std::size_t process_bytes(const DeviceDescription& device, const MemoryLayout& memory, double kept_bytes);

}  // namespace tsugi::bench
