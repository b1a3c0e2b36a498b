// conv2d forward for few input channels (c <= 4): first layers, where a GEMM would spend its time on finding the taps.
// Whole patches of the input and rows of the filters lie in shared memory. 3x3 of stride 1 and 2 and 7x7 of stride 2 on
// three channels are compiled in.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/direct.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/split_reduce.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// A registry row's tile as types: kRows x kColumns output pixels x N filters; a thread has eight neighbouring pixels
/// of a row x eight filters.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct DirectTile {
  static constexpr int kColumns = 16, kRows = M / kColumns, kN = N;
  static constexpr int kThreadM = ThreadM, kThreadN = ThreadN;
  static constexpr int kThreadsN = N / ThreadN, kThreads = (M / ThreadM) * kThreadsN;
  static constexpr int kMinBlocks = 512 / kThreads;  ///< holds a thread to 128 registers
  static_assert(ThreadM == 8 && ThreadN == 8, "the kernel's registers are laid out for 8 x 8");
  static_assert(M % kColumns == 0 && kThreads % 32 == 0 && kThreads >= 64 && kThreads <= 512, "threads must tile");
};

/// Shared memory of a tile. x: channels, rows, columns of the patch. w: terms of some filter rows in the tensor's order
/// (r,s,c), filters last; the padding spreads the transposing stores over the banks.
template <typename Tile, typename Filter>
struct alignas(16) DirectShared {
  static constexpr int kTermFloats = Filter::kSize * Filter::kChannels * (Tile::kN + 4);  ///< of one filter row
  static constexpr int kFit = 2048 / kTermFloats < 1 ? 1 : 2048 / kTermFloats;
  static constexpr int kFilterRows = kFit < Filter::kSize ? kFit : Filter::kSize;  ///< that are staged at once
  static constexpr int kTerms =
      Filter::kFixed ? kFilterRows * Filter::kSize * Filter::kChannels : 2048 / (Tile::kN + 4);
  static constexpr int kPitch = ((Tile::kColumns - 1) * Filter::kStride + Filter::kSize + 3) / 4 * 4;
  static constexpr int kPatch =
      Filter::kFixed ? Filter::kChannels * ((Tile::kRows - 1) * Filter::kStride + Filter::kSize) * kPitch : 4096;
  float x[kPatch];
  float w[kTerms][Tile::kN + 4];
};

template <typename T>
struct DirectForwardParams {
  const T* x;
  const T* w;
  const float* bias;
  T* y;
  DirectSizes sizes;
  int tile_rows, tile_columns, slabs;  ///< tiles over an image, slabs of filters
  int h, w_columns, p, q, pad_h, pad_w;
  int filters;
  Rectifier activation;
  bool wide;  ///< four neighbouring filters can be stored at once
};

/// Brings the patch of input whose first pixel is (h, w) to shared memory, zeros outside of the image. Neighbouring
/// threads read neighbouring elements of a row, and a thread stays with its column and channel.
template <int Threads, int Lanes, typename T>
__device__ __forceinline__ void stage_patch(float* shared, int pitch, const DirectSizes& sizes, const T* x, int image,
                                            int h, int w, int rows, int columns) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % Lanes;
  for (int e = lane; e < sizes.patch_columns * sizes.c; e += Lanes) {
    const int column = e / sizes.c, channel = e - column * sizes.c;
    const bool exists = static_cast<unsigned>(w + column) < static_cast<unsigned>(columns);
    const unsigned line = static_cast<unsigned>(columns * sizes.c);
    const unsigned offset =
        static_cast<unsigned>(image * rows + h) * line + static_cast<unsigned>((w + column) * sizes.c + channel);
    float* to = shared + channel * sizes.patch_rows * pitch + column;
#pragma unroll
    for (int row = thread / Lanes; row < sizes.patch_rows; row += Threads / Lanes) {
      float value = 0.0f;
      if (exists && static_cast<unsigned>(h + row) < static_cast<unsigned>(rows))
        value = to_float(load_read_only<T, 1>(x + (offset + static_cast<unsigned>(row) * line)).v[0]);
      to[row * pitch] = value;
    }
  }
}

/// Brings terms first .. first + count of the filters `filter` .. to shared memory, zeros beyond the last filter.
template <typename Tile, typename T>
__device__ __forceinline__ void stage_filters(float (*shared)[Tile::kN + 4], const T* w, int filter, int filters,
                                              int terms, int first, int count) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int f = thread / 8; f < Tile::kN; f += Tile::kThreads / 8) {
    const T* from = w + static_cast<unsigned>((filter + f) * terms + first);
    for (int term = thread % 8; term < count; term += 8)
      shared[term][f] = filter + f < filters ? to_float(from[term]) : 0.0f;
  }
}

/// sums += x w for a thread's eight pixels and one term.
__device__ __forceinline__ void multiply_term(float (&sums)[8][8], const float* w, int second_half,
                                              const float (&x)[8]) {
  const Vec<float, 4> low = load_vec<float, 4>(w), high = load_vec<float, 4>(w + second_half);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums[i][j] += x[i] * low.v[j];
      sums[i][4 + j] += x[i] * high.v[j];
    }
  }
}

