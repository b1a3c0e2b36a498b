// Convolutions through cuDNN's v7-style calls: descriptors and the fastest algorithm of a shape, found once and kept.
#pragma once

#include <cudnn.h>

#include <map>
#include <memory>
#include <string>

#include "kernels/api/kernel_choice.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace cuda {

/// What one pass of one shape runs with.
struct CudnnAlgorithm {
  int id = -1;  ///< value of the pass's cudnnConvolution*Algo_t; -1: cuDNN has none that serves
  cudnnMathType_t math = CUDNN_FMA_MATH;
  std::size_t workspace = 0;
  std::string refusal;  ///< with id -1: why
};

/// Descriptors, algorithms and workspace layout of one shape and type. The workspace holds, each part 256-byte aligned:
/// cuDNN's own scratch, weights or their gradient where cuDNN cannot use the caller's, and the bias gradient's scratch.
struct CudnnConvPlan {
  CudnnConvPlan(const Conv2dShape& shape, DType dtype, cudnnTensorFormat_t format);
  ~CudnnConvPlan();
  CudnnConvPlan(const CudnnConvPlan&) = delete;
  CudnnConvPlan& operator=(const CudnnConvPlan&) = delete;

  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t conv = nullptr;
  CudnnAlgorithm forward, backward_data, backward_weight;
  std::size_t weights_offset = 0, column_sum_offset = 0, workspace_bytes = 0;

 private:
  CudnnConvPlan() = default;
};

class CudnnConv2d {
 public:
  /// workspace_limit: algorithms that want more are left aside, bytes.
  CudnnConv2d(cudnnHandle_t handle, cudnnTensorFormat_t format, std::size_t workspace_limit)
      : handle_(handle), format_(format), workspace_limit_(workspace_limit) {}

  /// The largest of the three passes; makes the plan of the shape.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) { return plan(shape, dtype).workspace_bytes; }
  void run(Runtime& runtime, const Conv2dForward& op);
  void run(Runtime& runtime, const Conv2dBackwardData& op);
  void run(Runtime& runtime, const Conv2dBackwardWeight& op);

 private:
  const CudnnConvPlan& plan(const Conv2dShape& shape, DType dtype);

  cudnnHandle_t handle_;
  cudnnTensorFormat_t format_;
  std::size_t workspace_limit_;
  std::map<KernelCall, std::unique_ptr<CudnnConvPlan>> plans_;  ///< whatever the call's op
};

/// Fills in the plan's algorithms and workspace layout.
void choose_algorithms(cudnnHandle_t handle, const Conv2dShape& shape, DType dtype, std::size_t workspace_limit,
                       CudnnConvPlan& plan);

/// `workspace` moved up to the alignment that the libraries want; every workspace has kLibraryAlignment bytes to spare.
constexpr std::size_t kLibraryAlignment = 256;
inline char* align_workspace(void* workspace) {
  const auto address = reinterpret_cast<std::uintptr_t>(workspace);
  return static_cast<char*>(workspace) + (kLibraryAlignment - address % kLibraryAlignment) % kLibraryAlignment;
}
constexpr std::size_t aligned_bytes(std::size_t bytes) {
  return (bytes + kLibraryAlignment - 1) / kLibraryAlignment * kLibraryAlignment;
}

}  // namespace cuda
}  // namespace tsugi
