// The naive double-precision oracle: every op as plain loops that read as its definition. It is what all backends are
// checked against, and through make_reference_backend() the fallback where the build has no oneDNN.
#pragma once

#include "kernels/api/backend.h"

namespace tsugi {
namespace reference {

// Each function is the definition in kernels/api of the struct that it takes. The template argument is the type of the
// elements behind the struct's void pointers, whatever its `dtype` says: double (gradient checks), float, Bfloat16 or
// Float16. Everything is computed in double and rounded once, when stored. Arguments are not checked here: validate(op)
// first. All pointers are host memory; workspaces are not used.

template <typename T>
void conv2d_forward(const Conv2dForward& op);
template <typename T>
void conv2d_backward_data(const Conv2dBackwardData& op);
template <typename T>
void conv2d_backward_weight(const Conv2dBackwardWeight& op);

template <typename T>
void dense_forward(const DenseForward& op);
template <typename T>
void dense_backward_data(const DenseBackwardData& op);
template <typename T>
void dense_backward_weight(const DenseBackwardWeight& op);

template <typename T>
void batch_norm_forward(const BatchNormForward& op);
template <typename T>
void batch_norm_backward(const BatchNormBackward& op);

template <typename T>
void pool_forward(const PoolForward& op);
template <typename T>
void pool_backward(const PoolBackward& op);

template <typename T>
void activation_forward(const ActivationForward& op);
template <typename T>
void activation_backward(const ActivationBackward& op);
template <typename T>
void dropout_forward(const DropoutForward& op);
template <typename T>
void dropout_backward(const DropoutBackward& op);
template <typename T>
void add_forward(const AddForward& op);
/// Between float, Bfloat16 and Float16, any way, and from each to itself.
template <typename From, typename To>
void cast(const Cast& op);

/// Throws Error on a label outside [0, classes).
template <typename T>
void softmax_cross_entropy(const SoftmaxCrossEntropy& op);
template <typename T>
void softmax(const Softmax& op);

void augment_forward(const AugmentForward& op);
template <typename T>
void dequantize_gather(const DequantizeGather& op);

void gradient_norm(const GradientNorm& op);
/// The update structs hold float32; their compute copy may be f32, bf16 or f16.
void sgd_update(const SgdUpdate& op);
void adam_update(const AdamUpdate& op);

}  // namespace reference
}  // namespace tsugi
