// Max and average pooling. Forward: a thread owns N channels of an output pixel. Backward: a thread owns N channels of
// an input pixel and gathers from the windows that hold it, so every element is written once and nothing is atomic;
// windows that tile the image need no search. Global average pooling sums with a whole block per image.
#include "kernels/api/pool.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

// Blocks are tiles of pixels x channels (reduce.h): threadIdx.y and blockIdx.x give the pixel.

/// The sizes of PoolShape, and the numbers of pixels that threads count.
struct PoolSizes {
  int h, w, c, p, q, r, s, stride_h, stride_w, pad_h, pad_w;
  unsigned pixels;  ///< of the tensor that threads share out, below 2^31
};

__device__ __forceinline__ unsigned tile_pixel() { return blockIdx.x * blockDim.y + threadIdx.y; }

/// Where a pixel lies in its image of rows x columns.
struct Pixel {
  __device__ __forceinline__ Pixel(unsigned pixel, int rows, int columns) {
    const unsigned line = pixel / static_cast<unsigned>(columns);
    column = static_cast<int>(pixel - line * static_cast<unsigned>(columns));
    image = line / static_cast<unsigned>(rows);
    row = static_cast<int>(line - image * static_cast<unsigned>(rows));
  }
  unsigned image;
  int row, column;
};

/// Element offset of N channels of a pixel of an [images,rows,columns,c] tensor.
__device__ __forceinline__ std::size_t offset_of(unsigned image, int row, int column, int rows, int columns, int c) {
  return ((static_cast<std::size_t>(image) * rows + row) * columns + column) * c;
}

/// The part of a window along one axis that lies inside the image: [begin, end), and where the window starts.
struct Window {
  __device__ __forceinline__ Window(int output, int stride, int pad, int size, int limit)
      : start(output * stride - pad), begin(start > 0 ? start : 0), end(limit - start < size ? limit : start + size) {}
  int start, begin, end;
};

struct PoolForwardParams {
  PoolSizes s;
  const void* x;
  void* y;
  std::uint8_t* argmax;  ///< or null
};

/// y[n,p,q,c] = the largest of its window (ties: the first, a NaN wins), argmax its place row * s + column, or the mean
/// of the pixels of the window that lie inside the image. Grid: pixels of y by slabs of channels. A warp reads
/// neighbouring channels, and x once where windows do not overlap (else from the caches). Overwrites.
template <typename T, int N, bool kMax>
__global__ void __launch_bounds__(kBlockThreads) pool_forward_window(const PoolForwardParams p) {
  const PoolSizes& s = p.s;
  const int c0 = tile_channel<N>();
  const unsigned pixel = tile_pixel();
  if (c0 >= s.c || pixel >= s.pixels) return;
  const Pixel at(pixel, s.p, s.q);
  const Window rows(at.row, s.stride_h, s.pad_h, s.r, s.h), columns(at.column, s.stride_w, s.pad_w, s.s, s.w);
  float value[N] = {};
  int place[N];
#pragma unroll
  for (int i = 0; i < N; ++i) place[i] = -1;
  for (int h = rows.begin; h < rows.end; ++h) {
    const T* x = static_cast<const T*>(p.x) + offset_of(at.image, h, columns.begin, s.h, s.w, s.c) + c0;
    for (int w = columns.begin; w < columns.end; ++w, x += s.c) {
      const Vec<T, N> loaded = load_vec<T, N>(x);
      const int here = (h - rows.start) * s.s + (w - columns.start);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float candidate = to_float(loaded.v[i]);
        if (kMax) {
          const bool takes = place[i] < 0 || candidate > value[i] || candidate != candidate;
          value[i] = takes ? candidate : value[i];
          place[i] = takes ? here : place[i];
        } else {
          value[i] += candidate;
        }
      }
    }
  }
  const float count = static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
  Vec<T, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = from_float<T>(kMax ? value[i] : value[i] / count);
  const std::size_t to = static_cast<std::size_t>(pixel) * s.c + c0;
  store_vec<T, N>(static_cast<T*>(p.y) + to, out);
  if (kMax && p.argmax != nullptr) {
    Vec<std::uint8_t, N> places;
#pragma unroll
    for (int i = 0; i < N; ++i) places.v[i] = static_cast<std::uint8_t>(place[i]);
    store_vec<std::uint8_t, N>(p.argmax + to, places);
  }
}

