// Every op: validate, pick, launch. A failing launch gets the op's sizes into its message here.
#include "kernels/cuda/gpu_backend.h"

#include <utility>

#include "kernels/api/op_checker.h"
#include "kernels/api/two_passes.h"
#include "kernels/api/validate.h"
#include "kernels/cuda/ops.h"

namespace tsugi {
namespace TSUGI_GPU {
namespace {

Conv2dShape as_conv2d(const DenseShape& shape) {
  Conv2dShape conv;
  conv.n = shape.n;
  conv.c = shape.in;
  conv.k = shape.out;
  return conv;
}

Conv2dForward as_conv2d(const DenseForward& op) {
  Conv2dForward conv;
  conv.shape = as_conv2d(op.shape);
  conv.dtype = op.dtype;
  conv.x = op.x;
  conv.w = op.w;
  conv.bias = op.bias;
  conv.activation = op.activation;
  conv.y = op.y;
  conv.workspace = op.workspace;
  conv.saved = op.saved;
  return conv;
}

Conv2dBackwardData as_conv2d(const DenseBackwardData& op) {
  Conv2dBackwardData conv;
  conv.shape = as_conv2d(op.shape);
  conv.dtype = op.dtype;
  conv.d_y = op.d_y;
  conv.w = op.w;
  conv.saved = op.saved;
  conv.activation = op.activation;
  conv.write = op.write;
  conv.d_x = op.d_x;
  conv.workspace = op.workspace;
  return conv;
}

Conv2dBackwardWeight as_conv2d(const DenseBackwardWeight& op) {
  Conv2dBackwardWeight conv;
  conv.shape = as_conv2d(op.shape);
  conv.dtype = op.dtype;
  conv.x = op.x;
  conv.d_y = op.d_y;
  conv.write = op.write;
  conv.d_w = op.d_w;
  conv.d_bias = op.d_bias;
  conv.workspace = op.workspace;
  return conv;
}

std::string describe(const BatchNormShape& shape) {
  return "[" + std::to_string(shape.rows) + "," + std::to_string(shape.c) + "]";
}

std::string describe(const PoolShape& s) {
  return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," + std::to_string(s.c) +
         "], window " + std::to_string(s.r) + "x" + std::to_string(s.s);
}

/// The kernels of products apply rectifiers; any other activation is a pass behind them.
void launch(const Kernel<Conv2dForward>& kernel, Runtime& runtime, const Conv2dForward& op) {
  if (!saves_input(op.activation.kind)) return kernel.launch(runtime, op);
  forward_in_two_passes(
      op, op.shape.y_count(), [&](const Conv2dForward& plain) { kernel.launch(runtime, plain); },
      [&](const ActivationForward& pass) { activation_forward(runtime, pass); });
}

void launch(const Kernel<Conv2dBackwardData>& kernel, Runtime& runtime, const Conv2dBackwardData& op) {
  if (!saves_input(op.activation.kind)) return kernel.launch(runtime, op);
  backward_in_two_passes(
      op, op.shape.x_count(), [&](const Conv2dBackwardData& plain) { kernel.launch(runtime, plain); },
      [&](const ActivationBackward& pass) { activation_backward(runtime, pass); });
}

/// Runs `launch`, and names the op's sizes where it fails.
template <typename Shape, typename Launch>
void run(const Shape& shape, Launch launch) {
  try {
    launch();
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; the op works on " + describe(shape));
  }
}

}  // namespace

GpuBackend::GpuBackend(std::string name, std::unique_ptr<Runtime> runtime)
    : name_(std::move(name)), runtime_(std::move(runtime)), dispatch_(runtime_->info()) {}

std::string GpuBackend::description() const {
  const DeviceInfo& device = runtime_->info();
  return device.name + ", sm_" + std::to_string(device.sm) + ", " + device.versions;
}

std::string GpuBackend::device() const {
  const DeviceInfo& info = runtime_->info();
  return info.name + ", sm_" + std::to_string(info.sm) + ", " + std::to_string(info.multiprocessors) +
         (info.multiprocessors == 1 ? " multiprocessor" : " multiprocessors");
}

std::vector<std::string> GpuBackend::candidates(const KernelCall& call) const {
  validate(call.shape, name_of(call.op));
  check(name_of(call.op), call.dtype);
  std::vector<std::string> names;
  for (const std::size_t index : dispatch_.candidates(call)) names.push_back(name_of(dispatch_.row(index)));
  return names;
}

void GpuBackend::choose(const KernelCall& call, const std::string& kernel) {
  validate(call.shape, name_of(call.op));
  check(name_of(call.op), call.dtype);
  dispatch_.choose(call, kernel);
}

std::string GpuBackend::chosen(const KernelCall& call) const {
  return name_of(dispatch_.row(dispatch_.row_for(call.op, call.shape, call.dtype)));
}

std::unique_ptr<TimeMark> GpuBackend::make_time_mark() {
  std::unique_ptr<TimeMark> mark = runtime_->make_time_mark();
  return mark != nullptr ? std::move(mark) : Backend::make_time_mark();
}

void GpuBackend::check(const char* op, DType dtype) const {
  if (!supports(dtype))
    throw Error(std::string(op) + ": tensors are " + name_of(dtype) + ", device " + name_ + " computes in f32 and f16");
}

std::size_t GpuBackend::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  return dispatch_.workspace_bytes(shape, dtype);
}
std::size_t GpuBackend::workspace_bytes(const DenseShape& shape, DType dtype) const {
  return dispatch_.workspace_bytes(as_conv2d(shape), dtype);
}
std::size_t GpuBackend::workspace_bytes(const BatchNormShape& shape, DType) const {
  return batch_norm_workspace(shape);
}
std::size_t GpuBackend::workspace_bytes(const AugmentForward& op) const { return augment_workspace(op); }
std::size_t GpuBackend::workspace_bytes(const GradientNorm& op) const { return gradient_norm_workspace(op); }

void GpuBackend::conv2d_forward(const Conv2dForward& op) {
  validate(op);
  check("conv2d_forward", op.dtype);
  const auto& kernel = dispatch_.forward(op.shape, op.dtype);
  run(op.shape, [&] { launch(kernel, *runtime_, op); });
}

void GpuBackend::conv2d_backward_data(const Conv2dBackwardData& op) {
  validate(op);
  check("conv2d_backward_data", op.dtype);
  const auto& kernel = dispatch_.backward_data(op.shape, op.dtype);
  run(op.shape, [&] { launch(kernel, *runtime_, op); });
}

void GpuBackend::conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  validate(op);
  check("conv2d_backward_weight", op.dtype);
  const auto& kernel = dispatch_.backward_weight(op.shape, op.dtype);
  run(op.shape, [&] { kernel.launch(*runtime_, op); });
}

