// conv2d backward-weight for few input channels (c <= 4): in NHWC the taps of a filter row are neighbours in memory, so
// a thread slides along a row of pixels and loads only what is new. Split over the grid; split_reduce adds the parts in
// fixed order.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/gemm_launch.h"
#include "kernels/cuda/kernel.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// A registry row's tile as types. A thread has ThreadM filters x ThreadN neighbouring terms (s,c) of a filter row,
/// which together are called a unit; a block has M filters, and pixels in rows of kColumns.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct DirectWeightTile {
  static constexpr int kM = M, kThreadM = ThreadM, kTerms = ThreadN;
  static constexpr int kThreads = 192, kColumns = 8, kRows = 16;
  static constexpr int kThreadsM = M / ThreadM, kUnits = kThreads / kThreadsM;  ///< at most, of a block
  static constexpr int kPitch = kColumns * M + 16;  ///< of a row of d_y; the 16 part the banks of two rows
  static constexpr int kPatch = 1792;
  static_assert(M == 32 && N == ThreadN && ThreadM == 8, "d_y is read in two words of four filters");
  static_assert(kThreads * kTerms <= kRows * kPitch, "the sums are added in d_y's memory");
};

template <typename Tile>
struct alignas(16) DirectWeightShared {
  float d_y[Tile::kRows * Tile::kPitch];  ///< rows, columns, filters; at the end: sums
  float x[Tile::kPatch];                  ///< rows of the input patch, elements as in the tensor
};

template <typename T>
struct DirectWeightParams {
  const T* x;
  const T* d_y;
  float* partials;  ///< [splits, filters, r, s, c]
  int slabs, splits;
  int tiles, tile_rows, tile_columns;  ///< of an image, but tiles: of all
  int rows;                            ///< of output pixels in a tile
  int lanes, units, block_units;       ///< rows at work at once; units of all filters, of a block
  int chunks;                          ///< units of a filter row
  int h, line;                         ///< line: elements of an input row
  int p, q, stride_h, pad_h, first_w;  ///< first_w: elements before a row's first, -pad_w c
  int step, pitch, patch_rows;         ///< elements from a pixel to the next, of a row of the patch; rows of the patch
  int filters, width, terms;           ///< width: s c; terms: r s c
  bool wide;                           ///< four neighbouring filters of d_y can be loaded at once
};

/// Brings a tile's share of d_y to shared memory, zeros where there is none. V neighbouring filters a load. Not
/// unrolled, here and below: the sums leave too few of 128 registers for several loads at once; the other block fills
/// the wait.
template <typename T, typename Tile, int V>
__device__ __forceinline__ void stage_gradient(float* shared, const DirectWeightParams<T>& p, int image, int row,
                                               int column, int filter) {
  constexpr int kLanes = Tile::kM / V;
  const int lane = static_cast<int>(threadIdx.x) % kLanes * V;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x) / kLanes; i < p.rows * Tile::kColumns; i += Tile::kThreads / kLanes) {
    const int line = i / Tile::kColumns, pixel = i % Tile::kColumns;
    Vec<T, V> d_y = zero_vec<T, V>();
    if (row + line < p.p && column + pixel < p.q && filter + lane < p.filters)
      d_y = load_read_only<T, V>(p.d_y + (static_cast<unsigned>((image * p.p + row + line) * p.q + column + pixel) *
                                              static_cast<unsigned>(p.filters) +
                                          static_cast<unsigned>(filter + lane)));
    Vec<float, V> wide;
#pragma unroll
    for (int e = 0; e < V; ++e) wide.v[e] = to_float(d_y.v[e]);
    store_vec<float, V>(shared + line * Tile::kPitch + pixel * Tile::kM + lane, wide);
  }
}

