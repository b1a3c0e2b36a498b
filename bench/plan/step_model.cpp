#include "bench/plan/step_model.h"

#include <algorithm>
#include <cmath>

#include "engine/core/device.h"

namespace tsugi::bench {
namespace {

/// Layers as bench --step lists them: those that were fused away are part of the one before.
void add_layers(const StepRequest& request, const RecordedStep& recorded, StepResult& step) {
  for (const Node& node : build_graph(request.list.model, request.list.classes, true).nodes) {
    const OpCase op_case = case_of(request.list.model, node, recorded.batch);
    StepLayer layer;
    layer.layer = op_case.layer;
    layer.op = request.list.model.layers[static_cast<std::size_t>(node.layer)].kind->name;
    layer.forward_flops = cost_of(op_case, OpPass::forward, request.dtype).flops;
    step.layers.push_back(layer);
  }
}

/// A step that was timed on the device says more than any model of it.
void use_measured(const DeviceDescription& device, const StepRequest& request, StepPrediction& prediction) {
  if (!request.settings.freeze_until.empty()) return;  // none was timed with frozen layers
  StepResult& step = prediction.step;
  for (const StepResult& known : device.measured_steps) {
    if (known.model != step.model || known.batch != step.batch ||
        dtype_named(known.precision) != dtype_named(step.precision))
      continue;
    if (!same_layers(known, step)) continue;
    step.layers = known.layers;
    step.step_s = known.step_s;
    step.measured = true;
    prediction.forward_s = 0.0;
    for (const StepLayer& layer : step.layers) prediction.forward_s += layer.forward_s;
    step.data_s = known.data_s, step.augment_s = known.augment_s, step.loss_s = known.loss_s;
    step.update_s = known.update_s, step.results_s = known.results_s;
  }
}

double copy_seconds(const DeviceDescription& device, std::size_t bytes) {
  return device.upload_bytes_per_s > 0.0 ? static_cast<double>(bytes) / device.upload_bytes_per_s : 0.0;
}

}  // namespace

bool same_layers(const StepResult& a, const StepResult& b) {
  return std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(),
                    [](const StepLayer& x, const StepLayer& y) {
                      return x.layer == y.layer && x.op == y.op &&
                             std::fabs(x.forward_flops - y.forward_flops) <= 1e-6 * y.forward_flops;
                    });
}

double& seconds_of_part(StepResult& step, const Model& model, const RecordedOp& op) {
  switch (op.part) {
    case StepPart::forward:
    case StepPart::backward:
      for (StepLayer& layer : step.layers)
        if (layer.layer == model.layers[static_cast<std::size_t>(op.layer)].name)
          return op.part == StepPart::forward ? layer.forward_s : layer.backward_s;
      throw Error("plan: step of " + step.model + " has no layer " +
                  model.layers[static_cast<std::size_t>(op.layer)].name);
    case StepPart::augment:
      return step.augment_s;
    case StepPart::loss:
      return step.loss_s;
    case StepPart::update:
      return step.update_s;
    case StepPart::data:
      return step.data_s;
    default:
      return step.results_s;
  }
}

StepPrediction modelled_step(const DeviceDescription& device, Backend& kernels, const StepRequest& request) {
  const RecordedStep recorded = record_step(kernels, request);
  StepPrediction prediction;
  prediction.memory = recorded.memory;
  prediction.steps_per_epoch = recorded.steps_per_epoch;
  StepResult& step = prediction.step;
  step.model = request.list.model.name;
  step.precision = precision_name(request.dtype);
  step.batch = recorded.batch;
  step.micro_batch = recorded.memory.micro_batch;
  step.arena_bytes = recorded.memory.arena;
  step.device_bytes = recorded.memory.total();
  add_layers(request, recorded, step);
  for (const RecordedOp& op : recorded.ops)
    seconds_of_part(step, request.list.model, op) += seconds_of(device, op.features);
  step.data_s += (recorded.copies - 1) * device.copy_s + copy_seconds(device, recorded.upload_bytes);
  step.results_s += device.copy_s + copy_seconds(device, recorded.download_bytes);
  step.step_s = step.data_s + step.augment_s + step.loss_s + step.update_s + step.results_s;
  for (const StepLayer& layer : step.layers) {
    prediction.forward_s += layer.forward_s;
    step.step_s += layer.forward_s + layer.backward_s;
  }
  step.parts_s = step.step_s;
  step.peak_memory_bytes = process_bytes(device, recorded.memory, 0.0);
  return prediction;
}

StepPrediction predict_step(const DeviceDescription& device, Backend& kernels, const StepRequest& request) {
  StepPrediction prediction = modelled_step(device, kernels, request);
  use_measured(device, request, prediction);
  return prediction;
}

std::size_t process_bytes(const DeviceDescription& device, const MemoryLayout& memory, double kept_bytes) {
  return device.process_bytes + memory.total() + (device.shared_memory ? static_cast<std::size_t>(kept_bytes) : 0);
}

}  // namespace tsugi::bench