void GpuBackend::dense_forward(const DenseForward& op) {
  validate(op);
  check("dense_forward", op.dtype);
  const Conv2dForward conv = as_conv2d(op);
  const auto& kernel = dispatch_.forward(conv.shape, op.dtype);
  run(conv.shape, [&] { launch(kernel, *runtime_, conv); });
}

void GpuBackend::dense_backward_data(const DenseBackwardData& op) {
  validate(op);
  check("dense_backward_data", op.dtype);
  const Conv2dBackwardData conv = as_conv2d(op);
  const auto& kernel = dispatch_.backward_data(conv.shape, op.dtype);
  run(conv.shape, [&] { launch(kernel, *runtime_, conv); });
}

void GpuBackend::dense_backward_weight(const DenseBackwardWeight& op) {
  validate(op);
  check("dense_backward_weight", op.dtype);
  const Conv2dBackwardWeight conv = as_conv2d(op);
  const auto& kernel = dispatch_.backward_weight(conv.shape, op.dtype);
  run(conv.shape, [&] { kernel.launch(*runtime_, conv); });
}

void GpuBackend::batch_norm_forward(const BatchNormForward& op) {
  validate(op);
  check("batch_norm_forward", op.dtype);
  run(op.shape, [&] { TSUGI_GPU::batch_norm_forward(*runtime_, op); });
}

