#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {
std::vector<Kernel<Conv2dForward>> conv2d_forward_winograd() { return {}; }
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_winograd() { return {}; }
}  // namespace TSUGI_GPU
}  // namespace tsugi
