// conv2d forward, backward-data and backward-weight of the double-precision reference: seven plain loops each.
// Both backward passes gather (each output element is one sum), so an element is rounded once.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

/// Offsets of elements in x or d_x [n,h,w,c], w [k,r,s,c/groups] and y or d_y [n,p,q,k].
struct Conv2dIndex {
  const Conv2dShape& shape;
  int channels = shape.c / shape.groups;  ///< of the input, in one group
  int filters = shape.k / shape.groups;   ///< in one group

  std::size_t x(int n, int h, int w, int c) const {
    return ((static_cast<std::size_t>(n) * shape.h + h) * shape.w + w) * shape.c + c;
  }
  std::size_t w(int k, int r, int s, int c) const {
    return ((static_cast<std::size_t>(k) * shape.r + r) * shape.s + s) * channels + c;
  }
  std::size_t y(int n, int p, int q, int k) const {
    return ((static_cast<std::size_t>(n) * shape.p() + p) * shape.q() + q) * shape.k + k;
  }
};

/// The dot product of filter k with the window of x behind output pixel (n, p, q).
template <typename T>
double window_dot(const Conv2dIndex& at, const T* x, const T* w, int n, int p, int q, int k) {
  const Conv2dShape& shape = at.shape;
  const int first_channel = k / at.filters * at.channels;
  double sum = 0.0;
  for (int r = 0; r < shape.r; ++r) {
    const int h = p * shape.stride_h - shape.pad_h + r;
    if (h < 0 || h >= shape.h) continue;
    for (int s = 0; s < shape.s; ++s) {
      const int column = q * shape.stride_w - shape.pad_w + s;
      if (column < 0 || column >= shape.w) continue;
      const T* pixel = x + at.x(n, h, column, first_channel);
      const T* filter = w + at.w(k, r, s, 0);
      for (int c = 0; c < at.channels; ++c) sum += static_cast<double>(pixel[c]) * static_cast<double>(filter[c]);
    }
  }
  return sum;
}

/// The gradient that flows back to x[n,h,w,c]: over all filter positions and filters that read it.
template <typename T>
double data_gradient(const Conv2dIndex& at, const T* d_y, const T* w, int n, int h, int column, int c) {
  const Conv2dShape& shape = at.shape;
  const int group = c / at.channels;
  double sum = 0.0;
  for (int r = 0; r < shape.r; ++r) {
    const int top = h + shape.pad_h - r;  // = p * stride_h of the output row that reads this row at filter row r
    if (top < 0 || top % shape.stride_h != 0 || top / shape.stride_h >= shape.p()) continue;
    for (int s = 0; s < shape.s; ++s) {
      const int left = column + shape.pad_w - s;
      if (left < 0 || left % shape.stride_w != 0 || left / shape.stride_w >= shape.q()) continue;
      const T* gradient = d_y + at.y(n, top / shape.stride_h, left / shape.stride_w, 0);
      for (int k = group * at.filters; k < (group + 1) * at.filters; ++k) {
        sum += static_cast<double>(gradient[k]) * static_cast<double>(w[at.w(k, r, s, c % at.channels)]);
      }
    }
  }
  return sum;
}

/// The gradient of w[k,r,s,c], c within the group: over all images and output pixels.
template <typename T>
double weight_gradient(const Conv2dIndex& at, const T* x, const T* d_y, int k, int r, int s, int c) {
  const Conv2dShape& shape = at.shape;
  const int channel = k / at.filters * at.channels + c;
  double sum = 0.0;
  for (int n = 0; n < shape.n; ++n) {
    for (int p = 0; p < shape.p(); ++p) {
      const int h = p * shape.stride_h - shape.pad_h + r;
      if (h < 0 || h >= shape.h) continue;
      for (int q = 0; q < shape.q(); ++q) {
        const int column = q * shape.stride_w - shape.pad_w + s;
        if (column < 0 || column >= shape.w) continue;
        sum += static_cast<double>(d_y[at.y(n, p, q, k)]) * static_cast<double>(x[at.x(n, h, column, channel)]);
      }
    }
  }
  return sum;
}

}  // namespace

template <typename T>
void conv2d_forward(const Conv2dForward& op) {
  const Conv2dShape& shape = op.shape;
  const Conv2dIndex at{shape};
  T* y = static_cast<T*>(op.y);
  for (int n = 0; n < shape.n; ++n) {
    for (int p = 0; p < shape.p(); ++p) {
      for (int q = 0; q < shape.q(); ++q) {
        for (int k = 0; k < shape.k; ++k) {
          const double bias = op.bias == nullptr ? 0.0 : static_cast<double>(op.bias[k]);
          const double sum = window_dot(at, static_cast<const T*>(op.x), static_cast<const T*>(op.w), n, p, q, k);
          const std::size_t i = at.y(n, p, q, k);
          y[i] = static_cast<T>(activate<T>(op.activation, sum + bias, op.saved, i));
        }
      }
    }
  }
}

template <typename T>
void conv2d_backward_data(const Conv2dBackwardData& op) {
  const Conv2dShape& shape = op.shape;
  const Conv2dIndex at{shape};
  T* d_x = static_cast<T*>(op.d_x);
  for (int n = 0; n < shape.n; ++n) {
    for (int h = 0; h < shape.h; ++h) {
      for (int w = 0; w < shape.w; ++w) {
        for (int c = 0; c < shape.c; ++c) {
          const std::size_t i = at.x(n, h, w, c);
          const double sum = data_gradient(at, static_cast<const T*>(op.d_y), static_cast<const T*>(op.w), n, h, w, c);
          const double total = sum + old_value(op.write, d_x[i]);
          d_x[i] = static_cast<T>(activation_gradient(op.activation, static_cast<const T*>(op.saved), i, total));
        }
      }
    }
  }
}

template <typename T>
void conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  const Conv2dShape& shape = op.shape;
  const Conv2dIndex at{shape};
  const T* d_y = static_cast<const T*>(op.d_y);
  for (int k = 0; k < shape.k; ++k) {
    for (int r = 0; r < shape.r; ++r) {
      for (int s = 0; s < shape.s; ++s) {
        for (int c = 0; c < at.channels; ++c) {
          float& d_w = op.d_w[at.w(k, r, s, c)];
          const double sum = weight_gradient(at, static_cast<const T*>(op.x), d_y, k, r, s, c);
          d_w = static_cast<float>(sum + old_value(op.write, d_w));
        }
      }
    }
    if (op.d_bias == nullptr) continue;
    double sum = 0.0;
    for (std::size_t i = static_cast<std::size_t>(k); i < shape.y_count(); i += static_cast<std::size_t>(shape.k)) {
      sum += static_cast<double>(d_y[i]);
    }
    op.d_bias[k] = static_cast<float>(sum + old_value(op.write, op.d_bias[k]));
  }
}

TSUGI_REFERENCE_INSTANCES(conv2d_forward, Conv2dForward)
TSUGI_REFERENCE_INSTANCES(conv2d_backward_data, Conv2dBackwardData)
TSUGI_REFERENCE_INSTANCES(conv2d_backward_weight, Conv2dBackwardWeight)

}  // namespace reference
}  // namespace tsugi
