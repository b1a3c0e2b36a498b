// Launchers of the ops that have one kernel for every shape. Same contracts as Backend's ops; f32 and f16.
#pragma once

#include "kernels/api/backend.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

std::size_t batch_norm_workspace(const BatchNormShape& shape);
std::size_t augment_workspace(const AugmentForward& op);
std::size_t gradient_norm_workspace(const GradientNorm& op);

#define TSUGI_OP(name, Op) void name(Runtime& runtime, const Op& op);
TSUGI_SCRATCH_OPS(TSUGI_OP)
TSUGI_PLAIN_OPS(TSUGI_OP)
#undef TSUGI_OP

/// sums[c] (=|+=) the column sums of a [rows,c] matrix in fixed order: d_bias of convolutions and dense layers.
/// workspace: column_sum_workspace(rows, c) bytes.
std::size_t column_sum_workspace(std::size_t rows, int c);
void column_sum(Runtime& runtime, const void* matrix, DType dtype, std::size_t rows, int c, Write write, float* sums,
                void* workspace);

// For benchmarks; see RegistryBackend.
double fma_burst(Runtime& runtime, DType dtype, int steps, float* out);
void copy_burst(Runtime& runtime, const void* from, std::size_t bytes, void* to);

}  // namespace TSUGI_GPU
}  // namespace tsugi
