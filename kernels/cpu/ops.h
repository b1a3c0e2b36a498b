// The CPU's plain C++ ops, one function an op struct: arguments are already validated, work is shared by `threads`.
// Convolution and matrix products: conv2d.h and dense.h; augmentation: augment.h.
#pragma once

#include <cstddef>

#include "kernels/api/backend.h"

namespace tsugi {
namespace cpu {

std::size_t batch_norm_workspace_bytes(const BatchNormShape& shape, int threads);
void batch_norm_forward(const BatchNormForward& op, int threads);
void batch_norm_backward(const BatchNormBackward& op, int threads);

void pool_forward(const PoolForward& op, int threads);
void pool_backward(const PoolBackward& op, int threads);

void activation_forward(const ActivationForward& op, int threads);
void activation_backward(const ActivationBackward& op, int threads);
void dropout_forward(const DropoutForward& op, int threads);
void dropout_backward(const DropoutBackward& op, int threads);
void add_forward(const AddForward& op, int threads);
void cast(const Cast& op, int threads);

void softmax_cross_entropy(const SoftmaxCrossEntropy& op, int threads);
void softmax(const Softmax& op, int threads);

void dequantize_gather(const DequantizeGather& op, int threads);

std::size_t gradient_norm_workspace_bytes(std::size_t count);
void gradient_norm(const GradientNorm& op, int threads);
void sgd_update(const SgdUpdate& op, int threads);
void adam_update(const AdamUpdate& op, int threads);

}  // namespace cpu
}  // namespace tsugi