/// Brings a tile's patch of x to shared memory, zeros outside of the image. Neighbouring threads, neighbouring
/// elements.
template <typename T, typename Tile>
__device__ __forceinline__ void stage_input(float* shared, const DirectWeightParams<T>& p, int image, int h, int w) {
  constexpr int kLanes = 64;
#pragma unroll 1
  for (int e = static_cast<int>(threadIdx.x) % kLanes; e < p.pitch; e += kLanes) {
    const bool exists = static_cast<unsigned>(w + e) < static_cast<unsigned>(p.line);
#pragma unroll 1
    for (int row = static_cast<int>(threadIdx.x) / kLanes; row < p.patch_rows; row += Tile::kThreads / kLanes) {
      float value = 0.0f;
      if (exists && static_cast<unsigned>(h + row) < static_cast<unsigned>(p.h))
        value = to_float(
            load_read_only<T, 1>(p.x + (static_cast<unsigned>(image * p.h + h + row) * static_cast<unsigned>(p.line) +
                                        static_cast<unsigned>(w + e)))
                .v[0]);
      shared[row * p.pitch + e] = value;
    }
  }
}

/// sums += d_y x over a row of kColumns pixels. Step: elements from a pixel to the next, 0 where the host says.
template <typename Tile, int Step>
__device__ __forceinline__ void multiply_pixels(float (&sums)[8][Tile::kTerms], const float* d_y, const float* x,
                                                int step) {
  constexpr int kAtOnce = 4;  // more, and the compiler loads too far ahead for 128 registers
#pragma unroll 1
  for (int first = 0; first < Tile::kColumns; first += kAtOnce) {
    float window[Tile::kTerms];
#pragma unroll
    for (int pixel = 0; pixel < kAtOnce; ++pixel) {
      // The window slides by Step: what it already holds moves down (free, as the loop is unrolled), the rest is
      // loaded.
#pragma unroll
      for (int j = 0; j < Tile::kTerms; ++j) {
        const bool held = Step != 0 && pixel > 0 && j + Step < Tile::kTerms;
        window[j] = held ? window[(j + Step) % Tile::kTerms] : x[pixel * (Step != 0 ? Step : step) + j];
      }
      const Vec<float, 4> low = load_vec<float, 4>(d_y + pixel * Tile::kM);
      const Vec<float, 4> high = load_vec<float, 4>(d_y + pixel * Tile::kM + Tile::kM / 2);
#pragma unroll
      for (int j = 0; j < Tile::kTerms; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          sums[i][j] += low.v[i] * window[j];
          sums[4 + i][j] += high.v[i] * window[j];
        }
      }
    }
    x += kAtOnce * (Step != 0 ? Step : step);
    d_y += kAtOnce * Tile::kM;
  }
}

