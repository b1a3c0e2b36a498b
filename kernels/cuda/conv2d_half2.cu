// Convolutions in float16 by HFMA2 (sm_53), short runs summed in float16, the rest in float32: the rows of the variant
// "half2"; kernels/api/half2.h says how long a run is and what it costs in precision.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/half2_tile.h"
#include "kernels/cuda/device/half_backward_data.h"
#include "kernels/cuda/device/half_backward_weight.h"
#include "kernels/cuda/device/half_forward.h"

#ifndef __CUDACC_RTC__
#include "kernels/api/half2.h"

namespace tsugi {
namespace TSUGI_GPU {
static_assert(Half2Tile<128, 64, 32, 8, 4>::kK == 2 * kHalf2Run, "half2.h bounds the error of another run");

namespace {

/// Pass: HalfForward, HalfBackwardData or HalfBackwardWeight of a tile.
template <typename Pass, typename Operation>
Kernel<Operation> make_kernel(const Row& row) {
  return {row, &Pass::covers, &Pass::workspace, &Pass::launch};
}

}  // namespace

std::vector<Kernel<Conv2dForward>> conv2d_forward_half2() {
  std::vector<Kernel<Conv2dForward>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                \
  kernels.push_back(make_kernel<HalfForward<Half2Tile<m, n, k, thread_m, thread_n>>, Conv2dForward>( \
      {KernelOp::conv2d_forward, "half2", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_FORWARD_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_half2() {
  std::vector<Kernel<Conv2dBackwardData>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                          \
  kernels.push_back(make_kernel<HalfBackwardData<Half2Tile<m, n, k, thread_m, thread_n>>, Conv2dBackwardData>( \
      {KernelOp::conv2d_backward_data, "half2", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_BACKWARD_DATA_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_half2() {
  std::vector<Kernel<Conv2dBackwardWeight>> kernels;
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                              \
  kernels.push_back(make_kernel<HalfBackwardWeight<Half2Tile<m, n, k, thread_m, thread_n>>, Conv2dBackwardWeight>( \
      {KernelOp::conv2d_backward_weight, "half2", DType::dtype, min_sm, max_sm, {m, n, k, thread_m, thread_n}}));
  TSUGI_CONV2D_BACKWARD_WEIGHT_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
  return kernels;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
#else
namespace tsugi {
namespace TSUGI_GPU {
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n) \
  template __global__ void conv2d_forward_half_kernel<Half2Tile<m, n, k, thread_m, thread_n>>(const HalfForwardParams);
TSUGI_CONV2D_FORWARD_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                \
  template __global__ void conv2d_backward_data_half_kernel<Half2Tile<m, n, k, thread_m, thread_n>>( \
      const HalfBackwardDataParams);
TSUGI_CONV2D_BACKWARD_DATA_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
#define TSUGI_ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)                                  \
  template __global__ void conv2d_backward_weight_half_kernel<Half2Tile<m, n, k, thread_m, thread_n>>( \
      const HalfBackwardWeightParams);
TSUGI_CONV2D_BACKWARD_WEIGHT_HALF2_ROWS(TSUGI_ROW)
#undef TSUGI_ROW
}  // namespace TSUGI_GPU
}  // namespace tsugi
#endif