/// One filter row of one channel, both known when compiling: the inputs of all taps stay in registers.
template <typename Tile, typename Filter>
__device__ __forceinline__ void multiply_row(float (&sums)[8][8], const float* x, const float* w) {
  constexpr int kValues = (7 * Filter::kStride + Filter::kSize + 3) / 4 * 4;
  float row[kValues];
#pragma unroll
  for (int i = 0; i < kValues; i += 4) {
    const Vec<float, 4> four = load_vec<float, 4>(x + i);
#pragma unroll
    for (int e = 0; e < 4; ++e) row[i + e] = four.v[e];
  }
#pragma unroll
  for (int s = 0; s < Filter::kSize; ++s) {
    float pixels[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) pixels[i] = row[i * Filter::kStride + s];
    multiply_term(sums, w + s * Filter::kChannels * (Tile::kN + 4), Tile::kN / 2, pixels);
  }
}

/// y[n,p,q,k] = activation(sum over r,s,c of x[n, p stride - pad + r, q stride - pad + s, c] w[k,r,s,c] + bias[k]), c
/// <= 4. A block owns kRows x kColumns output pixels of an image x kN filters, a thread 8 pixels of a row x 8 filters.
/// It reads its patch of x once, whole lines by neighbouring threads, and its filters in rows of taps as far as they
/// fit; four threads then store 64 neighbouring bytes of y (32 in f16) of each pixel, twice. Per filter row and channel
/// a thread loads (7 stride + s) / 4 + 2 s words of 128 bits for 64 s multiply-adds. Limits: c = 3 and the filter
/// compiled in, or patch and one filter row within shared memory (at most 25 KB). Overwrites y.
template <typename T, typename Tile, typename Filter>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kMinBlocks)
    conv2d_forward_direct_kernel(const DirectForwardParams<T> p) {
  using Shared = DirectShared<Tile, Filter>;
  Shared& shared = shared_memory<Shared>();
  const DirectSizes sizes = direct_sizes<Filter, Tile::kRows, Tile::kColumns>(p.sizes);
  constexpr int kPitch = Shared::kPitch;
  const int pitch = Filter::kFixed ? kPitch : sizes.patch_columns;
  const int filter_rows = Filter::kFixed ? Shared::kFilterRows : Shared::kTerms / (sizes.s * sizes.c);
  const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
  const int tile = block / p.slabs, filter = (block - tile * p.slabs) * Tile::kN;
  const int tile_line = tile / p.tile_columns, image = tile_line / p.tile_rows;
  const int row = (tile_line - image * p.tile_rows) * Tile::kRows;
  const int column = (tile - tile_line * p.tile_columns) * Tile::kColumns;
  const int thread_n = thread % Tile::kThreadsN * 4, thread_m = thread / Tile::kThreadsN;
  const int thread_row = thread_m / 2, thread_column = thread_m % 2 * 8;

  constexpr int kLanes = Filter::kFixed && (15 * Filter::kStride + Filter::kSize) * 3 <= Tile::kThreads / 2
                             ? Tile::kThreads / 2
                             : Tile::kThreads;
  stage_patch<Tile::kThreads, kLanes>(shared.x, pitch, sizes, p.x, image, row * sizes.stride_h - p.pad_h,
                                      column * sizes.stride_w - p.pad_w, p.h, p.w_columns);
  float sums[8][8] = {};
  for (int first = 0; first < sizes.r; first += filter_rows) {
    const int count = first + filter_rows < sizes.r ? filter_rows : sizes.r - first, width = sizes.s * sizes.c;
    if (first > 0) __syncthreads();  // the last rows of the filters have been read
    stage_filters<Tile>(shared.w, p.w, filter, p.filters, sizes.r * width, first * width, count * width);
    __syncthreads();
#pragma unroll 1
    for (int r = 0; r < count; ++r) {
      const float* x = &shared.x[(thread_row * sizes.stride_h + first + r) * pitch + thread_column * sizes.stride_w];
      const float(*w)[Tile::kN + 4] = &shared.w[r * width];
      if (Filter::kFixed) {
#pragma unroll 1
        for (int c = 0; c < sizes.c; ++c)
          multiply_row<Tile, Filter>(sums, x + c * sizes.patch_rows * pitch, &w[c][thread_n]);
      } else {
#pragma unroll 1
        for (int s = 0; s < sizes.s; ++s) {
#pragma unroll 1
          for (int c = 0; c < sizes.c; ++c, ++w) {
            const float* from = x + c * sizes.patch_rows * pitch + s;
            float pixels[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) pixels[i] = from[i * sizes.stride_w];
            multiply_term(sums, &(*w)[thread_n], Tile::kN / 2, pixels);
          }
        }
      }
    }
  }
  if (row + thread_row >= p.p) return;
#pragma unroll
  for (int piece = 0; piece < 2; ++piece) {
    const int k = filter + thread_n + piece * (Tile::kN / 2), left = p.filters - k;
    if (left <= 0) continue;
    float bias[4] = {};
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (p.bias != nullptr && e < left) bias[e] = p.bias[k + e];
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int q = column + thread_column + i;
      if (q >= p.q) continue;
      Vec<float, 4> y;
#pragma unroll
      for (int e = 0; e < 4; ++e) y.v[e] = p.activation.forward(sums[i][piece * 4 + e] + bias[e]);
      const unsigned pixel = static_cast<unsigned>((image * p.p + row + thread_row) * p.q + q);
      store_neighbours<T>(p.y + (pixel * static_cast<unsigned>(p.filters) + static_cast<unsigned>(k)), y, left, p.wide);
    }
  }
}

