// Every op: pick, launch. A failing launch gets the op's sizes into its message here.
#include "kernels/cuda/gpu_backend.h"

#include <utility>

#include "kernels/api/op_checker.h"
#include "kernels/api/two_passes.h"
#include "kernels/api/validate.h"
#include "kernels/cuda/ops.h"

namespace tsugi {
namespace TSUGI_GPU {
namespace {

Conv2dForward as_conv2d(const DenseForward& op) {
  return {as_conv2d(op.shape), op.dtype, op.x, op.w, op.bias, op.activation, op.y, op.workspace, op.saved};
}

Conv2dBackwardData as_conv2d(const DenseBackwardData& op) {
  return {as_conv2d(op.shape), op.dtype, op.d_y, op.w, op.saved, op.activation, op.write, op.d_x, op.workspace};
}

Conv2dBackwardWeight as_conv2d(const DenseBackwardWeight& op) {
  return {as_conv2d(op.shape), op.dtype, op.x, op.d_y, op.write, op.d_w, op.d_bias, op.workspace};
}

template <typename Op>
const Op& as_conv2d(const Op& op) {
  return op;
}

std::string describe(const BatchNormShape& shape) {
  return "[" + std::to_string(shape.rows) + "," + std::to_string(shape.c) + "]";
}

std::string describe(const PoolShape& s) {
  return "[" + std::to_string(s.n) + "," + std::to_string(s.h) + "," + std::to_string(s.w) + "," + std::to_string(s.c) +
         "], window " + std::to_string(s.r) + "x" + std::to_string(s.s);
}

/// The kernels of products apply rectifiers; any other activation is a pass behind them.
void launch(const Kernel& kernel, Runtime& runtime, const Conv2dForward& op) {
  if (!saves_input(op.activation.kind)) return kernel.launch(runtime, &op);
  forward_in_two_passes(
      op, op.shape.y_count(), [&](const Conv2dForward& plain) { kernel.launch(runtime, &plain); },
      [&](const ActivationForward& pass) { activation_forward(runtime, pass); });
}

void launch(const Kernel& kernel, Runtime& runtime, const Conv2dBackwardData& op) {
  if (!saves_input(op.activation.kind)) return kernel.launch(runtime, &op);
  backward_in_two_passes(
      op, op.shape.x_count(), [&](const Conv2dBackwardData& plain) { kernel.launch(runtime, &plain); },
      [&](const ActivationBackward& pass) { activation_backward(runtime, pass); });
}

void launch(const Kernel& kernel, Runtime& runtime, const Conv2dBackwardWeight& op) { kernel.launch(runtime, &op); }

/// Runs `launch`, and names the op's sizes where it fails.
template <typename Shape, typename Launch>
void run(const Shape& shape, Launch launch) {
  try {
    launch();
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; the op works on " + describe(shape));
  }
}

/// The same for an op, where it has a shape.
template <typename Op, typename Launch>
auto run_described(const Op& op, Launch launch, int) -> decltype(void(op.shape)) {
  run(op.shape, launch);
}
template <typename Op, typename Launch>
void run_described(const Op&, Launch launch, long) {
  launch();
}

/// Calls f with every type that the op's kernel is an instance of.
template <typename Op, typename F>
void for_types(const Op& op, F f) {
  f(op.dtype);
}
template <typename F>
void for_types(const Cast& op, F f) {
  f(op.from_dtype), f(op.to_dtype);
}
template <typename F>
void for_types(const GradientNorm&, F) {}
template <typename F>
void for_types(const SgdUpdate& op, F f) {
  f(op.buffers.compute_dtype);
}
template <typename F>
void for_types(const AdamUpdate& op, F f) {
  f(op.buffers.compute_dtype);
}

}  // namespace

GpuBackend::GpuBackend(std::string name, std::unique_ptr<Runtime> runtime)
    : name_(std::move(name)), runtime_(std::move(runtime)), dispatch_(runtime_->info()) {}

std::vector<KernelRow> GpuBackend::rows() const {
  std::vector<KernelRow> rows;
  for (const Kernel& kernel : dispatch_.kernels()) rows.push_back(kernel.row);
  return rows;
}

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
  for (const std::size_t index : dispatch_.candidates(call)) names.push_back(name_of(dispatch_.kernels()[index].row));
  return names;
}

void GpuBackend::choose(const KernelCall& call, const std::string& kernel) {
  validate(call.shape, name_of(call.op));
  check(name_of(call.op), call.dtype);
  dispatch_.choose(call, kernel);
}

std::string GpuBackend::chosen(const KernelCall& call) const {
  return name_of(dispatch_.kernels()[dispatch_.row_for(call.op, call.shape, call.dtype)].row);
}

std::string GpuBackend::compiled(const KernelCall& call, const std::string& row) const {
  for (const std::size_t index : dispatch_.candidates(call)) {
    if (name_of(dispatch_.kernels()[index].row) != row) continue;
    const std::string instance = dispatch_.kernels()[index].instance(call.shape);
    return instance.empty() ? row : row + " " + instance;
  }
  throw Error("kernel \"" + row + "\": not one of those that compute " + describe(call) + " here");
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

template <typename Op>
void GpuBackend::product(const char* name, const Op& op) {
  check(name, op.dtype);
  const auto& conv = as_conv2d(op);
  const Kernel& kernel = dispatch_.kernel_for(conv);
  run(conv.shape, [&] { launch(kernel, *runtime_, conv); });
}

#define TSUGI_OP(name, Op) \
  void GpuBackend::compute_##name(const Op& op) { product(#name, op); }
TSUGI_PRODUCT_OPS(TSUGI_OP)
#undef TSUGI_OP

#define TSUGI_OP(name, Op)                                    \
  void GpuBackend::compute_##name(const Op& op) {             \
    for_types(op, [&](DType dtype) { check(#name, dtype); }); \
    run_described(                                            \
        op, [&] { TSUGI_GPU::name(*runtime_, op); }, 0);      \
  }
TSUGI_SCRATCH_OPS(TSUGI_OP)
TSUGI_PLAIN_OPS(TSUGI_OP)
#undef TSUGI_OP

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
