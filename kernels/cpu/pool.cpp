// Pooling on the CPU, vectorised over channels: fast paths for windows of 2x2 with stride 2, and any other window.
// The backward pass gathers: each input pixel sums what the windows over it route to it, so it is written once.
#include <algorithm>

#include "kernels/cpu/element.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr std::size_t kLanes = 64;  ///< channels handled together: their sums stay in registers

struct Window {
  int begin, end;  ///< rows or columns of the input, inside it
};

Window window(int output, int stride, int pad, int size, int limit) {
  const int begin = output * stride - pad;
  return Window{std::max(begin, 0), std::min(begin + size, limit)};
}

/// The outputs whose windows cover input row or column `at`.
Window covering(int at, int stride, int pad, int size, int outputs) {
  const int first = at + pad - size + 1;
  return Window{first <= 0 ? 0 : (first + stride - 1) / stride, std::min((at + pad) / stride + 1, outputs)};
}

/// Windows of 2x2 that do not overlap: the fast paths.
bool is_2x2(const PoolShape& s) {
  return s.r == 2 && s.s == 2 && s.stride_h == 2 && s.stride_w == 2 && s.pad_h == 0 && s.pad_w == 0;
}

/// Whether `value` replaces the maximum: ties keep the first, and a NaN stays.
inline bool replaces(float value, float best) { return (value > best) | (value != value); }

template <typename T>
void max_2x2_pixel(const T* x00, const T* x10, std::size_t c, T* y, std::uint8_t* argmax) {
  const T* x01 = x00 + c;
  const T* x11 = x10 + c;
#pragma omp simd
  for (std::size_t i = 0; i < c; ++i) {
    float best = to_float(x00[i]);
    std::int32_t at = 0;
    const float b = to_float(x01[i]), d = to_float(x10[i]), e = to_float(x11[i]);
    at = replaces(b, best) ? 1 : at;
    best = replaces(b, best) ? b : best;
    at = replaces(d, best) ? 2 : at;
    best = replaces(d, best) ? d : best;
    at = replaces(e, best) ? 3 : at;
    best = replaces(e, best) ? e : best;
    y[i] = from_float<T>(best);
    if (argmax != nullptr) argmax[i] = static_cast<std::uint8_t>(at);
  }
}

template <typename T>
void average_2x2_pixel(const T* x0, const T* x1, std::size_t c, T* y) {
  for_lanes(c, [=](std::size_t i, auto lane) {
    using V = decltype(lane);
    store_lanes(y + i,
                0.25f * (load_as<V>(x0 + i) + load_as<V>(x0 + c + i) + load_as<V>(x1 + i) + load_as<V>(x1 + c + i)));
  });
}

/// The maximum or average of any window, and with kMax its place.
template <bool kMax, typename T>
void window_pixel(const PoolShape& s, const T* image, Window rows, Window columns, int p, int q, T* y,
                  std::uint8_t* argmax) {
  const std::size_t c = static_cast<std::size_t>(s.c);
  const float scale = 1.0f / static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
  for (std::size_t c0 = 0; c0 < c; c0 += kLanes) {
    const std::size_t lanes = std::min(kLanes, c - c0);
    float result[kLanes] = {};
    std::int32_t at[kLanes];
    bool first = true;
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w, first = false) {
        const T* x = image + (static_cast<std::size_t>(h) * s.w + w) * c + c0;
        const std::int32_t position = (h - (p * s.stride_h - s.pad_h)) * s.s + (w - (q * s.stride_w - s.pad_w));
#pragma omp simd
        for (std::size_t i = 0; i < lanes; ++i) {
          const float value = to_float(x[i]);
          const bool take = first || replaces(value, result[i]);
          if (kMax) at[i] = take ? position : at[i];
          result[i] = !kMax ? result[i] + value : take ? value : result[i];
        }
      }
    }
    for (std::size_t i = 0; i < lanes; ++i) y[c0 + i] = from_float<T>(kMax ? result[i] : result[i] * scale);
    for (std::size_t i = 0; kMax && argmax != nullptr && i < lanes; ++i)
      argmax[c0 + i] = static_cast<std::uint8_t>(at[i]);
  }
}

