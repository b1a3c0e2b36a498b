#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_gemm() { return {}; }
}  // namespace TSUGI_GPU
}  // namespace tsugi
