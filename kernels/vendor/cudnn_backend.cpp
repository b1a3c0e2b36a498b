// Makes the libraries' handles on the runtime's stream, and hands each op to the file that computes it.
#include "kernels/vendor/cudnn_backend.h"

#include <algorithm>
#include <type_traits>
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

/// What a library computes, product(op), and what it cannot: the pass behind its product (epilogue.h) applies
/// rectifiers, its gradients no activation at all.
template <typename Op, typename Product>
void with_activation_passes(Runtime& runtime, const Op& op, const Product& product) {
  if constexpr (std::is_same_v<Op, Conv2dForward> || std::is_same_v<Op, DenseForward>) {
    if (!saves_input(op.activation.kind)) return product(op);
    forward_in_two_passes(op, op.shape.y_count(), product,
                          [&](const ActivationForward& pass) { activation_forward(runtime, pass); });
  } else if constexpr (std::is_same_v<Op, Conv2dBackwardData> || std::is_same_v<Op, DenseBackwardData>) {
    if (op.activation.kind == ActivationKind::none) return product(op);
    backward_in_two_passes(op, op.shape.x_count(), product,
                           [&](const ActivationBackward& pass) { activation_backward(runtime, pass); });
  } else {
    product(op);
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

/// Checks the op, runs it, and names its shape where a library fails.
template <typename Op>
void CudnnBackend::compute(const char* name, const Op& op) {
  check(name, op.dtype);
  need_workspace(name, op.workspace, workspace_bytes(op.shape, op.dtype));
  try {
    with_activation_passes(runtime(), op, [&](const Op& plain) {
      if constexpr (std::is_same_v<decltype(op.shape), DenseShape>) {
        cublas_dense(runtime(), cublas_.get(), plain);
      } else {
        conv2d_.run(runtime(), plain);
      }
    });
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; the op works on " + describe(op.shape));
  }
}

#define TSUGI_OP(name, Op) \
  void CudnnBackend::compute_##name(const Op& op) { compute(#name, op); }
TSUGI_PRODUCT_OPS(TSUGI_OP)
#undef TSUGI_OP

}  // namespace cuda

std::unique_ptr<Backend> make_cudnn_backend(TensorLayout layout) {
  return std::make_unique<cuda::CudnnBackend>(cuda::make_runtime(), layout);
}

}  // namespace tsugi
