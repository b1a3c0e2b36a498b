// Checks of whole op structs, shared by every backend: each op calls validate(op) before it touches memory.
// The checks of the shape structs alone are declared beside them.
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

namespace tsugi {

// Each throws Error, naming the op and both values, when a size is unusable, a required pointer is null or not aligned
// as types.h says, the element type is no type to compute in, a parameter is out of its range, or tensors share memory
// that must not. What lies behind the pointers is not looked at: it may be another device's memory. A count of 0 asks
// for nothing and needs no pointers.

void validate(const Conv2dForward& op);
void validate(const Conv2dBackwardData& op);
void validate(const Conv2dBackwardWeight& op);
void validate(const DenseForward& op);
void validate(const DenseBackwardData& op);
void validate(const DenseBackwardWeight& op);
void validate(const BatchNormForward& op);
void validate(const BatchNormBackward& op);
void validate(const PoolForward& op);
void validate(const PoolBackward& op);
void validate(const ActivationForward& op);
void validate(const ActivationBackward& op);
void validate(const DropoutForward& op);
void validate(const DropoutBackward& op);
void validate(const AddForward& op);
void validate(const Cast& op);
void validate(const SoftmaxCrossEntropy& op);
void validate(const Softmax& op);
void validate(const AugmentForward& op);
void validate(const DequantizeGather& op);
void validate(const GradientNorm& op);
void validate(const SgdUpdate& op);
void validate(const AdamUpdate& op);

}  // namespace tsugi
