// conv2d forward and backward-data where every group has one input channel (groups == c; multiplier = k / c filters a
// channel). Bound by memory: per result 2 r s operations against two values moved. Square filters of 3 and 5 with
// stride 1 or 2 are compiled in (MobileNet's), others take the generic kernels.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/depthwise.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/depthwise_launch.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename T>
struct DepthwiseForwardParams {
  const T* x;
  const T* w;
  const float* bias;
  T* y;
  DepthwiseGrid grid;
  int h, w_columns, p, q, pad_h, pad_w;
  int channels, filters, multiplier;
  int r, s, stride_h, stride_w;  ///< for the generic kernel
  Rectifier activation;
};

template <typename T, int V>
__device__ __forceinline__ void store_forward(const DepthwiseForwardParams<T>& p, unsigned pixel, int filter,
                                              const float (&sums)[V]) {
  Vec<T, V> y;
#pragma unroll
  for (int e = 0; e < V; ++e) {
    const float bias = p.bias != nullptr ? p.bias[filter + e] : 0.0f;
    y.v[e] = from_float<T>(p.activation.forward(sums[e] + bias));
  }
  store_vec<T, V>(p.y + (pixel * static_cast<unsigned>(p.filters) + static_cast<unsigned>(filter)), y);
}

/// y[n,p,q,k] = activation(sum over r,s of x[n, p stride - pad + r, q stride - pad + s, k / multiplier] w[k,r,s] +
/// bias). A block owns kN filters of neighbouring patches of pixels, a thread V filters of a patch of kRows x kColumns
/// pixels, whose inputs it keeps in registers while every filter row that meets them is applied. Neighbouring threads
/// move neighbouring vectors of 16 bytes (8 in f16), eight a pixel; overlaps of patches come from the read-only cache.
/// y is written once. Filters pass through shared memory, 4 taps (kN + 4) bytes. V = 4: multiplier 1, filters a
/// multiple of 4, x and y aligned to four elements. V = 1: anything. Overwrites y.
template <typename T, typename Tile, typename Filter, int V>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_depthwise_kernel(const DepthwiseForwardParams<T> p) {
  constexpr int kSize = Filter::kSize, kStride = Filter::kStride, kRows = Tile::kRows, kColumns = Tile::kColumns;
  DepthwiseWeights<Tile, Filter>& shared = shared_memory<DepthwiseWeights<Tile, Filter>>();
  const DepthwisePlace<Tile, V> place(p.grid, p.filters);
  stage_weights<Tile, Filter>(shared, p.w, place.slab, 1, 0, p.filters);
  __syncthreads();
  if (!place.active) return;

  const int row = place.row * kRows, column = place.column * kColumns;
  const int h = row * kStride - p.pad_h, w = column * kStride - p.pad_w;
  const unsigned pitch_w = static_cast<unsigned>(p.channels), pitch_h = pitch_w * static_cast<unsigned>(p.w_columns);
  const unsigned offset = static_cast<unsigned>(place.image * p.h + h) * pitch_h + static_cast<unsigned>(w) * pitch_w +
                          static_cast<unsigned>(V == 1 ? place.channel / p.multiplier : place.channel);
  float sums[kRows][kColumns][V] = {};
#pragma unroll
  for (int i = 0; i < (kRows - 1) * kStride + kSize; ++i) {
    const unsigned line = offset + static_cast<unsigned>(i) * pitch_h;
    if (static_cast<unsigned>(h + i) >= static_cast<unsigned>(p.h)) continue;
    float x[(kColumns - 1) * kStride + kSize][V];
    load_pixels(p.x, line, pitch_w, w, p.w_columns, x);
#pragma unroll
    for (int a = 0; a < kRows; ++a) {
      const int r = i - a * kStride;  // the filter row that this input row meets for output row a
      if (r < 0 || r >= kSize) continue;
#pragma unroll
      for (int s = 0; s < kSize; ++s) {
        const Vec<float, V> weight = load_vec<float, V>(&shared.v[r * kSize + s][place.lane]);
#pragma unroll
        for (int b = 0; b < kColumns; ++b) multiply_add<V>(sums[a][b], x[b * kStride + s], weight);
      }
    }
  }
#pragma unroll
  for (int a = 0; a < kRows; ++a) {
#pragma unroll
    for (int b = 0; b < kColumns; ++b) {
      if (row + a < p.p && column + b < p.q)
        store_forward<T, V>(p, static_cast<unsigned>((place.image * p.p + row + a) * p.q + column + b), place.channel,
                            sums[a][b]);
    }
  }
}

