// The three passes of a convolution: cuDNN's product, then what the contract asks for beside it.
#include "kernels/vendor/cudnn_conv2d.h"

#include "kernels/api/registry.h"
#include "kernels/cuda/ops.h"
#include "kernels/vendor/check.h"
#include "kernels/vendor/epilogue.h"

namespace tsugi {
namespace cuda {
namespace {

constexpr float kOne = 1.0f, kZero = 0.0f;

/// Sets the plan's descriptor to the algorithm's math type.
void prepare(const char* op, const Conv2dShape& shape, const CudnnConvPlan& plan, const CudnnAlgorithm& algorithm) {
  if (algorithm.id < 0)
    throw Error(std::string(op) + ": cudnn does not compute " + describe(shape) + ": " + algorithm.refusal);
  TSUGI_CHECK_CUDNN(cudnnSetConvolutionMathType(plan.conv, algorithm.math));
}

/// cuDNN's kernels load 16 bytes at a time; parameters lie in one flat buffer, aligned to their element only.
bool aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

/// `w`, or its copy in the workspace.
const void* aligned_weights(Runtime& runtime, const Conv2dShape& shape, DType dtype, const void* w, char* copy) {
  if (aligned(w)) return w;
  const cudaError_t status = cudaMemcpyAsync(copy, w, shape.w_count() * size_of(dtype), cudaMemcpyDeviceToDevice,
                                             static_cast<cudaStream_t>(runtime.native_stream()));
  if (status != cudaSuccess) throw Error(std::string("cuda: cudaMemcpyAsync: ") + cudaGetErrorString(status));
  return copy;
}

}  // namespace

const CudnnConvPlan& CudnnConv2d::plan(const Conv2dShape& s, DType dtype) {
  std::unique_ptr<CudnnConvPlan>& entry = plans_[{KernelOp::conv2d_forward, s, dtype}];
  if (entry == nullptr) {
    auto made = std::make_unique<CudnnConvPlan>(s, dtype, format_);
    choose_algorithms(handle_, s, dtype, workspace_limit_, *made);
    entry = std::move(made);
  }
  return *entry;
}

void CudnnConv2d::run(Runtime& runtime, const Conv2dForward& op) {
  const CudnnConvPlan& p = plan(op.shape, op.dtype);
  prepare("conv2d_forward", op.shape, p, p.forward);
  char* workspace = align_workspace(op.workspace);
  const void* w = aligned_weights(runtime, op.shape, op.dtype, op.w, workspace + p.weights_offset);
  TSUGI_CHECK_CUDNN(cudnnConvolutionForward(handle_, &kOne, p.x, op.x, p.w, w, p.conv,
                                            static_cast<cudnnConvolutionFwdAlgo_t>(p.forward.id), workspace,
                                            p.forward.workspace, &kZero, p.y, op.y));
  const std::size_t rows = static_cast<std::size_t>(op.shape.n) * op.shape.p() * op.shape.q();
  bias_activation(runtime, op.dtype, rows, op.shape.k, op.bias, op.activation, op.y);
}

void CudnnConv2d::run(Runtime& runtime, const Conv2dBackwardData& op) {
  const CudnnConvPlan& p = plan(op.shape, op.dtype);
  prepare("conv2d_backward_data", op.shape, p, p.backward_data);
  char* workspace = align_workspace(op.workspace);
  const void* w = aligned_weights(runtime, op.shape, op.dtype, op.w, workspace + p.weights_offset);
  const float* beta = op.write == Write::accumulate ? &kOne : &kZero;
  TSUGI_CHECK_CUDNN(cudnnConvolutionBackwardData(handle_, &kOne, p.w, w, p.y, op.d_y, p.conv,
                                                 static_cast<cudnnConvolutionBwdDataAlgo_t>(p.backward_data.id),
                                                 workspace, p.backward_data.workspace, beta, p.x, op.d_x));
}

void CudnnConv2d::run(Runtime& runtime, const Conv2dBackwardWeight& op) {
  const CudnnConvPlan& p = plan(op.shape, op.dtype);
  prepare("conv2d_backward_weight", op.shape, p, p.backward_weight);
  char* workspace = align_workspace(op.workspace);
  // cuDNN writes the gradient in the type of the tensors: fp16 goes through the workspace.
  const bool direct = op.dtype == DType::f32 && aligned(op.d_w);
  void* d_w = direct ? static_cast<void*>(op.d_w) : workspace + p.weights_offset;
  const float* beta = direct && op.write == Write::accumulate ? &kOne : &kZero;
  TSUGI_CHECK_CUDNN(cudnnConvolutionBackwardFilter(handle_, &kOne, p.x, op.x, p.y, op.d_y, p.conv,
                                                   static_cast<cudnnConvolutionBwdFilterAlgo_t>(p.backward_weight.id),
                                                   workspace, p.backward_weight.workspace, beta, p.w, d_w));
  if (!direct) add_gradient(runtime, op.dtype, op.shape.w_count(), d_w, op.write, op.d_w);
  if (op.d_bias == nullptr) return;
  // Not cudnnConvolutionBackwardBias: for fp16 it has no float32 result.
  const std::size_t rows = static_cast<std::size_t>(op.shape.n) * op.shape.p() * op.shape.q();
  column_sum(runtime, op.d_y, op.dtype, rows, op.shape.k, op.write, op.d_bias, workspace + p.column_sum_offset);
}

}  // namespace cuda
}  // namespace tsugi