void GpuBackend::batch_norm_backward(const BatchNormBackward& op) {
  validate(op);
  check("batch_norm_backward", op.dtype);
  run(op.shape, [&] { TSUGI_GPU::batch_norm_backward(*runtime_, op); });
}

void GpuBackend::pool_forward(const PoolForward& op) {
  validate(op);
  check("pool_forward", op.dtype);
  run(op.shape, [&] { TSUGI_GPU::pool_forward(*runtime_, op); });
}

void GpuBackend::pool_backward(const PoolBackward& op) {
  validate(op);
  check("pool_backward", op.dtype);
  run(op.shape, [&] { TSUGI_GPU::pool_backward(*runtime_, op); });
}

void GpuBackend::activation_forward(const ActivationForward& op) {
  validate(op);
  check("activation_forward", op.dtype);
  TSUGI_GPU::activation_forward(*runtime_, op);
}

void GpuBackend::activation_backward(const ActivationBackward& op) {
  validate(op);
  check("activation_backward", op.dtype);
  TSUGI_GPU::activation_backward(*runtime_, op);
}

void GpuBackend::dropout_forward(const DropoutForward& op) {
  validate(op);
  check("dropout_forward", op.dtype);
  TSUGI_GPU::dropout_forward(*runtime_, op);
}

void GpuBackend::dropout_backward(const DropoutBackward& op) {
  validate(op);
  check("dropout_backward", op.dtype);
  TSUGI_GPU::dropout_backward(*runtime_, op);
}

void GpuBackend::add_forward(const AddForward& op) {
  validate(op);
  check("add_forward", op.dtype);
  TSUGI_GPU::add_forward(*runtime_, op);
}

void GpuBackend::softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  validate(op);
  check("softmax_cross_entropy", op.dtype);
  TSUGI_GPU::softmax_cross_entropy(*runtime_, op);
}

void GpuBackend::softmax(const Softmax& op) {
  validate(op);
  check("softmax", op.dtype);
  TSUGI_GPU::softmax(*runtime_, op);
}

void GpuBackend::augment_forward(const AugmentForward& op) {
  validate(op);
  check("augment_forward", op.dtype);
  TSUGI_GPU::augment_forward(*runtime_, op);
}

void GpuBackend::dequantize_gather(const DequantizeGather& op) {
  validate(op);
  check("dequantize_gather", op.dtype);
  TSUGI_GPU::dequantize_gather(*runtime_, op);
}

void GpuBackend::cast(const Cast& op) {
  validate(op);
  check("cast", op.from_dtype);
  check("cast", op.to_dtype);
  TSUGI_GPU::cast(*runtime_, op);
}

void GpuBackend::gradient_norm(const GradientNorm& op) {
  validate(op);
  TSUGI_GPU::gradient_norm(*runtime_, op);
}

void GpuBackend::sgd_update(const SgdUpdate& op) {
  validate(op);
  check("sgd_update", op.buffers.compute_dtype);
  TSUGI_GPU::sgd_update(*runtime_, op);
}

void GpuBackend::adam_update(const AdamUpdate& op) {
  validate(op);
  check("adam_update", op.buffers.compute_dtype);
  TSUGI_GPU::adam_update(*runtime_, op);
}

double GpuBackend::fma_burst(DType dtype, int steps, float* out) {
  check("fma_burst", dtype);
  return TSUGI_GPU::fma_burst(*runtime_, dtype, steps, out);
}

void GpuBackend::copy_burst(const void* from, std::size_t bytes, void* to) {
  const OpChecker checker("copy_burst");
  checker.aligned("from", from, 16);
  checker.aligned("to", to, 16);
  TSUGI_GPU::copy_burst(*runtime_, from, bytes, to);
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