/// y[n,c] = mean of x[n,h,w,c] over all pixels. Grid: images by slabs of channels; the block's rows of threads
/// share out the pixels, kPixels loads at a time, and are added as a tree. Reads x once, 16 bytes an access.
template <typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) pool_forward_global(const PoolForwardParams p) {
  constexpr int kPixels = 4;
  TileSums<N>& shared = shared_memory<TileSums<N>>();
  const int c0 = tile_channel<N>(), height = static_cast<int>(blockDim.y), pixels = p.s.h * p.s.w;
  const std::size_t stride = static_cast<std::size_t>(p.s.c) * height;
  float sum[N] = {};
  if (c0 < p.s.c) {
    int pixel = static_cast<int>(threadIdx.y);
    const T* x = static_cast<const T*>(p.x) + (static_cast<std::size_t>(blockIdx.x) * pixels + pixel) * p.s.c + c0;
    for (; pixels - pixel > (kPixels - 1) * height; pixel += kPixels * height, x += kPixels * stride) {
      Vec<T, N> loaded[kPixels];
#pragma unroll
      for (int k = 0; k < kPixels; ++k) loaded[k] = load_vec<T, N>(x + k * stride);
#pragma unroll
      for (int k = 0; k < kPixels; ++k) {
#pragma unroll
        for (int i = 0; i < N; ++i) sum[i] += to_float(loaded[k].v[i]);
      }
    }
    for (; pixel < pixels; pixel += height, x += stride) {
      const Vec<T, N> loaded = load_vec<T, N>(x);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += to_float(loaded.v[i]);
    }
  }
  sum_tile_rows<N>(shared, sum);
  if (threadIdx.y != 0 || c0 >= p.s.c) return;
  Vec<T, N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = from_float<T>(sum[i] / static_cast<float>(pixels));
  store_vec<T, N>(static_cast<T*>(p.y) + static_cast<std::size_t>(blockIdx.x) * p.s.c + c0, out);
}

// -- backward -----------------------------------------------------------------------------------------------------
struct PoolBackwardParams {
  PoolSizes s;
  const void* d_y;
  const std::uint8_t* argmax;  ///< max only
  const void* mask;            ///< whose sign is the activation's: y (max) or x (average); null without an activation
  void* d_x;
  Rectifier activation;
  bool accumulate;
};

/// d_x (=|+=) gradient, N channels.
template <typename T, int N>
__device__ __forceinline__ void write_gradient(T* d_x, const float (&gradient)[N], bool accumulate) {
  Vec<T, N> out = {};
  if (accumulate) out = load_vec<T, N>(d_x);
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = from_float<T>(accumulate ? to_float(out.v[i]) + gradient[i] : gradient[i]);
  store_vec<T, N>(d_x, out);
}

/// Gradient of N channels of one output pixel, masked by the sign of y where there is an activation.
template <typename T, int N>
__device__ __forceinline__ void load_gradient(const PoolBackwardParams& p, std::size_t at, float (&gradient)[N]) {
  const Vec<T, N> d_y = load_vec<T, N>(static_cast<const T*>(p.d_y) + at);
#pragma unroll
  for (int i = 0; i < N; ++i) gradient[i] = to_float(d_y.v[i]);
  if (p.mask == nullptr) return;
  const Vec<T, N> y = load_vec<T, N>(static_cast<const T*>(p.mask) + at);
#pragma unroll
  for (int i = 0; i < N; ++i) gradient[i] = p.activation.backward(to_float(y.v[i]), gradient[i]);
}