#ifndef __CUDACC_RTC__
namespace {

template <typename Tile>
DirectSizes sizes_of(const Conv2dShape& s) {
  return {s.r,
          s.s,
          s.c,
          s.stride_h,
          s.stride_w,
          (Tile::kRows - 1) * s.stride_h + s.r,
          (Tile::kColumns - 1) * s.stride_w + s.s};
}

/// Size of a filter that is compiled in, or 0.
int fixed_size(const Conv2dShape& s) {
  const bool square = s.c == 3 && s.r == s.s && s.stride_h == s.stride_w;
  return square && ((s.r == 3 && s.stride_h <= 2) || (s.r == 7 && s.stride_h == 2)) ? s.r : 0;
}

template <typename T, typename Tile>
struct ForwardDirect : Pass<Conv2dForward> {
  static bool covers(const Conv2dShape& s) {
    if (s.c > 4 || s.groups != 1 || !fits_gemm_offsets(s)) return false;
    if (fixed_size(s) != 0) return true;
    using Shared = DirectShared<Tile, DirectAnyFilter>;
    const DirectSizes sizes = sizes_of<Tile>(s);
    const auto at = [](int value) { return static_cast<std::size_t>(value); };
    return at(sizes.patch_rows) * at(sizes.patch_columns) * at(s.c) <= Shared::kPatch &&
           at(s.s) * at(s.c) <= Shared::kTerms;
  }

  static std::string instance(const Conv2dShape& s) {
    if (fixed_size(s) == 0) return "DirectAnyFilter";
    return "DirectFilter(" + std::to_string(s.r) + ", " + std::to_string(s.stride_h) + ")";
  }

  static void launch(Runtime& runtime, const Conv2dForward& op) {
    const Conv2dShape& s = op.shape;
    DirectForwardParams<T> p;
    p.x = static_cast<const T*>(op.x);
    p.w = static_cast<const T*>(op.w);
    p.bias = op.bias;
    p.y = static_cast<T*>(op.y);
    p.sizes = sizes_of<Tile>(s);
    p.tile_rows = (s.p() + Tile::kRows - 1) / Tile::kRows;
    p.tile_columns = (s.q() + Tile::kColumns - 1) / Tile::kColumns;
    p.slabs = (s.k + Tile::kN - 1) / Tile::kN;
    p.h = s.h;
    p.w_columns = s.w;
    p.p = s.p();
    p.q = s.q();
    p.pad_h = s.pad_h;
    p.pad_w = s.pad_w;
    p.filters = s.k;
    p.activation = Rectifier(op.activation);
    p.wide = s.k % 4 == 0 && aligned(op.y, 4 * sizeof(T));
    void (*kernel)(DirectForwardParams<T>) = &conv2d_forward_direct_kernel<T, Tile, DirectAnyFilter>;
    if (fixed_size(s) == 3)
      kernel = s.stride_h == 1 ? &conv2d_forward_direct_kernel<T, Tile, DirectFilter<3, 1>>
                               : &conv2d_forward_direct_kernel<T, Tile, DirectFilter<3, 2>>;
    if (fixed_size(s) == 7) kernel = &conv2d_forward_direct_kernel<T, Tile, DirectFilter<7, 2>>;
    const unsigned tiles =
        static_cast<unsigned>(s.n) * static_cast<unsigned>(p.tile_rows) * static_cast<unsigned>(p.tile_columns);
    runtime.launch("conv2d_forward", kernel, dim3(tiles * static_cast<unsigned>(p.slabs)), dim3(Tile::kThreads), p);
  }
};

}  // namespace

std::vector<Kernel> conv2d_forward_direct() {
  return {TSUGI_CONV2D_FORWARD_DIRECT_ROWS(TSUGI_KERNEL, ForwardDirect, DirectTile, "direct")};
}

#else
using DirectFilter3By1 = DirectFilter<3, 1>;
using DirectFilter3By2 = DirectFilter<3, 2>;
using DirectFilter7By2 = DirectFilter<7, 2>;
TSUGI_CONV2D_FORWARD_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_forward_direct_kernel, DirectForwardParams, DirectTile,
                                 DirectFilter3By1)
TSUGI_CONV2D_FORWARD_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_forward_direct_kernel, DirectForwardParams, DirectTile,
                                 DirectFilter3By2)
TSUGI_CONV2D_FORWARD_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_forward_direct_kernel, DirectForwardParams, DirectTile,
                                 DirectFilter7By2)
TSUGI_CONV2D_FORWARD_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_forward_direct_kernel, DirectForwardParams, DirectTile,
                                 DirectAnyFilter)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
