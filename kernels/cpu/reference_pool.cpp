// Max and average pooling of the double-precision reference. The backward pass gathers: each element of d_x is one sum
// over the windows that cover it, rounded once.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

/// Rows and columns of x inside the window of output pixel (p, q): [h0, h1) x [w0, w1), and where the window starts.
struct Window {
  Window(const PoolShape& shape, int p, int q)
      : top(p * shape.stride_h - shape.pad_h),
        left(q * shape.stride_w - shape.pad_w),
        h0(top < 0 ? 0 : top),
        h1(top + shape.r > shape.h ? shape.h : top + shape.r),
        w0(left < 0 ? 0 : left),
        w1(left + shape.s > shape.w ? shape.w : left + shape.s) {}
  int size() const { return (h1 - h0) * (w1 - w0); }

  int top, left, h0, h1, w0, w1;
};

/// Output positions whose windows (`size` wide, `stride` apart, `count` of them) hold the padded input position.
struct Range {
  int first, last;  ///< [first, last)
};

Range covering_windows(int position, int size, int stride, int count) {
  const int first = position < size ? 0 : (position - size) / stride + 1;
  const int last = position / stride + 1;
  return {first, last < count ? last : count};
}

std::size_t index_x(const PoolShape& shape, int n, int h, int w, int c) {
  return ((static_cast<std::size_t>(n) * shape.h + h) * shape.w + w) * shape.c + c;
}
std::size_t index_y(const PoolShape& shape, int n, int p, int q, int c) {
  return ((static_cast<std::size_t>(n) * shape.p() + p) * shape.q() + q) * shape.c + c;
}

struct Maximum {
  double value;
  int position;  ///< row * s + column of the window
};

/// The first of the largest values; a NaN wins over every number.
template <typename T>
Maximum window_maximum(const PoolShape& shape, const T* x, int n, const Window& window, int c) {
  Maximum best{0.0, -1};
  for (int h = window.h0; h < window.h1; ++h) {
    for (int w = window.w0; w < window.w1; ++w) {
      const double value = static_cast<double>(x[index_x(shape, n, h, w, c)]);
      if (best.position >= 0 && !(value > best.value) && !std::isnan(value)) continue;
      best = {value, (h - window.top) * shape.s + (w - window.left)};
    }
  }
  return best;
}

template <typename T>
double window_mean(const PoolShape& shape, const T* x, int n, const Window& window, int c) {
  double sum = 0.0;
  for (int h = window.h0; h < window.h1; ++h) {
    for (int w = window.w0; w < window.w1; ++w) sum += static_cast<double>(x[index_x(shape, n, h, w, c)]);
  }
  return sum / window.size();
}

/// What flows back to x[n,h,w,c]: from each window that holds it, all of d_y where it was the maximum, or its share.
template <typename T>
double pool_gradient(const PoolBackward& op, int n, int h, int w, int c) {
  const PoolShape& shape = op.shape;
  double sum = 0.0;
  const Range rows = covering_windows(h + shape.pad_h, shape.r, shape.stride_h, shape.p());
  const Range columns = covering_windows(w + shape.pad_w, shape.s, shape.stride_w, shape.q());
  for (int p = rows.first; p < rows.last; ++p) {
    for (int q = columns.first; q < columns.last; ++q) {
      const Window window(shape, p, q);
      const std::size_t i = index_y(shape, n, p, q, c);
      const double d_y = static_cast<double>(static_cast<const T*>(op.d_y)[i]);
      if (shape.kind == PoolKind::average) {
        sum += d_y / window.size();
      } else if (op.argmax[i] == (h - window.top) * shape.s + (w - window.left)) {
        sum += activation_gradient(op.activation, static_cast<const T*>(op.y), i, d_y);
      }
    }
  }
  return sum;
}

}  // namespace

template <typename T>
void pool_forward(const PoolForward& op) {
  const PoolShape& shape = op.shape;
  const T* x = static_cast<const T*>(op.x);
  T* y = static_cast<T*>(op.y);
  for (int n = 0; n < shape.n; ++n) {
    for (int p = 0; p < shape.p(); ++p) {
      for (int q = 0; q < shape.q(); ++q) {
        const Window window(shape, p, q);
        for (int c = 0; c < shape.c; ++c) {
          const std::size_t i = index_y(shape, n, p, q, c);
          if (shape.kind == PoolKind::average) {
            y[i] = static_cast<T>(window_mean(shape, x, n, window, c));
          } else {
            const Maximum maximum = window_maximum(shape, x, n, window, c);
            y[i] = static_cast<T>(maximum.value);
            if (op.argmax != nullptr) op.argmax[i] = static_cast<std::uint8_t>(maximum.position);
          }
        }
      }
    }
  }
}

template <typename T>
void pool_backward(const PoolBackward& op) {
  const PoolShape& shape = op.shape;
  T* d_x = static_cast<T*>(op.d_x);
  for (int n = 0; n < shape.n; ++n) {
    for (int h = 0; h < shape.h; ++h) {
      for (int w = 0; w < shape.w; ++w) {
        for (int c = 0; c < shape.c; ++c) {
          const std::size_t i = index_x(shape, n, h, w, c);
          // The mask of a maximum is inside pool_gradient (it belongs to y); that of an average is the one of x.
          const Activation mask = shape.kind == PoolKind::average ? op.activation : Activation{};
          const double routed = pool_gradient<T>(op, n, h, w, c);
          d_x[i] = static_cast<T>(activation_gradient(mask, static_cast<const T*>(op.x), i, routed) +
                                  old_value(op.write, d_x[i]));
        }
      }
    }
  }
}

TSUGI_REFERENCE_INSTANCES(pool_forward, PoolForward)
TSUGI_REFERENCE_INSTANCES(pool_backward, PoolBackward)

}  // namespace reference
}  // namespace tsugi