/// d_x[n,h,w,c] (=|+=) the sum over the windows that hold the pixel: where argmax is this pixel's place in the window,
/// activation'(y) d_y; or activation'(x) * sum of d_y / (pixels of the window). Grid: pixels of d_x by slabs of
/// channels. d_x moves once; d_y, argmax and y are read by every pixel of their window, from the caches but once.
template <typename T, int N, bool kMax>
__global__ void __launch_bounds__(kBlockThreads) pool_backward_gather(const PoolBackwardParams p) {
  const PoolSizes& s = p.s;
  const int c0 = tile_channel<N>();
  const unsigned pixel = tile_pixel();
  if (c0 >= s.c || pixel >= s.pixels) return;
  const Pixel at(pixel, s.h, s.w);
  // Windows [first, last) along each axis hold the padded position: start <= position < start + size.
  const int top = at.row + s.pad_h, left = at.column + s.pad_w;
  const int p0 = top < s.r ? 0 : (top - s.r) / s.stride_h + 1, q0 = left < s.s ? 0 : (left - s.s) / s.stride_w + 1;
  const int p1 = min(top / s.stride_h + 1, s.p), q1 = min(left / s.stride_w + 1, s.q);
  float sum[N] = {};
  for (int row = p0; row < p1; ++row) {
#pragma unroll 1  // few windows overlap: unrolling would cost registers only
    for (int column = q0; column < q1; ++column) {
      const std::size_t from = offset_of(at.image, row, column, s.p, s.q, s.c) + c0;
      const Window rows(row, s.stride_h, s.pad_h, s.r, s.h), columns(column, s.stride_w, s.pad_w, s.s, s.w);
      if (kMax) {
        const Vec<std::uint8_t, N> places = load_vec<std::uint8_t, N>(p.argmax + from);
        const int here = (at.row - rows.start) * s.s + (at.column - columns.start);
        float gradient[N];
        load_gradient<T, N>(p, from, gradient);
#pragma unroll
        for (int i = 0; i < N; ++i) sum[i] += places.v[i] == here ? gradient[i] : 0.0f;
      } else {
        const Vec<T, N> d_y = load_vec<T, N>(static_cast<const T*>(p.d_y) + from);
        const float share = 1.0f / static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
#pragma unroll
        for (int i = 0; i < N; ++i) sum[i] += to_float(d_y.v[i]) * share;
      }
    }
  }
  const std::size_t to = static_cast<std::size_t>(pixel) * s.c + c0;
  if (!kMax && p.mask != nullptr) {
    const Vec<T, N> x = load_vec<T, N>(static_cast<const T*>(p.mask) + to);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] = p.activation.backward(to_float(x.v[i]), sum[i]);
  }
  write_gradient<T, N>(static_cast<T*>(p.d_x) + to, sum, p.accumulate);
}

/// The same for a maximum over windows that tile the image (stride = window, no padding): a thread owns a window, reads
/// d_y, argmax and y once and writes the whole window. Pixels right of and below the last whole window belong to
/// windows that have no output, and get zero. Grid: ceil(h / r) x ceil(w / s) windows an image by slabs of channels.
template <typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) pool_backward_tiled(const PoolBackwardParams p) {
  const PoolSizes& s = p.s;
  const int c0 = tile_channel<N>();
  const unsigned window = tile_pixel();
  if (c0 >= s.c || window >= s.pixels) return;
  const Pixel at(window, (s.h + s.r - 1) / s.r, (s.w + s.s - 1) / s.s);
  const bool whole = at.row < s.p && at.column < s.q;
  float gradient[N] = {};
  Vec<std::uint8_t, N> places = {};
  if (whole) {
    const std::size_t from = offset_of(at.image, at.row, at.column, s.p, s.q, s.c) + c0;
    places = load_vec<std::uint8_t, N>(p.argmax + from);
    load_gradient<T, N>(p, from, gradient);
  } else if (p.accumulate) {
    return;
  }
  const int h0 = at.row * s.r, w0 = at.column * s.s, rows = min(s.r, s.h - h0), columns = min(s.s, s.w - w0);
  for (int row = 0; row < rows; ++row) {
    T* d_x = static_cast<T*>(p.d_x) + offset_of(at.image, h0 + row, w0, s.h, s.w, s.c) + c0;
    for (int column = 0; column < columns; ++column, d_x += s.c) {
      const int here = row * s.s + column;
      float routed[N];
#pragma unroll
      for (int i = 0; i < N; ++i) routed[i] = places.v[i] == here ? gradient[i] : 0.0f;
      write_gradient<T, N>(d_x, routed, p.accumulate);
    }
  }
}

