// Parameters of ops that work element by element: activation, dropout, residual add, cast.
#pragma once

#include "kernels/api/activation.h"
#include "kernels/api/types.h"

namespace tsugi {

/// y = activation(x); y may be x.
struct ActivationForward {
  std::size_t count = 0;
  DType dtype = DType::f32;
  Activation activation;
  const void* x = nullptr;
  void* y = nullptr;
};

/// d_x (=|+=) activation' * d_y; d_x may be d_y when overwriting.
struct ActivationBackward {
  std::size_t count = 0;
  DType dtype = DType::f32;
  Activation activation;
  const void* saved = nullptr;  ///< y, or x where the activation saves its input; not read when activation.kind == none
  const void* d_y = nullptr;
  Write write = Write::overwrite;
  void* d_x = nullptr;
};

/// y = mask ? x / (1 - rate) : 0. Element e of sample i draws philox(seed, epoch, sample_ids[i], purpose, e / 4).v[e %
/// 4] and is kept when uniform01(draw) >= rate.
struct DropoutForward {
  int n = 1;                   ///< samples
  std::size_t per_sample = 1;  ///< elements of one sample
  DType dtype = DType::f32;
  float rate = 0.5f;  ///< 0 <= rate < 1
  std::uint32_t draw_purpose = 0;
  const StepState* step = nullptr;            ///< device
  const std::uint32_t* sample_ids = nullptr;  ///< [n], device
  const void* x = nullptr;
  void* y = nullptr;             ///< may be x
  std::uint8_t* mask = nullptr;  ///< [n,per_sample], 1 = kept; overwritten
};

/// d_x = activation'(x) * (mask ? d_y / (1 - rate) : 0) [+ d_x]; d_x may be d_y when overwriting.
/// With `activation` set, a rectifier, the mask of the activation that produced the dropout's input comes from `y`, the
/// dropout's output: where an element was dropped the gradient is zero whatever its sign was.
struct DropoutBackward {
  std::size_t count = 0;
  DType dtype = DType::f32;
  float rate = 0.5f;
  const std::uint8_t* mask = nullptr;
  const void* y = nullptr;  ///< read only when activation.kind != none
  Activation activation;
  const void* d_y = nullptr;
  Write write = Write::overwrite;
  void* d_x = nullptr;
};

/// y = activation(a + b); y may be a or b.
struct AddForward {
  std::size_t count = 0;
  DType dtype = DType::f32;
  const void* a = nullptr;
  const void* b = nullptr;
  Activation activation;
  void* y = nullptr;
  void* saved = nullptr;  ///< gets a + b where backward needs the activation's input, else null; not a, b or y
};

/// to[i] = from[i] in another type, rounded to nearest even.
struct Cast {
  std::size_t count = 0;
  DType from_dtype = DType::f32, to_dtype = DType::f32;
  const void* from = nullptr;
  void* to = nullptr;
};

}  // namespace tsugi
