// The suite that every backend must pass: each op, at every shape of op_cases.h, in every mode, against the
// double-precision reference. `dtype` is the type of tensors; the backend must support it.
#pragma once

#include "kernels/api/backend.h"

namespace tsugi {
namespace test {

void check_conv2d(Backend& backend, DType dtype);
void check_large_conv2d(Backend& backend, DType dtype);
void check_dense(Backend& backend, DType dtype);
void check_alignment(Backend& backend, DType dtype);
void check_batch_norm(Backend& backend, DType dtype);
void check_pool(Backend& backend, DType dtype);
void check_pointwise(Backend& backend, DType dtype);
void check_dropout(Backend& backend, DType dtype);
void check_loss(Backend& backend, DType dtype);
void check_augment(Backend& backend, DType dtype);
void check_dequantize_gather(Backend& backend, DType dtype);
/// Float32 whatever the tensors are; the compute copy in every type that the backend supports.
void check_optimizer(Backend& backend);
void check_gradient_norm(Backend& backend);
void check_cast(Backend& backend);
/// Allocation, copies and filling.
void check_memory(Backend& backend);

}  // namespace test
}  // namespace tsugi
