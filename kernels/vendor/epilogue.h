// What the contract of convolutions and dense layers asks for beside the product itself, as launchers.
#pragma once

#include "kernels/api/types.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

/// y = activation(y + bias) in place; y: [rows,c] of f32 or f16 (device), bias: [c] (device) or null.
void bias_activation(Runtime& runtime, DType dtype, std::size_t rows, int c, const float* bias,
                     const Activation& activation, void* y);

/// to (=|+=) from, elementwise; from: [count] f32 or f16, to: [count] f32 (device).
void add_gradient(Runtime& runtime, DType dtype, std::size_t count, const void* from, Write write, float* to);

}  // namespace TSUGI_GPU
}  // namespace tsugi