/// As above for any filter and stride: a thread owns V filters of one pixel, weights come through the cache.
template <typename T, typename Tile, int V>
__global__ void __launch_bounds__(Tile::kThreads) conv2d_forward_depthwise_kernel(const DepthwiseForwardParams<T> p) {
  const DepthwisePlace<Tile, V> place(p.grid, p.filters);
  if (!place.active) return;
  const int channel = V == 1 ? place.channel / p.multiplier : place.channel, taps = p.r * p.s;
  float sums[V] = {};
  for (int r = 0; r < p.r; ++r) {
    const int h = place.row * p.stride_h - p.pad_h + r;
    if (static_cast<unsigned>(h) >= static_cast<unsigned>(p.h)) continue;
    for (int s = 0; s < p.s; ++s) {
      const int w = place.column * p.stride_w - p.pad_w + s;
      if (static_cast<unsigned>(w) >= static_cast<unsigned>(p.w_columns)) continue;
      const unsigned pixel = static_cast<unsigned>((place.image * p.h + h) * p.w_columns + w);
      const Vec<T, V> x =
          load_read_only<T, V>(p.x + (pixel * static_cast<unsigned>(p.channels) + static_cast<unsigned>(channel)));
#pragma unroll
      for (int e = 0; e < V; ++e) sums[e] += to_float(x.v[e]) * to_float(p.w[(place.channel + e) * taps + r * p.s + s]);
    }
  }
  store_forward<T, V>(p, static_cast<unsigned>((place.image * p.p + place.row) * p.q + place.column), place.channel,
                      sums);
}

template <typename T>
struct DepthwiseBackwardDataParams {
  const T* d_y;
  const T* w;
  const T* x;  ///< the activation's output, or null
  T* d_x;
  DepthwiseGrid grid;
  int h, w_columns, p, q, pad_h, pad_w;
  int first_h, first_w;  ///< of the first patch: -(pad % stride)
  int channels, filters, multiplier;
  int r, s, stride_h, stride_w;  ///< for the generic kernel
  Rectifier activation;
  bool accumulate;
};

template <typename T, int V>
__device__ __forceinline__ void store_backward(const DepthwiseBackwardDataParams<T>& p, unsigned pixel, int channel,
                                               float (&sums)[V]) {
  const unsigned offset = pixel * static_cast<unsigned>(p.channels) + static_cast<unsigned>(channel);
  if (p.accumulate) {
    const Vec<T, V> old = load_vec<T, V>(p.d_x + offset);
#pragma unroll
    for (int e = 0; e < V; ++e) sums[e] += to_float(old.v[e]);
  }
  if (p.x != nullptr) {
    const Vec<T, V> x = load_vec<T, V>(p.x + offset);
#pragma unroll
    for (int e = 0; e < V; ++e) sums[e] = p.activation.backward(to_float(x.v[e]), sums[e]);
  }
  Vec<T, V> d_x;
#pragma unroll
  for (int e = 0; e < V; ++e) d_x.v[e] = from_float<T>(sums[e]);
  store_vec<T, V>(p.d_x + offset, d_x);
}

