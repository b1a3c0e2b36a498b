#include "bench/tune/model_calls.h"

#include "bench/measure/recording_backend.h"
#include "engine/model/program.h"

namespace tsugi::bench {
namespace {

/// Writes down the calls that have a choice of kernels.
class CallRecorder : public RecordingBackend {
 public:
  CallRecorder(Backend& kernels, const Model& model) : RecordingBackend(kernels, "", 0), model_(model) {}
  std::vector<ModelCall> calls;

  void enter(StepPart, int layer) override { layer_ = layer; }

  void compute_conv2d_forward(const Conv2dForward& op) override {
    add(KernelOp::conv2d_forward, OpPass::forward, op.shape, op.dtype, false,
        {op.bias != nullptr, op.activation, Write::overwrite});
  }
  void compute_conv2d_backward_data(const Conv2dBackwardData& op) override {
    add(KernelOp::conv2d_backward_data, OpPass::backward_data, op.shape, op.dtype, false,
        {false, op.activation, op.write});
  }
  void compute_conv2d_backward_weight(const Conv2dBackwardWeight& op) override {
    add(KernelOp::conv2d_backward_weight, OpPass::backward_weight, op.shape, op.dtype, false,
        {op.d_bias != nullptr, {}, op.write});
  }
  void compute_dense_forward(const DenseForward& op) override {
    add(KernelOp::conv2d_forward, OpPass::forward, as_conv2d(op.shape), op.dtype, true,
        {op.bias != nullptr, op.activation, Write::overwrite});
  }
  void compute_dense_backward_data(const DenseBackwardData& op) override {
    add(KernelOp::conv2d_backward_data, OpPass::backward_data, as_conv2d(op.shape), op.dtype, true,
        {false, op.activation, op.write});
  }
  void compute_dense_backward_weight(const DenseBackwardWeight& op) override {
    add(KernelOp::conv2d_backward_weight, OpPass::backward_weight, as_conv2d(op.shape), op.dtype, true,
        {op.d_bias != nullptr, {}, op.write});
  }

 private:
  void add(KernelOp op, OpPass pass, const Conv2dShape& shape, DType dtype, bool dense, const Epilogue& epilogue) {
    ModelCall made;
    made.call = {op, shape, dtype, dense};
    made.pass = pass;
    for (ModelCall& known : calls) {
      if (!(known.call == made.call)) continue;
      ++known.times;
      return;
    }
    made.op_case.model = model_.name;
    made.op_case.layer = model_.layers[static_cast<std::size_t>(layer_)].name;
    made.op_case.kind = dense ? NodeKind::dense : NodeKind::conv2d;
    made.op_case.shape = shape;
    made.op_case.epilogue = epilogue;
    calls.push_back(made);
  }

  const Model& model_;
  int layer_ = 0;
};

}  // namespace

std::vector<ModelCall> model_calls(Backend& kernels, const ShapeList& list, int batch, DType dtype) {
  CallRecorder recorder(kernels, list.model);
  const ParameterLayout layout(list.model, list.classes);
  Program program(recorder, list.model, layout, list.classes, batch, dtype, ProgramMode::training);
  const DeviceBuffer arena(recorder, program.arena_bytes() + 1),
      parameters(recorder, (layout.count() + 1) * sizeof(float)),
      statistics(recorder, (layout.statistics_count() + 1) * sizeof(float)), step(recorder, sizeof(StepState)),
      sample_ids(recorder, static_cast<std::size_t>(batch) * sizeof(std::uint32_t));
  program.bind(arena.data());
  Pass pass;
  pass.parameters = pass.gradients = parameters.as<float>();
  pass.compute = parameters.data();
  pass.statistics = statistics.as<float>();
  pass.step = step.as<StepState>();
  pass.sample_ids = sample_ids.as<std::uint32_t>();
  pass.probe = &recorder;
  program.forward(pass);
  program.backward(pass);
  return recorder.calls;
}

std::size_t traffic_bytes(const std::vector<ModelCall>& calls) {
  std::size_t bytes = 0;
  for (const ModelCall& one : calls) {
    const Conv2dShape& s = one.call.shape;
    bytes += static_cast<std::size_t>(one.times) * (s.x_count() + s.w_count() + s.y_count()) * size_of(one.call.dtype);
  }
  return bytes;
}

}  // namespace tsugi::bench
