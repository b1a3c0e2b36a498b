// Device cudnn: the GPU backend with its convolutions computed by cuDNN and its dense layers by cuBLAS. It is the
// baseline that the hand-written kernels of these ops are compared with; all other ops are the same hand-written
// kernels. cuDNN 8 and 9, through the calls that both have.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

#include <memory>

#include "kernels/cuda/gpu_backend.h"
#include "kernels/vendor/cudnn_conv2d.h"

namespace tsugi {
namespace cuda {

/// Destroys a library's handle; a failure at that point has nobody left to tell.
struct HandleDeleter {
  void operator()(cudnnContext* handle) const noexcept { cudnnDestroy(handle); }
  void operator()(cublasContext* handle) const noexcept { cublasDestroy(handle); }
};

class CudnnBackend : public GpuBackend {
 public:
  CudnnBackend(std::unique_ptr<Runtime> runtime, TensorLayout layout);

  std::string description() const override;
  /// No row of the registry computes a convolution here.
  std::vector<KernelRow> rows() const override { return {}; }
  KernelChoice* kernel_choice() override { return nullptr; }

  using GpuBackend::workspace_bytes;
  /// Measures cuDNN's algorithms at the first call for a shape, with memory of cuDNN's own: call it before the step.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype) const override;

 private:
  TSUGI_PRODUCT_OPS(TSUGI_OVERRIDE_OP)
  template <typename Op>
  void compute(const char* name, const Op& op);

  std::unique_ptr<cudnnContext, HandleDeleter> cudnn_;
  std::unique_ptr<cublasContext, HandleDeleter> cublas_;
  mutable CudnnConv2d conv2d_;
};

}  // namespace cuda
}  // namespace tsugi