/// partials[split,k,r,s,c] = sum over the split's pixels of d_y[n,p,q,k] x[n, p stride - pad + r, q stride - pad + s,
/// c]. A block owns kM filters x block_units units (blockIdx.y) x every splits-th tile of rows x kColumns output
/// pixels; a thread 8 filters x kTerms terms, and every lanes-th row of a tile. d_y and the patch of x pass through
/// shared memory, read once a tile by neighbouring threads (128 bits of d_y, 64 in f16; single elements of x); a pixel
/// then costs a thread two words of d_y and Step elements of x for 8 kTerms multiply-adds. At the end the lanes' sums
/// are added in order through shared memory. Limits: 16 rows and 1792 elements of the patch; 25 KB. Overwrites
/// partials.
template <typename T, typename Tile, int Step>
__global__ void __launch_bounds__(Tile::kThreads, 2)
    conv2d_backward_weight_direct_kernel(const DirectWeightParams<T> p) {
  DirectWeightShared<Tile>& shared = shared_memory<DirectWeightShared<Tile>>();
  const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
  const int split = block / p.slabs, filter = (block - split * p.slabs) * Tile::kM;
  const int lane_threads = p.block_units * Tile::kThreadsM, lane = thread / lane_threads;
  const int place = thread - lane * lane_threads, thread_filter = place % Tile::kThreadsM * 4;
  const int unit = static_cast<int>(blockIdx.y) * p.block_units + place / Tile::kThreadsM;
  const int r = unit / p.chunks, chunk = unit - r * p.chunks;
  const bool active = lane < p.lanes && unit < p.units;

  float sums[8][Tile::kTerms] = {};
  for (int tile = split; tile < p.tiles; tile += p.splits) {
    const int line = tile / p.tile_columns, image = line / p.tile_rows;
    const int row = (line - image * p.tile_rows) * p.rows, column = (tile - line * p.tile_columns) * Tile::kColumns;
    if (p.wide)
      stage_gradient<T, Tile, 4>(shared.d_y, p, image, row, column, filter);
    else
      stage_gradient<T, Tile, 1>(shared.d_y, p, image, row, column, filter);
    stage_input<T, Tile>(shared.x, p, image, row * p.stride_h - p.pad_h, column * p.step + p.first_w);
    __syncthreads();
    if (active) {
#pragma unroll 1
      for (int i = lane; i < p.rows; i += p.lanes)
        multiply_pixels<Tile, Step>(sums, shared.d_y + i * Tile::kPitch + thread_filter,
                                    shared.x + (i * p.stride_h + r) * p.pitch + chunk * Tile::kTerms, p.step);
    }
    __syncthreads();
  }
  // One of the eight filters after another: sums of all threads, then over the lanes.
#pragma unroll
  for (int i = 0; i < 8; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kTerms; ++j) shared.d_y[thread * Tile::kTerms + j] = sums[i][j];
    __syncthreads();
#pragma unroll 1
    for (int out = thread; out < lane_threads * Tile::kTerms; out += Tile::kThreads) {
      float sum = shared.d_y[out];
#pragma unroll 1
      for (int other = 1; other < p.lanes; ++other) sum += shared.d_y[other * lane_threads * Tile::kTerms + out];
      const int at = out / Tile::kTerms, j = out - at * Tile::kTerms;
      const int out_unit = static_cast<int>(blockIdx.y) * p.block_units + at / Tile::kThreadsM;
      const int out_r = out_unit / p.chunks, term = (out_unit - out_r * p.chunks) * Tile::kTerms + j;
      const int k = filter + at % Tile::kThreadsM * 4 + (i < 4 ? i : Tile::kM / 2 + i - 4);
      if (out_unit < p.units && term < p.width && k < p.filters)
        p.partials[(static_cast<std::size_t>(split) * static_cast<unsigned>(p.filters) + static_cast<unsigned>(k)) *
                       static_cast<unsigned>(p.terms) +
                   static_cast<unsigned>(out_r * p.width + term)] = sum;
    }
    __syncthreads();
  }
}

#ifndef __CUDACC_RTC__
namespace {

/// How a shape is cut: everything of the params that is not a pointer.
template <typename T, typename Tile>
DirectWeightParams<T> plan(const Conv2dShape& s, const DeviceInfo& device) {
  DirectWeightParams<T> p{};
  p.slabs = (s.k + Tile::kM - 1) / Tile::kM;
  p.chunks = (s.s * s.c + Tile::kTerms - 1) / Tile::kTerms;
  p.units = s.r * p.chunks;
  p.block_units = p.units < Tile::kUnits ? p.units : Tile::kUnits;
  p.lanes = Tile::kUnits / p.block_units;
  p.step = s.stride_w * s.c;
  p.pitch = ((Tile::kColumns - 1) * p.step + p.chunks * Tile::kTerms) | 1;  // odd: rows begin in different banks
  int rows = (Tile::kPatch / p.pitch - s.r) / s.stride_h + 1;
  if (rows > Tile::kRows) rows = Tile::kRows;
  if (rows > s.p()) rows = s.p();
  if (rows > p.lanes) rows = rows / p.lanes * p.lanes;
  p.rows = rows;
  p.patch_rows = (rows - 1) * s.stride_h + s.r;
  p.tile_rows = (s.p() + rows - 1) / rows;
  p.tile_columns = (s.q() + Tile::kColumns - 1) / Tile::kColumns;
  p.tiles = s.n * p.tile_rows * p.tile_columns;
  p.splits = device.multiprocessors * 2 / p.slabs;  // two blocks fit on a multiprocessor
  constexpr int kMaxSplits = 256;
  if (p.splits > p.tiles) p.splits = p.tiles;
  if (p.splits > kMaxSplits) p.splits = kMaxSplits;
  if (p.splits < 1) p.splits = 1;
  p.h = s.h;
  p.line = s.w * s.c;
  p.p = s.p();
  p.q = s.q();
  p.stride_h = s.stride_h;
  p.pad_h = s.pad_h;
  p.first_w = -s.pad_w * s.c;
  p.filters = s.k;
  p.width = s.s * s.c;
  p.terms = s.r * p.width;
  return p;
}

template <typename T, typename Tile>
struct BackwardWeightDirect : Pass<Conv2dBackwardWeight> {
  static bool covers(const Conv2dShape& s) {
    if (s.c > 4 || s.groups != 1 || !fits_gemm_offsets(s)) return false;
    const auto at = [](int value) { return static_cast<std::size_t>(value); };
    const std::size_t chunks = (at(s.s) * at(s.c) + Tile::kTerms - 1) / Tile::kTerms;
    const std::size_t pitch = ((Tile::kColumns - 1) * at(s.stride_w) * at(s.c) + chunks * Tile::kTerms) | 1;
    return at(s.r) * pitch <= Tile::kPatch;
  }