/// One row of outputs: row = image * p() + output row.
template <typename T>
void forward_row(const PoolForward& op, std::size_t row) {
  const PoolShape& s = op.shape;
  const std::size_t p_count = static_cast<std::size_t>(s.p()), q_count = static_cast<std::size_t>(s.q());
  const std::size_t c = static_cast<std::size_t>(s.c), pitch = static_cast<std::size_t>(s.w) * c;
  const int p = static_cast<int>(row % p_count);
  const T* image = static_cast<const T*>(op.x) + row / p_count * static_cast<std::size_t>(s.h) * pitch;
  T* y = static_cast<T*>(op.y) + row * q_count * c;
  std::uint8_t* argmax = op.argmax == nullptr ? nullptr : op.argmax + row * q_count * c;
  const Window rows = window(p, s.stride_h, s.pad_h, s.r, s.h);
  const bool fast = is_2x2(s);
  for (std::size_t q = 0; q < q_count; ++q, y += c) {
    const Window columns = window(static_cast<int>(q), s.stride_w, s.pad_w, s.s, s.w);
    if (fast) {
      const T* x = image + static_cast<std::size_t>(rows.begin) * pitch + 2 * q * c;
      if (s.kind == PoolKind::max) {
        max_2x2_pixel(x, x + pitch, c, y, argmax);
      } else {
        average_2x2_pixel(x, x + pitch, c, y);
      }
    } else if (s.kind == PoolKind::max) {
      window_pixel<true>(s, image, rows, columns, p, static_cast<int>(q), y, argmax);
    } else {
      window_pixel<false>(s, image, rows, columns, p, static_cast<int>(q), y, argmax);
    }
    if (argmax != nullptr) argmax += c;
  }
}

/// The bits of elements, so that 16-bit elements stay 16-bit lanes.
inline float* bits_of(float* elements) { return elements; }
inline std::uint16_t* bits_of(Bf16* elements) { return &elements->bits; }

/// to = argmax == position ? g : 0
template <typename Bits>
void route(const Bits* g, const std::uint8_t* argmax, std::uint8_t position, std::size_t count, Bits* to) {
  if (count == kLanes) {
#pragma omp simd
    for (std::size_t i = 0; i < kLanes; ++i) to[i] = argmax[i] == position ? g[i] : Bits{0};
  } else {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) to[i] = argmax[i] == position ? g[i] : Bits{0};
  }
}

/// The four input pixels of one output pixel.
template <typename T, typename Act>
void max_2x2_backward_pixel(Act act, const T* d_y, const T* y, const std::uint8_t* argmax, std::size_t c, T* d_x,
                            std::size_t pitch, bool accumulate) {
  for (std::size_t c0 = 0; c0 < c; c0 += kLanes) {
    const std::size_t lanes = std::min(kLanes, c - c0);
    T g[kLanes];
#pragma omp simd
    for (std::size_t i = 0; i < lanes; ++i)
      g[i] = from_float<T>(act.backward(to_float(y[c0 + i]), to_float(d_y[c0 + i])));
    for (std::uint8_t position = 0; position < 4; ++position) {
      T* to = d_x + (position >> 1) * pitch + (position & 1) * c + c0;
      if (accumulate) {
#pragma omp simd
        for (std::size_t i = 0; i < lanes; ++i)
          to[i] = from_float<T>(to_float(to[i]) + (argmax[c0 + i] == position ? to_float(g[i]) : 0.0f));
      } else {
        route(bits_of(g), argmax + c0, position, lanes, bits_of(to));
      }
    }
  }
}

/// The four input pixels of one output pixel. x: their activations, like d_x; read only when the activation masks.
template <typename T, typename Act>
void average_2x2_backward_pixel(Act act, const T* d_y, const T* x, std::size_t c, T* d_x, std::size_t pitch,
                                bool accumulate) {
  for (std::size_t position = 0; position < 4; ++position) {
    const std::size_t at = (position >> 1) * pitch + (position & 1) * c;
    for_lanes(c, [=](std::size_t i, auto lane) {
      using V = decltype(lane);
      V g = 0.25f * load_as<V>(d_y + i);
      if (act.kMasks) g = backward_lanes(act, load_as<V>(x + at + i), g);
      store_lanes(d_x + at + i, accumulate ? load_as<V>(d_x + at + i) + g : g);
    });
  }
}

