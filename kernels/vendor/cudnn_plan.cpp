// A convolution's plan for cuDNN: its descriptors, and for each pass the fastest algorithm by cuDNN's own measurement
// among those that are deterministic, fit the workspace limit and compute in the type that was asked for.
#include <vector>

#include "kernels/cuda/ops.h"
#include "kernels/vendor/check.h"
#include "kernels/vendor/cudnn_conv2d.h"

namespace tsugi {
namespace cuda {
namespace {

constexpr int kMaxAlgorithms = 32;  // more than any pass of any version lists

/// Whether `one` is to be preferred; both have passed the filters. fp32: an entry that cuDNN timed with TF32 allowed
/// (math type DEFAULT on newer chips) says nothing about the speed without.
template <typename Perf>
bool better(const Perf& one, const Perf& other, DType dtype) {
  const bool one_is_fma = one.mathType == CUDNN_FMA_MATH, other_is_fma = other.mathType == CUDNN_FMA_MATH;
  if (dtype == DType::f32 && one_is_fma != other_is_fma) return one_is_fma;
  return one.time < other.time;
}

/// find: measures all algorithms; rank: cuDNN's estimate where measuring fails; size: workspace of one algorithm.
template <typename Perf, typename Find, typename Rank, typename Size>
CudnnAlgorithm choose(cudnnConvolutionDescriptor_t conv, DType dtype, std::size_t workspace_limit, const Find& find,
                      const Rank& rank, const Size& size) {
  std::vector<Perf> results(kMaxAlgorithms);
  int count = 0;
  cudnnStatus_t status = find(kMaxAlgorithms, &count, results.data());
  if (status != CUDNN_STATUS_SUCCESS || count == 0) {
    count = 0;
    status = rank(kMaxAlgorithms, &count, results.data());
  }
  CudnnAlgorithm chosen;
  if (status != CUDNN_STATUS_SUCCESS) {
    chosen.refusal = cudnnGetErrorString(status);
    return chosen;
  }
  chosen.refusal = "none of " + std::to_string(count) + " algorithms is deterministic, of this type and within " +
                   std::to_string(workspace_limit) + " bytes of workspace";
  const Perf* best = nullptr;
  for (int i = 0; i < count; ++i) {
    const Perf& candidate = results[static_cast<std::size_t>(i)];
    if (candidate.status != CUDNN_STATUS_SUCCESS || candidate.determinism != CUDNN_DETERMINISTIC) continue;
    if (best != nullptr && !better(candidate, *best, dtype)) continue;
    const cudnnMathType_t math = dtype == DType::f32 ? CUDNN_FMA_MATH : candidate.mathType;
    std::size_t bytes = 0;
    TSUGI_CHECK_CUDNN(cudnnSetConvolutionMathType(conv, math));
    if (size(candidate.algo, &bytes) != CUDNN_STATUS_SUCCESS || bytes > workspace_limit) continue;
    best = &candidate;
    chosen = {static_cast<int>(candidate.algo), math, bytes, ""};
  }
  return chosen;
}

}  // namespace

// Delegates, so that the destructor runs when a call here fails.
CudnnConvPlan::CudnnConvPlan(const Conv2dShape& s, DType dtype, cudnnTensorFormat_t format) : CudnnConvPlan() {
  const cudnnDataType_t type = dtype == DType::f16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
  TSUGI_CHECK_CUDNN(cudnnCreateTensorDescriptor(&x));
  TSUGI_CHECK_CUDNN(cudnnCreateTensorDescriptor(&y));
  TSUGI_CHECK_CUDNN(cudnnCreateFilterDescriptor(&w));
  TSUGI_CHECK_CUDNN(cudnnCreateConvolutionDescriptor(&conv));
  TSUGI_CHECK_CUDNN(cudnnSetTensor4dDescriptor(x, format, type, s.n, s.c, s.h, s.w));
  TSUGI_CHECK_CUDNN(cudnnSetTensor4dDescriptor(y, format, type, s.n, s.k, s.p(), s.q()));
  TSUGI_CHECK_CUDNN(cudnnSetFilter4dDescriptor(w, type, format, s.k, s.c / s.groups, s.r, s.s));
  TSUGI_CHECK_CUDNN(cudnnSetConvolution2dDescriptor(conv, s.pad_h, s.pad_w, s.stride_h, s.stride_w, 1, 1,
                                                    CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  TSUGI_CHECK_CUDNN(cudnnSetConvolutionGroupCount(conv, s.groups));
  TSUGI_CHECK_CUDNN(cudnnSetConvolutionMathType(conv, dtype == DType::f16 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH));
}

CudnnConvPlan::~CudnnConvPlan() {
  if (conv != nullptr) cudnnDestroyConvolutionDescriptor(conv);
  if (w != nullptr) cudnnDestroyFilterDescriptor(w);
  if (y != nullptr) cudnnDestroyTensorDescriptor(y);
  if (x != nullptr) cudnnDestroyTensorDescriptor(x);
}

void choose_algorithms(cudnnHandle_t h, const Conv2dShape& shape, DType dtype, std::size_t limit, CudnnConvPlan& p) {
  const cudnnMathType_t asked = dtype == DType::f16 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH;
  const auto ask = [&] { return cudnnSetConvolutionMathType(p.conv, asked); };
  using ForwardPerf = cudnnConvolutionFwdAlgoPerf_t;
  TSUGI_CHECK_CUDNN(ask());
  p.forward = choose<ForwardPerf>(
      p.conv, dtype, limit,
      [&](int n, int* count, ForwardPerf* all) {
        return cudnnFindConvolutionForwardAlgorithm(h, p.x, p.w, p.conv, p.y, n, count, all);
      },
      [&](int n, int* count, ForwardPerf* all) {
        return cudnnGetConvolutionForwardAlgorithm_v7(h, p.x, p.w, p.conv, p.y, n, count, all);
      },
      [&](cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionForwardWorkspaceSize(h, p.x, p.w, p.conv, p.y, algorithm, bytes);
      });
  using DataPerf = cudnnConvolutionBwdDataAlgoPerf_t;
  TSUGI_CHECK_CUDNN(ask());
  p.backward_data = choose<DataPerf>(
      p.conv, dtype, limit,
      [&](int n, int* count, DataPerf* all) {
        return cudnnFindConvolutionBackwardDataAlgorithm(h, p.w, p.y, p.conv, p.x, n, count, all);
      },
      [&](int n, int* count, DataPerf* all) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(h, p.w, p.y, p.conv, p.x, n, count, all);
      },
      [&](cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardDataWorkspaceSize(h, p.w, p.y, p.conv, p.x, algorithm, bytes);
      });
  using WeightPerf = cudnnConvolutionBwdFilterAlgoPerf_t;
  TSUGI_CHECK_CUDNN(ask());
  p.backward_weight = choose<WeightPerf>(
      p.conv, dtype, limit,
      [&](int n, int* count, WeightPerf* all) {
        return cudnnFindConvolutionBackwardFilterAlgorithm(h, p.x, p.y, p.conv, p.w, n, count, all);
      },
      [&](int n, int* count, WeightPerf* all) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(h, p.x, p.y, p.conv, p.w, n, count, all);
      },
      [&](cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(h, p.x, p.y, p.conv, p.w, algorithm, bytes);
      });
  std::size_t scratch = 0;
  for (const CudnnAlgorithm* a : {&p.forward, &p.backward_data, &p.backward_weight})
    scratch = a->workspace > scratch ? a->workspace : scratch;
  const std::size_t rows = static_cast<std::size_t>(shape.n) * shape.p() * shape.q();
  p.weights_offset = aligned_bytes(scratch);
  p.column_sum_offset = p.weights_offset + aligned_bytes(shape.w_count() * size_of(dtype));
  p.workspace_bytes = p.column_sum_offset + aligned_bytes(column_sum_workspace(rows, shape.k)) + kLibraryAlignment;
}

}  // namespace cuda
}  // namespace tsugi
