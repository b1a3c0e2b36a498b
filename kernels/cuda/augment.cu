#include "kernels/cuda/ops.h"

namespace tsugi {
namespace TSUGI_GPU {
std::size_t augment_workspace(const AugmentForward&) { return 0; }
void augment_forward(Runtime&, const AugmentForward&) { throw Error("kernel missing"); }
}  // namespace TSUGI_GPU
}  // namespace tsugi
