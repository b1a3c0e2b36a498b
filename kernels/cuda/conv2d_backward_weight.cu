#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_gemm() { return {}; }
}  // namespace TSUGI_GPU
}  // namespace tsugi
