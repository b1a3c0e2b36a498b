// Dense layers as one cuBLAS product each, and what the contract asks for beside it.
#pragma once

#include <cublas_v2.h>

#include "kernels/api/dense.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace cuda {

/// Once for a handle: no TF32 in fp32 products, matrix units in fp16 ones.
void set_cublas_math(cublasHandle_t handle);
/// Scratch of any of the three passes: cuBLAS's own, then the bias gradient's.
std::size_t cublas_dense_workspace(const DenseShape& shape);
void cublas_dense(Runtime& runtime, cublasHandle_t handle, const DenseForward& op);
void cublas_dense(Runtime& runtime, cublasHandle_t handle, const DenseBackwardData& op);
void cublas_dense(Runtime& runtime, cublasHandle_t handle, const DenseBackwardWeight& op);

}  // namespace cuda
}  // namespace tsugi
