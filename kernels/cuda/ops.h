// Launchers of the ops that have one kernel for every shape. Same contracts as Backend's ops; f32 and f16.
#pragma once

#include "kernels/api/backend.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

std::size_t batch_norm_workspace(const BatchNormShape& shape);
void batch_norm_forward(Runtime& runtime, const BatchNormForward& op);
void batch_norm_backward(Runtime& runtime, const BatchNormBackward& op);
void pool_forward(Runtime& runtime, const PoolForward& op);
void pool_backward(Runtime& runtime, const PoolBackward& op);
void activation_forward(Runtime& runtime, const ActivationForward& op);
void activation_backward(Runtime& runtime, const ActivationBackward& op);
void dropout_forward(Runtime& runtime, const DropoutForward& op);
void dropout_backward(Runtime& runtime, const DropoutBackward& op);
void add_forward(Runtime& runtime, const AddForward& op);
void cast(Runtime& runtime, const Cast& op);
void softmax_cross_entropy(Runtime& runtime, const SoftmaxCrossEntropy& op);
void softmax(Runtime& runtime, const Softmax& op);
std::size_t augment_workspace(const AugmentForward& op);
void augment_forward(Runtime& runtime, const AugmentForward& op);
void dequantize_gather(Runtime& runtime, const DequantizeGather& op);
std::size_t gradient_norm_workspace(const GradientNorm& op);
void gradient_norm(Runtime& runtime, const GradientNorm& op);
void sgd_update(Runtime& runtime, const SgdUpdate& op);
void adam_update(Runtime& runtime, const AdamUpdate& op);

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
