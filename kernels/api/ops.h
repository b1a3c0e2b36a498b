// The list of ops. The interface of backends, their classes, the checks, recorders and counters are made from it: an op
// that stands here and nowhere else does not link.
#pragma once

#include "kernels/api/augment.h"
#include "kernels/api/batch_norm.h"
#include "kernels/api/conv2d.h"
#include "kernels/api/dense.h"
#include "kernels/api/dequantize_gather.h"
#include "kernels/api/loss.h"
#include "kernels/api/optimizer.h"
#include "kernels/api/pointwise.h"
#include "kernels/api/pool.h"

// OP(name, parameter struct)

/// Products: libraries and registry rows compute them, with scratch memory by shape and type.
#define TSUGI_PRODUCT_OPS(OP)                      \
  OP(conv2d_forward, Conv2dForward)                \
  OP(conv2d_backward_data, Conv2dBackwardData)     \
  OP(conv2d_backward_weight, Conv2dBackwardWeight) \
  OP(dense_forward, DenseForward)                  \
  OP(dense_backward_data, DenseBackwardData)       \
  OP(dense_backward_weight, DenseBackwardWeight)

/// One kernel for every shape, with scratch memory.
#define TSUGI_SCRATCH_OPS(OP) TSUGI_TYPED_SCRATCH_OPS(OP) OP(gradient_norm, GradientNorm)

#define TSUGI_TYPED_SCRATCH_OPS(OP)          \
  OP(batch_norm_forward, BatchNormForward)   \
  OP(batch_norm_backward, BatchNormBackward) \
  OP(augment_forward, AugmentForward)

/// One kernel for every shape, without.
#define TSUGI_PLAIN_OPS(OP) \
  TSUGI_TYPED_PLAIN_OPS(OP) \
  OP(cast, Cast)            \
  OP(sgd_update, SgdUpdate) \
  OP(adam_update, AdamUpdate)

#define TSUGI_TYPED_PLAIN_OPS(OP)                \
  OP(pool_forward, PoolForward)                  \
  OP(pool_backward, PoolBackward)                \
  OP(activation_forward, ActivationForward)      \
  OP(activation_backward, ActivationBackward)    \
  OP(dropout_forward, DropoutForward)            \
  OP(dropout_backward, DropoutBackward)          \
  OP(add_forward, AddForward)                    \
  OP(softmax_cross_entropy, SoftmaxCrossEntropy) \
  OP(softmax, Softmax)                           \
  OP(dequantize_gather, DequantizeGather)

/// Those whose tensors are of one type, `dtype`.
#define TSUGI_TYPED_OPS(OP) TSUGI_PRODUCT_OPS(OP) TSUGI_TYPED_SCRATCH_OPS(OP) TSUGI_TYPED_PLAIN_OPS(OP)

#define TSUGI_OPS(OP) TSUGI_PRODUCT_OPS(OP) TSUGI_SCRATCH_OPS(OP) TSUGI_PLAIN_OPS(OP)

/// Declares what a class computes an op with; Backend::name calls it once the op has been checked.
#define TSUGI_OVERRIDE_OP(name, Op) void compute_##name(const Op& op) override;