/// sum[i] (c0 <= channel < c0 + lanes) of what the windows over input pixel (h, w) of image n route to it.
template <typename T, typename Act>
void gather(const PoolBackward& op, Act act, std::size_t n, int h, int w, std::size_t c0, std::size_t lanes,
            float* sum) {
  const PoolShape& s = op.shape;
  const Window ps = covering(h, s.stride_h, s.pad_h, s.r, s.p()), qs = covering(w, s.stride_w, s.pad_w, s.s, s.q());
  for (int p = ps.begin; p < ps.end; ++p) {
    for (int q = qs.begin; q < qs.end; ++q) {
      const std::size_t at = ((n * s.p() + p) * s.q() + q) * s.c + c0;
      const T* d_y = static_cast<const T*>(op.d_y) + at;
      if (s.kind == PoolKind::max) {
        const T* y = act.kMasks ? static_cast<const T*>(op.y) + at : d_y;
        const std::uint8_t* argmax = op.argmax + at;
        const int position = (h + s.pad_h - p * s.stride_h) * s.s + (w + s.pad_w - q * s.stride_w);
#pragma omp simd
        for (std::size_t i = 0; i < lanes; ++i)
          sum[i] += argmax[i] == position ? act.backward(to_float(y[i]), to_float(d_y[i])) : 0.0f;
      } else {
        const Window rows = window(p, s.stride_h, s.pad_h, s.r, s.h),
                     columns = window(q, s.stride_w, s.pad_w, s.s, s.w);
        const float scale = 1.0f / static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
#pragma omp simd
        for (std::size_t i = 0; i < lanes; ++i) sum[i] += to_float(d_y[i]) * scale;
      }
    }
  }
}

/// One row of d_x: row = image * h + input row.
template <typename T, typename Act>
void backward_row(const PoolBackward& op, Act act, std::size_t row) {
  const PoolShape& s = op.shape;
  const std::size_t c = static_cast<std::size_t>(s.c), n = row / static_cast<std::size_t>(s.h);
  const int h = static_cast<int>(row % static_cast<std::size_t>(s.h));
  const bool mask_by_x = act.kMasks && s.kind == PoolKind::average;
  for (int w = 0; w < s.w; ++w) {
    const std::size_t pixel = (row * static_cast<std::size_t>(s.w) + static_cast<std::size_t>(w)) * c;
    for (std::size_t c0 = 0; c0 < c; c0 += kLanes) {
      const std::size_t lanes = std::min(kLanes, c - c0);
      float sum[kLanes] = {};
      gather<T>(op, act, n, h, w, c0, lanes, sum);
      T* d_x = static_cast<T*>(op.d_x) + pixel + c0;
      for (std::size_t i = 0; i < lanes; ++i) {
        float g = sum[i];
        if (mask_by_x) g = act.backward(to_float(static_cast<const T*>(op.x)[pixel + c0 + i]), g);
        d_x[i] = from_float<T>(op.write == Write::accumulate ? to_float(d_x[i]) + g : g);
      }
    }
  }
}

/// Two rows of d_x under one row of outputs (h and w are even).
template <typename T, typename Act>
void backward_row_2x2(const PoolBackward& op, Act act, std::size_t row) {
  const PoolShape& s = op.shape;
  const std::size_t c = static_cast<std::size_t>(s.c), q_count = static_cast<std::size_t>(s.q());
  const std::size_t pitch = static_cast<std::size_t>(s.w) * c;
  for (std::size_t q = 0; q < q_count; ++q) {
    const std::size_t at = (row * q_count + q) * c;
    const T* d_y = static_cast<const T*>(op.d_y) + at;
    const std::size_t corner = row * 2 * pitch + q * 2 * c;
    T* d_x = static_cast<T*>(op.d_x) + corner;
    if (s.kind == PoolKind::max) {
      max_2x2_backward_pixel(act, d_y, act.kMasks ? static_cast<const T*>(op.y) + at : d_y, op.argmax + at, c, d_x,
                             pitch, op.write == Write::accumulate);
    } else {
      average_2x2_backward_pixel(act, d_y, act.kMasks ? static_cast<const T*>(op.x) + corner : d_x, c, d_x, pitch,
                                 op.write == Write::accumulate);
    }
  }
}

}  // namespace

void pool_forward(const PoolForward& op, int threads) {
  const PoolShape& s = op.shape;
  with_dtype(op.dtype, "pool_forward", [&](auto element) {
    using T = decltype(element);
    const std::size_t work = static_cast<std::size_t>(s.q()) * s.c * s.r * s.s;
    parallel_for(threads, static_cast<std::size_t>(s.n) * s.p(), work, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) forward_row<T>(op, row);
    });
  });
}

void pool_backward(const PoolBackward& op, int threads) {
  const PoolShape& s = op.shape;
  const bool fast = is_2x2(s) && s.h % 2 == 0 && s.w % 2 == 0;
  with_dtype(op.dtype, "pool_backward", [&](auto element) {
    using T = decltype(element);
    with_rectifier(op.activation, [&](auto act) {
      const std::size_t rows = static_cast<std::size_t>(s.n) * (fast ? s.p() : s.h);
      parallel_for(threads, rows, static_cast<std::size_t>(s.w) * s.c, [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
          if (fast) {
            backward_row_2x2<T>(op, act, row);
          } else {
            backward_row<T>(op, act, row);
          }
        }
      });
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
