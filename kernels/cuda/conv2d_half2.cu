// Convolutions in float16 by HFMA2 (sm_53), short runs summed in float16, the rest in float32: the rows of the
// algorithm "half2"; kernels/api/half2.h says how long a run is and what it costs in precision.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/half2_tile.h"
#include "kernels/cuda/device/half_backward_data.h"
#include "kernels/cuda/device/half_backward_weight.h"
#include "kernels/cuda/device/half_forward.h"
#ifndef __CUDACC_RTC__
#include "kernels/api/half2.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {
#ifndef __CUDACC_RTC__
static_assert(Half2Tile<128, 64, 32, 8, 4>::kK == 2 * kHalf2Run, "half2.h bounds the error of another run");

std::vector<Kernel> conv2d_forward_half2() {
  return {TSUGI_CONV2D_HALF2_ROWS(TSUGI_KERNEL, HalfForward, Half2Tile, "half2")};
}
std::vector<Kernel> conv2d_backward_data_half2() {
  return {TSUGI_CONV2D_HALF2_ROWS(TSUGI_KERNEL, HalfBackwardData, Half2Tile, "half2")};
}
std::vector<Kernel> conv2d_backward_weight_half2() {
  return {TSUGI_CONV2D_HALF2_ROWS(TSUGI_KERNEL, HalfBackwardWeight, Half2Tile, "half2")};
}
#else
TSUGI_CONV2D_HALF2_ROWS(TSUGI_TILE_INSTANCE, conv2d_forward_half_kernel, ForwardParams<__half>, Half2Tile)
TSUGI_CONV2D_HALF2_ROWS(TSUGI_TILE_INSTANCE, conv2d_backward_data_half_kernel, HalfBackwardDataParams, Half2Tile)
TSUGI_CONV2D_HALF2_ROWS(TSUGI_TILE_INSTANCE, conv2d_backward_weight_half_kernel, BackwardWeightParams<__half>,
                        Half2Tile)
#endif
}  // namespace TSUGI_GPU
}  // namespace tsugi
