// The CPU's plain C++ ops, one function an op struct: arguments are already validated, work is shared by `threads`.
// Workspaces are aligned to 64 bytes. Convolutions and matrix products: product_kernels.h.
#pragma once

#include <cstddef>

#include "kernels/api/ops.h"

namespace tsugi {
namespace cpu {

std::size_t batch_norm_workspace_bytes(const BatchNormShape& shape, int threads);
std::size_t augment_workspace_bytes(const AugmentForward& op);  ///< sizes are read, pointers are not
std::size_t gradient_norm_workspace_bytes(const GradientNorm& op);

#define TSUGI_OP(name, Op) void name(const Op& op, int threads);
TSUGI_SCRATCH_OPS(TSUGI_OP)
TSUGI_PLAIN_OPS(TSUGI_OP)
#undef TSUGI_OP

}  // namespace cpu
}  // namespace tsugi
