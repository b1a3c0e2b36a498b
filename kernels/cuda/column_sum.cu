#include "kernels/cuda/ops.h"

namespace tsugi {
namespace TSUGI_GPU {
std::size_t column_sum_workspace(std::size_t, int) { return 0; }
void column_sum(Runtime&, const void*, DType, std::size_t, int, Write, float*, void*) { throw Error("kernel missing"); }
}  // namespace TSUGI_GPU
}  // namespace tsugi
