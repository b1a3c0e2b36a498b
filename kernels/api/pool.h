// Parameters of max, average and global average pooling on NHWC.
#pragma once

#include "kernels/api/activation.h"
#include "kernels/api/types.h"

namespace tsugi {

enum class PoolKind : std::uint8_t { max, average };

/// A window of r x s, zero-padded borders are left out of the maximum and of the average's divisor.
/// Global average pooling is kind average with r == h, s == w.
struct PoolShape {
  int n = 1, h = 1, w = 1, c = 1;
  int r = 2, s = 2;
  int stride_h = 2, stride_w = 2;
  int pad_h = 0, pad_w = 0;
  PoolKind kind = PoolKind::max;

  int p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
  int q() const { return (w + 2 * pad_w - s) / stride_w + 1; }
  std::size_t x_count() const { return static_cast<std::size_t>(n) * h * w * c; }
  std::size_t y_count() const { return static_cast<std::size_t>(n) * p() * q() * c; }
};

/// Throws Error naming `op` when a size is not positive, padding reaches the window size, or a maximum's window has
/// more than 255 positions (its index is kept in a byte).
void validate(const PoolShape& shape, const char* op);

struct PoolForward {
  PoolShape shape;
  DType dtype = DType::f32;
  const void* x = nullptr;         ///< [n,h,w,c]
  void* y = nullptr;               ///< [n,p,q,c], overwritten
  std::uint8_t* argmax = nullptr;  ///< [n,p,q,c] position in the window (row * s + column; ties: the first); max only,
                                   ///< null when no backward pass follows
};

/// Routes d_y to the maxima (or spreads it evenly). With `activation` set, a rectifier, the pooled output y (saved by
/// the forward pass) gives the mask of the activation that produced x: maxima of an activation's output are its values.
/// For average pooling the mask must come from x itself. Accumulating, the mask applies to what is added only:
/// d_x += activation' * (routed d_y).
struct PoolBackward {
  PoolShape shape;
  DType dtype = DType::f32;
  const void* d_y = nullptr;             ///< [n,p,q,c]
  const std::uint8_t* argmax = nullptr;  ///< max only
  const void* y = nullptr;               ///< [n,p,q,c]; max with an activation only
  const void* x = nullptr;               ///< [n,h,w,c]; average with an activation only
  Activation activation;
  Write write = Write::overwrite;
  void* d_x = nullptr;  ///< [n,h,w,c]
};

}  // namespace tsugi
