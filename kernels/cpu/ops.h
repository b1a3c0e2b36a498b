// The CPU's plain C++ ops, one function an op struct: arguments are already validated, work is shared by `threads`.
// Convolution and matrix products: conv2d.h and dense.h.
#pragma once

#include <cstddef>

#include "kernels/api/ops.h"

namespace tsugi {
namespace cpu {

std::size_t batch_norm_workspace_bytes(const BatchNormShape& shape, int threads);
std::size_t gradient_norm_workspace_bytes(std::size_t count);

#define TSUGI_OP(name, Op) void name(const Op& op, int threads);
TSUGI_SCRATCH_OPS(TSUGI_OP)
TSUGI_PLAIN_OPS(TSUGI_OP)
#undef TSUGI_OP

}  // namespace cpu
}  // namespace tsugi