#ifndef __CUDACC_RTC__
namespace {

/// pixels: of the tensor that threads share out. Throws Error from 2^31 on: threads count pixels in 32 bits.
PoolSizes sizes_of(const PoolShape& s, const char* op, std::size_t pixels) {
  if (pixels >> 31 != 0) {
    throw Error(std::string(op) + ": " + std::to_string(pixels) + " pixels, expected fewer than 2147483648");
  }
  return {s.h, s.w,        s.c,        s.p(),   s.q(),   s.r,
          s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w, static_cast<unsigned>(pixels)};
}

dim3 pixel_grid(unsigned pixels, const ChannelTile& tile) {
  return dim3((pixels + tile.height - 1) / tile.height, tile.slabs);
}

std::size_t count(int a, int b, int c) { return static_cast<std::size_t>(a) * b * c; }

template <typename T, int N>
void forward(Runtime& runtime, const PoolForward& op) {
  const PoolShape& s = op.shape;
  const ChannelTile tile = channel_tile(s.c, N);
  const PoolForwardParams params{sizes_of(s, "pool_forward", count(s.n, s.p(), s.q())), op.x, op.y, op.argmax};
  const dim3 grid = pixel_grid(params.s.pixels, tile);
  if (s.kind == PoolKind::max) {
    runtime.launch("pool_forward", &pool_forward_window<T, N, true>, grid, tile.block(), params);
  } else if (s.p() == 1 && s.q() == 1 && s.r == s.h && s.s == s.w) {
    runtime.launch("pool_forward (global average)", &pool_forward_global<T, N>,
                   dim3(static_cast<unsigned>(s.n), tile.slabs), tile.block(), params);
  } else {
    runtime.launch("pool_forward", &pool_forward_window<T, N, false>, grid, tile.block(), params);
  }
}

template <typename T, int N>
void backward(Runtime& runtime, const PoolBackward& op) {
  const PoolShape& s = op.shape;
  const ChannelTile tile = channel_tile(s.c, N);
  const bool max = s.kind == PoolKind::max;
  const void* mask = op.activation.kind == ActivationKind::none ? nullptr : max ? op.y : op.x;
  PoolBackwardParams params{sizes_of(s, "pool_backward", count(s.n, s.h, s.w)),
                            op.d_y,
                            op.argmax,
                            mask,
                            op.d_x,
                            Rectifier(op.activation),
                            op.write == Write::accumulate};
  if (max && s.stride_h == s.r && s.stride_w == s.s && s.pad_h == 0 && s.pad_w == 0) {
    params.s.pixels = static_cast<unsigned>(count(s.n, (s.h + s.r - 1) / s.r, (s.w + s.s - 1) / s.s));
    runtime.launch("pool_backward (tiled)", &pool_backward_tiled<T, N>, pixel_grid(params.s.pixels, tile), tile.block(),
                   params);
    return;
  }
  runtime.launch("pool_backward", max ? &pool_backward_gather<T, N, true> : &pool_backward_gather<T, N, false>,
                 pixel_grid(params.s.pixels, tile), tile.block(), params);
}

/// Whether c channels go in vectors of 16 bytes.
template <typename T>
bool vectorises(int c, bool is_aligned) {
  return is_aligned && c % vector_width<T>() == 0;
}

template <typename T>
void pick_forward(Runtime& runtime, const PoolForward& op) {
  const bool is_aligned = aligned(16, op.x, op.y) && aligned(vector_width<T>(), op.argmax);
  (vectorises<T>(op.shape.c, is_aligned) ? forward<T, vector_width<T>()> : forward<T, 1>)(runtime, op);
}

template <typename T>
void pick_backward(Runtime& runtime, const PoolBackward& op) {
  const bool is_aligned = aligned(16, op.d_y, op.y, op.x, op.d_x) && aligned(vector_width<T>(), op.argmax);
  (vectorises<T>(op.shape.c, is_aligned) ? backward<T, vector_width<T>()> : backward<T, 1>)(runtime, op);
}

}  // namespace

void pool_forward(Runtime& runtime, const PoolForward& op) {
  (op.dtype == DType::f16 ? pick_forward<__half> : pick_forward<float>)(runtime, op);
}
void pool_backward(Runtime& runtime, const PoolBackward& op) {
  (op.dtype == DType::f16 ? pick_backward<__half> : pick_backward<float>)(runtime, op);
}

#else
#define TSUGI_INSTANCE(T, N)                                                            \
  template __global__ void pool_forward_window<T, N, true>(const PoolForwardParams);    \
  template __global__ void pool_forward_window<T, N, false>(const PoolForwardParams);   \
  template __global__ void pool_forward_global<T, N>(const PoolForwardParams);          \
  template __global__ void pool_backward_gather<T, N, true>(const PoolBackwardParams);  \
  template __global__ void pool_backward_gather<T, N, false>(const PoolBackwardParams); \
  template __global__ void pool_backward_tiled<T, N>(const PoolBackwardParams);
TSUGI_INSTANCE(float, 4)
TSUGI_INSTANCE(float, 1)
TSUGI_INSTANCE(__half, 8)
TSUGI_INSTANCE(__half, 1)
#undef TSUGI_INSTANCE
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