/// d_x[n,h,w,c] = activation'(x) * (sum over the channel's filters k and over r,s with h + pad - r = p stride,
/// w + pad - s = q stride of d_y[n,p,q,k] w[k,r,s] [+ d_x]).
/// A block owns kN channels of neighbouring patches, a thread V channels of kRows x kColumns pixels. Patches begin
/// where h + pad is a multiple of the stride, so which filter row meets which row of d_y is known when compiling, and
/// no multiplication is spent on the gaps of a stride. Memory, shared memory and V as in the forward kernel; one pass
/// over d_y for each filter of a channel. Overwrites d_x or adds to it.
template <typename T, typename Tile, typename Filter, int V>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_backward_data_depthwise_kernel(const DepthwiseBackwardDataParams<T> p) {
  constexpr int kSize = Filter::kSize, kStride = Filter::kStride, kRows = Tile::kRows, kColumns = Tile::kColumns;
  constexpr int kBefore = (kSize - 1) / kStride;  // rows of d_y that end before the patch's first row and reach into it
  static_assert(kRows % kStride == 0 && kColumns % kStride == 0, "patches must begin at a multiple of the stride");
  DepthwiseWeights<Tile, Filter>& shared = shared_memory<DepthwiseWeights<Tile, Filter>>();
  const DepthwisePlace<Tile, V> place(p.grid, p.channels);
  const int h = p.first_h + place.row * kRows, w = p.first_w + place.column * kColumns;
  const int first_p = (h + p.pad_h) / kStride - kBefore, first_q = (w + p.pad_w) / kStride - kBefore;
  const unsigned pitch_w = static_cast<unsigned>(p.filters), pitch_h = pitch_w * static_cast<unsigned>(p.q);

  const int multiplier = V == 1 ? p.multiplier : 1;

  float sums[kRows][kColumns][V] = {};
  for (int filter = 0; filter < multiplier; ++filter) {
    if (filter > 0) __syncthreads();  // the last filter's weights have been read
    stage_weights<Tile, Filter>(shared, p.w, place.slab, multiplier, filter, p.filters);
    __syncthreads();
    if (!place.active) continue;
    const unsigned offset = static_cast<unsigned>(place.image * p.p + first_p) * pitch_h +
                            static_cast<unsigned>(first_q) * pitch_w +
                            static_cast<unsigned>(place.channel * multiplier + filter);
#pragma unroll
    for (int i = 0; i <= kBefore + (kRows - 1) / kStride; ++i) {
      const unsigned line = offset + static_cast<unsigned>(i) * pitch_h;
      if (static_cast<unsigned>(first_p + i) >= static_cast<unsigned>(p.p)) continue;
      float d_y[kBefore + (kColumns - 1) / kStride + 1][V];
      load_pixels(p.d_y, line, pitch_w, first_q, p.q, d_y);
#pragma unroll
      for (int a = 0; a < kRows; ++a) {
        const int r = a - (i - kBefore) * kStride;
        if (r < 0 || r >= kSize) continue;
#pragma unroll
        for (int s = 0; s < kSize; ++s) {
          const Vec<float, V> weight = load_vec<float, V>(&shared.v[r * kSize + s][place.lane]);
#pragma unroll
          for (int b = 0; b < kColumns; ++b) {
            const int j = b - s + kBefore * kStride;  // column of d_y, in steps of 1 / stride
            if (j % kStride == 0) multiply_add<V>(sums[a][b], d_y[j / kStride], weight);
          }
        }
      }
    }
  }
  if (!place.active) return;
#pragma unroll
  for (int a = 0; a < kRows; ++a) {
#pragma unroll
    for (int b = 0; b < kColumns; ++b) {
      if (static_cast<unsigned>(h + a) < static_cast<unsigned>(p.h) &&
          static_cast<unsigned>(w + b) < static_cast<unsigned>(p.w_columns))
        store_backward<T, V>(p, static_cast<unsigned>((place.image * p.h + h + a) * p.w_columns + w + b), place.channel,
                             sums[a][b]);
    }
  }
}

