// Parameters of dense (fully connected) layers: y = activation(x w^T + bias).
#pragma once

#include "kernels/api/conv2d.h"

namespace tsugi {

struct DenseShape {
  int n = 1, in = 1, out = 1;
  std::size_t x_count() const { return static_cast<std::size_t>(n) * in; }
  std::size_t y_count() const { return static_cast<std::size_t>(n) * out; }
  double flops() const { return 2.0 * n * in * out; }
};

/// The same product as a convolution: of one pixel.
inline Conv2dShape as_conv2d(const DenseShape& shape) {
  Conv2dShape conv;
  conv.n = shape.n;
  conv.c = shape.in;
  conv.k = shape.out;
  return conv;
}

/// Throws Error naming `op` when a size is not positive.
void validate(const DenseShape& shape, const char* op);

struct DenseForward {
  DenseShape shape;
  DType dtype = DType::f32;     ///< of x, w and y
  const void* x = nullptr;      ///< [n,in]
  const void* w = nullptr;      ///< [out,in]
  const float* bias = nullptr;  ///< [out], or null
  Activation activation;
  void* y = nullptr;  ///< [n,out], overwritten
  void* workspace = nullptr;
  void* saved = nullptr;  ///< [n,out], overwritten, or null; see Conv2dForward
};

/// d_x = activation' * (d_y w [+ d_x]); see Conv2dBackwardData for the derivative.
struct DenseBackwardData {
  DenseShape shape;
  DType dtype = DType::f32;
  const void* d_y = nullptr;    ///< [n,out]
  const void* w = nullptr;      ///< [out,in]
  const void* saved = nullptr;  ///< [n,in]; read only when activation.kind != none
  Activation activation;
  Write write = Write::overwrite;
  void* d_x = nullptr;  ///< [n,in]
  void* workspace = nullptr;
};

/// d_w = d_y^T x, [out,in]; d_bias = column sums of d_y, [out]. Both float32.
struct DenseBackwardWeight {
  DenseShape shape;
  DType dtype = DType::f32;
  const void* x = nullptr;
  const void* d_y = nullptr;
  Write write = Write::overwrite;
  float* d_w = nullptr;
  float* d_bias = nullptr;  ///< or null
  void* workspace = nullptr;
};

}  // namespace tsugi
