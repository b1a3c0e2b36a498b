// Convolutions in float16 on tensor cores (sm_75 and up), float32 sums: the rows of the variant "mma". Shapes that they
// do not cover (channels of a group not a multiple of 8) are left to the "gemm" rows of f16.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/half_backward_data.h"
#include "kernels/cuda/device/half_backward_weight.h"
#include "kernels/cuda/device/half_forward.h"
#include "kernels/cuda/device/mma_tile.h"

#ifndef __CUDACC_RTC__
namespace tsugi {
namespace TSUGI_GPU {
namespace {

/// Pass: HalfForward, HalfBackwardData or HalfBackwardWeight of a tile.
template <typename Pass, typename Operation>
Kernel<Operation> make_kernel(const Row& row) {
  return {row, &Pass::covers, &Pass::workspace, &Pass::launch};
}

}  // namespace

std::vector<Kernel<Conv2dForward>> conv2d_forward_mma() {
  std::vector<Kernel<Conv2dForward>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                              \
  kernels.push_back(make_kernel<HalfForward<MmaTile<m, n, k, thread_m, thread_n>>, Conv2dForward>( \
      {KernelOp::conv2d_forward, "mma", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_FORWARD_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_mma() {
  std::vector<Kernel<Conv2dBackwardData>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                        \
  kernels.push_back(make_kernel<HalfBackwardData<MmaTile<m, n, k, thread_m, thread_n>>, Conv2dBackwardData>( \
      {KernelOp::conv2d_backward_data, "mma", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_BACKWARD_DATA_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_mma() {
  std::vector<Kernel<Conv2dBackwardWeight>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                            \
  kernels.push_back(make_kernel<HalfBackwardWeight<MmaTile<m, n, k, thread_m, thread_n>>, Conv2dBackwardWeight>( \
      {KernelOp::conv2d_backward_weight, "mma", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_BACKWARD_WEIGHT_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
#else
namespace tsugi {
namespace TSUGI_GPU {
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n) \
  template __global__ void conv2d_forward_half_kernel<MmaTile<m, n, k, thread_m, thread_n>>(const HalfForwardParams);
TSUGI_CONV2D_FORWARD_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                              \
  template __global__ void conv2d_backward_data_half_kernel<MmaTile<m, n, k, thread_m, thread_n>>( \
      const HalfBackwardDataParams);
TSUGI_CONV2D_BACKWARD_DATA_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                \
  template __global__ void conv2d_backward_weight_half_kernel<MmaTile<m, n, k, thread_m, thread_n>>( \
      const HalfBackwardWeightParams);
TSUGI_CONV2D_BACKWARD_WEIGHT_MMA_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
