// Makes the libraries' handles on the runtime's stream, and hands each op to the file that computes it.
#include "kernels/vendor/cudnn_backend.h"

#include <algorithm>
#include <utility>

#include "kernels/api/two_passes.h"
#include "kernels/api/validate.h"
#include "kernels/cuda/ops.h"
#include "kernels/vendor/check.h"
#include "kernels/vendor/cublas_dense.h"

namespace tsugi {
namespace cuda {
namespace {

/// What one algorithm may ask for: 1 GiB, and on small devices a sixteenth of their memory.
std::size_t workspace_limit(const DeviceInfo& device) {
  return std::min(std::size_t{1} << 30, device.total_memory / 16);
}

cudnnContext* make_cudnn(void* stream) {
  cudnnHandle_t handle = nullptr;
  TSUGI_CHECK_CUDNN(cudnnCreate(&handle));
  const cudnnStatus_t status = cudnnSetStream(handle, static_cast<cudaStream_t>(stream));
  if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle);
  check_cudnn(status, "cudnnSetStream");
  return handle;
}

cublasContext* make_cublas(void* stream) {
  cublasHandle_t handle = nullptr;
  TSUGI_CHECK_CUBLAS(cublasCreate(&handle));
  const cublasStatus_t status = cublasSetStream(handle, static_cast<cudaStream_t>(stream));
  if (status != CUBLAS_STATUS_SUCCESS) cublasDestroy(handle);
  check_cublas(status, "cublasSetStream");
  return handle;
}

std::string version_text(std::size_t version) {  // 8201, or since version 9: 91900
  const std::size_t unit = version >= 90000 ? 10000 : 1000;
  return std::to_string(version / unit) + "." + std::to_string(version % unit / 100) + "." +
         std::to_string(version % 100);
}

void need_workspace(const char* op, const void* workspace, std::size_t bytes) {
  if (workspace == nullptr)
    throw Error(std::string(op) + ": workspace is null, expected " + std::to_string(bytes) + " bytes");
}

std::string describe(const DenseShape& s) {
  return "[" + std::to_string(s.n) + "," + std::to_string(s.in) + "] to " + std::to_string(s.out) + " outputs";
}

/// The pass behind a library's product (epilogue.h) applies rectifiers; any other activation has a pass of its own.
template <typename Op, typename Product>
void forward(Runtime& runtime, const Op& op, std::size_t count, const Product& product) {
  if (!saves_input(op.activation.kind)) return product(op);
  forward_in_two_passes(op, count, product, [&](const ActivationForward& pass) { activation_forward(runtime, pass); });
}

/// The libraries' gradients know no activation.
template <typename Op, typename Product>
void backward_data(Runtime& runtime, const Op& op, std::size_t count, const Product& product) {
  if (op.activation.kind == ActivationKind::none) return product(op);
  backward_in_two_passes(op, count, product,
                         [&](const ActivationBackward& pass) { activation_backward(runtime, pass); });
}

/// Runs `call`, and names the op's shape where a library fails.
template <typename Shape, typename Call>
void run(const Shape& shape, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; the op works on " + describe(shape));
  }
}

}  // namespace

CudnnBackend::CudnnBackend(std::unique_ptr<Runtime> made, TensorLayout layout)
    : GpuBackend("cudnn", std::move(made)),
      cudnn_(make_cudnn(runtime().native_stream())),
      cublas_(make_cublas(runtime().native_stream())),
      conv2d_(cudnn_.get(), layout == TensorLayout::nhwc ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW,
              workspace_limit(runtime().info())) {
  set_cublas_math(cublas_.get());
}

std::string CudnnBackend::description() const {
  int cublas = 0;
  TSUGI_CHECK_CUBLAS(cublasGetVersion(cublas_.get(), &cublas));
  return GpuBackend::description() + ", cuDNN " + version_text(cudnnGetVersion()) + ", cuBLAS " +
         std::to_string(cublas);
}

std::size_t CudnnBackend::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  validate(shape, "workspace_bytes");
  check("workspace_bytes", dtype);
  return conv2d_.workspace_bytes(shape, dtype);
}

std::size_t CudnnBackend::workspace_bytes(const DenseShape& shape, DType dtype) const {
  validate(shape, "workspace_bytes");
  check("workspace_bytes", dtype);
  return cublas_dense_workspace(shape);
}

void CudnnBackend::compute_conv2d_forward(const Conv2dForward& op) {
  check("conv2d_forward", op.dtype);
  need_workspace("conv2d_forward", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] {
    forward(runtime(), op, op.shape.y_count(), [&](const Conv2dForward& plain) { conv2d_.forward(runtime(), plain); });
  });
}

void CudnnBackend::compute_conv2d_backward_data(const Conv2dBackwardData& op) {
  check("conv2d_backward_data", op.dtype);
  need_workspace("conv2d_backward_data", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] {
    backward_data(runtime(), op, op.shape.x_count(),
                  [&](const Conv2dBackwardData& plain) { conv2d_.backward_data(runtime(), plain); });
  });
}

void CudnnBackend::compute_conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  check("conv2d_backward_weight", op.dtype);
  need_workspace("conv2d_backward_weight", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] { conv2d_.backward_weight(runtime(), op); });
}

void CudnnBackend::compute_dense_forward(const DenseForward& op) {
  check("dense_forward", op.dtype);
  need_workspace("dense_forward", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] {
    forward(runtime(), op, static_cast<std::size_t>(op.shape.n) * op.shape.out,
            [&](const DenseForward& plain) { cublas_dense_forward(runtime(), cublas_.get(), plain); });
  });
}

void CudnnBackend::compute_dense_backward_data(const DenseBackwardData& op) {
  check("dense_backward_data", op.dtype);
  need_workspace("dense_backward_data", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] {
    backward_data(runtime(), op, static_cast<std::size_t>(op.shape.n) * op.shape.in,
                  [&](const DenseBackwardData& plain) { cublas_dense_backward_data(cublas_.get(), plain); });
  });
}

void CudnnBackend::compute_dense_backward_weight(const DenseBackwardWeight& op) {
  check("dense_backward_weight", op.dtype);
  need_workspace("dense_backward_weight", op.workspace, workspace_bytes(op.shape, op.dtype));
  run(op.shape, [&] { cublas_dense_backward_weight(runtime(), cublas_.get(), op); });
}

}  // namespace cuda

std::unique_ptr<Backend> make_cudnn_backend(TensorLayout layout) {
  return std::make_unique<cuda::CudnnBackend>(cuda::make_runtime(), layout);
}

}  // namespace tsugi
