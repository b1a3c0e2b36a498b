// Parameters of conv2d (2-D cross-correlation, as every framework of the field calls convolution).
// Activations are NHWC, weights K,R,S,C/groups; depthwise is groups == c.
#pragma once

#include "kernels/api/activation.h"
#include "kernels/api/types.h"

namespace tsugi {

/// Sizes of one convolution. Output pixels: p() x q(), with zero padding of pad_h / pad_w on both sides.
struct Conv2dShape {
  int n = 1, h = 1, w = 1, c = 1;  ///< input: images, rows, columns, channels
  int k = 1, r = 1, s = 1;         ///< filters, filter rows, filter columns
  int stride_h = 1, stride_w = 1;
  int pad_h = 0, pad_w = 0;
  int groups = 1;  ///< divides c and k

  int p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  int q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
  std::size_t x_count() const { return static_cast<std::size_t>(n) * h * w * c; }
  std::size_t w_count() const { return static_cast<std::size_t>(k) * r * s * (c / groups); }
  std::size_t y_count() const { return static_cast<std::size_t>(n) * p() * q() * k; }
  /// Floating-point operations of one pass (a multiply and an add count as two).
  double flops() const {
    const int group_channels = c / groups;
    return 2.0 * static_cast<double>(y_count()) * r * s * group_channels;
  }
};

/// Throws Error naming `op` when a size is not positive, groups do not divide, or the filter exceeds the padded input.
void validate(const Conv2dShape& shape, const char* op);

/// y = activation(conv(x, w) + bias), [n,p,q,k]. An activation that saves its input (activation.h) finds it in `saved`
/// in the backward pass; `saved` is null where none follows, and for every other activation.
struct Conv2dForward {
  Conv2dShape shape;
  DType dtype = DType::f32;     ///< of x, w and y
  const void* x = nullptr;      ///< [n,h,w,c]
  const void* w = nullptr;      ///< [k,r,s,c/groups]
  const float* bias = nullptr;  ///< [k], or null
  Activation activation;
  void* y = nullptr;          ///< [n,p,q,k], overwritten
  void* workspace = nullptr;  ///< Backend::workspace_bytes(shape, dtype) bytes
  void* saved = nullptr;      ///< [n,p,q,k], overwritten, or null
};

/// d_x = activation' * (conv_transposed(d_y, w) [+ d_x]), [n,h,w,c].
/// With `activation` set, which made the convolution's input, `saved` gives its derivative: the activation's output
/// (the convolution's input itself), or its input where it saves that. So the producer needs no pass of its own.
struct Conv2dBackwardData {
  Conv2dShape shape;
  DType dtype = DType::f32;     ///< of d_y, w, saved and d_x
  const void* d_y = nullptr;    ///< [n,p,q,k]
  const void* w = nullptr;      ///< [k,r,s,c/groups]
  const void* saved = nullptr;  ///< [n,h,w,c]; read only when activation.kind != none
  Activation activation;
  Write write = Write::overwrite;
  void* d_x = nullptr;  ///< [n,h,w,c]
  void* workspace = nullptr;
};

/// d_w = sum over images and output pixels of d_y x, [k,r,s,c/groups]; d_bias = sum of d_y, [k]. Both float32.
struct Conv2dBackwardWeight {
  Conv2dShape shape;
  DType dtype = DType::f32;   ///< of x and d_y
  const void* x = nullptr;    ///< [n,h,w,c]
  const void* d_y = nullptr;  ///< [n,p,q,k]
  Write write = Write::overwrite;
  float* d_w = nullptr;
  float* d_bias = nullptr;  ///< or null
  void* workspace = nullptr;
};

}  // namespace tsugi