  /// The step from a pixel to the next that is compiled in, 0 where none is.
  static int step(const Conv2dShape& s) {
    return s.stride_w * s.c == 3 || s.stride_w * s.c == 6 ? s.stride_w * s.c : 0;
  }
  static std::string instance(const Conv2dShape& s) { return "by " + std::to_string(step(s)); }

  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo& device) {
    const auto splits = static_cast<std::size_t>(plan<T, Tile>(s, device).splits);
    const std::size_t partials = (splits * s.w_count() * sizeof(float) + 15) / 16 * 16;
    return backward_weight_workspace(s, partials);
  }

  static void launch(Runtime& runtime, const Conv2dBackwardWeight& op) {
    const Conv2dShape& s = op.shape;
    DirectWeightParams<T> p = plan<T, Tile>(s, runtime.info());
    p.x = static_cast<const T*>(op.x);
    p.d_y = static_cast<const T*>(op.d_y);
    p.partials = static_cast<float*>(op.workspace);
    p.wide = s.k % 4 == 0 && aligned(op.d_y, 4 * sizeof(T));
    void (*kernel)(DirectWeightParams<T>) = &conv2d_backward_weight_direct_kernel<T, Tile, 0>;
    if (step(s) == 3) kernel = &conv2d_backward_weight_direct_kernel<T, Tile, 3>;
    if (step(s) == 6) kernel = &conv2d_backward_weight_direct_kernel<T, Tile, 6>;
    const dim3 grid(static_cast<unsigned>(p.slabs) * static_cast<unsigned>(p.splits),
                    static_cast<unsigned>((p.units + p.block_units - 1) / p.block_units));
    runtime.launch("conv2d_backward_weight", kernel, grid, dim3(Tile::kThreads), p);
    reduce_splits(runtime, op, p.partials, p.splits);
  }
};

}  // namespace

std::vector<Kernel> conv2d_backward_weight_direct() {
  return {TSUGI_CONV2D_BACKWARD_WEIGHT_DIRECT_ROWS(TSUGI_KERNEL, BackwardWeightDirect, DirectWeightTile, "direct")};
}

#else
TSUGI_CONV2D_BACKWARD_WEIGHT_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_direct_kernel, DirectWeightParams,
                                         DirectWeightTile, 0)
TSUGI_CONV2D_BACKWARD_WEIGHT_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_direct_kernel, DirectWeightParams,
                                         DirectWeightTile, 3)
TSUGI_CONV2D_BACKWARD_WEIGHT_DIRECT_ROWS(TSUGI_INSTANCE, conv2d_backward_weight_direct_kernel, DirectWeightParams,
                                         DirectWeightTile, 6)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