/// As above for any filter and stride: a thread owns V channels of one pixel, weights come through the cache.
template <typename T, typename Tile, int V>
__global__ void __launch_bounds__(Tile::kThreads)
    conv2d_backward_data_depthwise_kernel(const DepthwiseBackwardDataParams<T> p) {
  const DepthwisePlace<Tile, V> place(p.grid, p.channels);
  if (!place.active) return;
  const int taps = p.r * p.s;
  float sums[V] = {};
  for (int r = 0; r < p.r; ++r) {
    const int h = place.row + p.pad_h - r, row = h / p.stride_h;
    if (h < 0 || row * p.stride_h != h || row >= p.p) continue;
    for (int s = 0; s < p.s; ++s) {
      const int w = place.column + p.pad_w - s, column = w / p.stride_w;
      if (w < 0 || column * p.stride_w != w || column >= p.q) continue;
      const unsigned pixel = static_cast<unsigned>((place.image * p.p + row) * p.q + column);
      for (int filter = 0; filter < p.multiplier; ++filter) {
        const int k = place.channel * (V == 1 ? p.multiplier : 1) + filter;
        const Vec<T, V> d_y =
            load_read_only<T, V>(p.d_y + (pixel * static_cast<unsigned>(p.filters) + static_cast<unsigned>(k)));
#pragma unroll
        for (int e = 0; e < V; ++e) sums[e] += to_float(d_y.v[e]) * to_float(p.w[(k + e) * taps + r * p.s + s]);
      }
    }
  }
  store_backward<T, V>(p, static_cast<unsigned>((place.image * p.h + place.row) * p.w_columns + place.column),
                       place.channel, sums);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T, typename Tile, int V>
struct ForwardKernels {
  using Pointer = void (*)(DepthwiseForwardParams<T>);
  template <typename Filter>
  static Pointer fixed() {
    return &conv2d_forward_depthwise_kernel<T, Tile, Filter, V>;
  }
  static Pointer any() { return &conv2d_forward_depthwise_kernel<T, Tile, V>; }
};

template <typename T, typename Tile, int V>
struct BackwardDataKernels {
  using Pointer = void (*)(DepthwiseBackwardDataParams<T>);
  template <typename Filter>
  static Pointer fixed() {
    return &conv2d_backward_data_depthwise_kernel<T, Tile, Filter, V>;
  }
  static Pointer any() { return &conv2d_backward_data_depthwise_kernel<T, Tile, V>; }
};

template <typename T, typename Tile>
struct ForwardDepthwise : DepthwisePass<Conv2dForward, T, Tile> {
  static void launch(Runtime& runtime, const Conv2dForward& op) {
    const Conv2dShape& s = op.shape;
    DepthwiseForwardParams<T> p;
    set_shape(p, s);
    p.x = static_cast<const T*>(op.x);
    p.w = static_cast<const T*>(op.w);
    p.bias = op.bias;
    p.y = static_cast<T*>(op.y);
    p.activation = Rectifier(op.activation);
    const bool fixed = is_fixed(s), wide = ForwardDepthwise::wide(s, op.x, op.y, nullptr);
    p.grid = depthwise_grid<Tile>(s.k, s.n, s.p(), s.q(), fixed);
    runtime.launch("conv2d_forward",
                   wide ? pick<ForwardKernels<T, Tile, Tile::kThreadN>>(s) : pick<ForwardKernels<T, Tile, 1>>(s),
                   depthwise_blocks<Tile>(p.grid, wide), dim3(Tile::kThreads), p);
  }
};

template <typename T, typename Tile>
struct BackwardDataDepthwise : DepthwisePass<Conv2dBackwardData, T, Tile> {
  static void launch(Runtime& runtime, const Conv2dBackwardData& op) {
    const Conv2dShape& s = op.shape;
    DepthwiseBackwardDataParams<T> p;
    set_shape(p, s);
    p.d_y = static_cast<const T*>(op.d_y);
    p.w = static_cast<const T*>(op.w);
    p.x = op.activation.kind == ActivationKind::none ? nullptr : static_cast<const T*>(op.saved);
    p.d_x = static_cast<T*>(op.d_x);
    p.activation = Rectifier(op.activation);
    p.accumulate = op.write == Write::accumulate;
    const bool fixed = is_fixed(s), wide = BackwardDataDepthwise::wide(s, op.d_y, op.d_x, p.x);
    p.first_h = fixed ? -(s.pad_h % s.stride_h) : 0;
    p.first_w = fixed ? -(s.pad_w % s.stride_w) : 0;
    p.grid = depthwise_grid<Tile>(s.c, s.n, s.h - p.first_h, s.w - p.first_w, fixed);
    runtime.launch(
        "conv2d_backward_data",
        wide ? pick<BackwardDataKernels<T, Tile, Tile::kThreadN>>(s) : pick<BackwardDataKernels<T, Tile, 1>>(s),
        depthwise_blocks<Tile>(p.grid, wide), dim3(Tile::kThreads), p);
  }
};

}  // namespace

std::vector<Kernel> conv2d_forward_depthwise() {
  return {TSUGI_CONV2D_DEPTHWISE_ROWS(TSUGI_KERNEL, ForwardDepthwise, DepthwiseTile, "depthwise")};
}
std::vector<Kernel> conv2d_backward_data_depthwise() {
  return {TSUGI_CONV2D_DEPTHWISE_ROWS(TSUGI_KERNEL, BackwardDataDepthwise, DepthwiseTile, "depthwise")};
}

#else
TSUGI_CONV2D_DEPTHWISE_ROWS(TSUGI_DEPTHWISE_ROW, conv2d_forward_depthwise_kernel, DepthwiseForwardParams)
TSUGI_CONV2D_DEPTHWISE_ROWS(TSUGI_DEPTHWISE_ROW, conv2d_backward_data_depthwise_kernel, DepthwiseBackwardDataParams)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
