// Convolutions in float16 on tensor cores (sm_75 and up), float32 sums: the rows of the algorithm "mma". Shapes that
// they do not cover (channels of a group not a multiple of 8) are left to the "gemm" rows of f16.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/half_backward_data.h"
#include "kernels/cuda/device/half_backward_weight.h"
#include "kernels/cuda/device/half_forward.h"
#include "kernels/cuda/device/mma_tile.h"

namespace tsugi {
namespace TSUGI_GPU {
#ifndef __CUDACC_RTC__
std::vector<Kernel> conv2d_forward_mma() { return {TSUGI_CONV2D_MMA_ROWS(TSUGI_KERNEL, HalfForward, MmaTile, "mma")}; }
std::vector<Kernel> conv2d_backward_data_mma() {
  return {TSUGI_CONV2D_MMA_ROWS(TSUGI_KERNEL, HalfBackwardData, MmaTile, "mma")};
}
std::vector<Kernel> conv2d_backward_weight_mma() {
  return {TSUGI_CONV2D_MMA_ROWS(TSUGI_KERNEL, HalfBackwardWeight, MmaTile, "mma")};
}
#else
TSUGI_CONV2D_MMA_ROWS(TSUGI_TILE_INSTANCE, conv2d_forward_half_kernel, ForwardParams<__half>, MmaTile)
TSUGI_CONV2D_MMA_ROWS(TSUGI_TILE_INSTANCE, conv2d_backward_data_half_kernel, HalfBackwardDataParams, MmaTile)
TSUGI_CONV2D_MMA_ROWS(TSUGI_TILE_INSTANCE, conv2d_backward_weight_half_kernel, BackwardWeightParams<__half>, MmaTile)
#endif
}  // namespace TSUGI_GPU
}  // namespace tsugi
