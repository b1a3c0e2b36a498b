// The register-blocked, double-buffered main loop that every float32 convolution shares: D[m][n] += A[m][k] B[k][n].
// Loaders (gemm_load.h) bring A and B from tensors in NHWC and KRSC; the kernel that owns the loop writes D.
// Tiling as in the literature on Maxwell SGEMM (https://github.com/NervanaSystems/maxas/wiki/SGEMM).
#pragma once

#include "kernels/cuda/device/element.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Elements by the names that registry rows give them.
namespace element {
using f32 = float;
using f16 = __half;
}  // namespace element

/// A registry row's tile as types, and the checks that keep a row within every chip's limits.
/// A warp is a patch of kLanesM x kLanesN threads: it reads at most 8 different 128-bit words of B and 4 or 8 of A.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct GemmTile {
  static constexpr int kM = M, kN = N, kK = K;
  static constexpr int kThreadM = ThreadM, kThreadN = ThreadN;
  static constexpr int kThreadsM = M / ThreadM, kThreadsN = N / ThreadN;
  static constexpr int kThreads = kThreadsM * kThreadsN;
  static constexpr int kLanesN = kThreadsN < 8 ? kThreadsN : 8;
  static constexpr int kLanesM = 32 / kLanesN;
  /// Holds a thread to 128 registers, or 168 where it also stages more than 8 floats of the next stage.
  static constexpr int kMinBlocks = (M + N) * K / kThreads > 8 && ThreadM* ThreadN == 64 ? 384 / kThreads
                                    : kThreads >= 512                                    ? 1
                                                                                         : 512 / kThreads;
  static constexpr int kNeighbours = 4;  ///< results side by side that a thread stores at once
  static constexpr int kPad = 4;  ///< floats after a row of a stage: transposing stores then miss each other's banks

  static_assert(M % ThreadM == 0 && N % ThreadN == 0, "threads must tile the block");
  static_assert(ThreadM % 4 == 0 && ThreadN % 4 == 0, "shared memory is read in 128-bit words");
  static_assert(kThreadsN % kLanesN == 0 && kThreadsM % kLanesM == 0, "warps must tile the block");
  static_assert(kThreads % 32 == 0 && kThreads >= 64 && kThreads <= 1024, "a block has 2 to 32 warps");
  static_assert(K % 4 == 0 && kThreads % K == 0, "loaders give each thread one term, or four, of a stage");
  static_assert(ThreadM * ThreadN <= 64, "more accumulators leave too few of 128 registers for the rest");
  static_assert(kThreads * 168 <= 32 * 1024 || kThreads == 256, "sm_53 has 32 K registers a block");
};

/// Picks an overload by the width of loads.
template <int V>
struct Width {};

/// The tile that a row works with at vector width V. Loads of single elements need an address for each, which an 8x8
/// thread has no registers for, nor an 8x4 thread of a tall tile: such rows fall back to smaller ones.
template <typename Tile, int V>
struct WorkTile {
  using Type = Tile;
};
template <int M, int N, int K>
struct WorkTile<GemmTile<M, N, K, 8, 8>, 1> {
  using Type = GemmTile<64, 64, K, 8, 4>;
};

template <int N, int K>
struct WorkTile<GemmTile<128, N, K, 8, 4>, 1> {
  using Type = GemmTile<64, N, K, 4, 4>;
};

/// How a grid covers the results: gridDim.x counts column blocks within row blocks within `outer` (groups, phases), so
/// that blocks which read the same rows of A run at the same time; gridDim.z splits the terms.
struct GemmGrid {
  int blocks_m, blocks_n;
  int split_terms;  ///< terms of a split, a multiple of the tile's k
};

/// A block's share.
struct GemmBlock {
  int m, n;  ///< its first row and column
  int outer;
  int begin;  ///< its first term

  template <typename Tile>
  __device__ __forceinline__ static GemmBlock here(const GemmGrid& grid) {
    const int index = static_cast<int>(blockIdx.x), row = index / grid.blocks_n;
    GemmBlock block;
    block.n = (index - row * grid.blocks_n) * Tile::kN;
    block.outer = row / grid.blocks_m;
    block.m = (row - block.outer * grid.blocks_m) * Tile::kM;
    block.begin = static_cast<int>(blockIdx.z) * grid.split_terms;
    return block;
  }
  __device__ __forceinline__ int end(const GemmGrid& grid, int terms) const {
    return begin + grid.split_terms < terms ? begin + grid.split_terms : terms;
  }
};

/// Stages that hold the terms begin .. end; end may lie before begin.
template <typename Tile>
__device__ __forceinline__ int stages_of(int begin, int end) {
  return end > begin ? (end - begin + Tile::kK - 1) / Tile::kK : 0;
}

/// A stage of A and B. Row k of it holds the k-th term of every row of A, and of every column of B.
template <typename Tile>
struct alignas(16) GemmStage {
  float a[Tile::kK][Tile::kM + Tile::kPad];
  float b[Tile::kK][Tile::kN + Tile::kPad];
};
template <typename Tile>
struct alignas(16) GemmStages {
  GemmStage<Tile> stage[2];
};

/// Which results of the block a thread owns: pieces of 4 neighbours, kThreadsM * 4 rows (kThreadsN * 4 columns) apart,
/// so that the lanes of a warp read neighbouring words.
template <typename Tile>
struct GemmPlace {
  int m, n;  ///< of the first piece

  __device__ __forceinline__ explicit GemmPlace(int thread) {
    const int lane = thread % 32, warp = thread / 32;
    constexpr int kWarpsN = Tile::kThreadsN / Tile::kLanesN;
    m = ((warp / kWarpsN) * Tile::kLanesM + lane / Tile::kLanesN) * 4;
    n = ((warp % kWarpsN) * Tile::kLanesN + lane % Tile::kLanesN) * 4;
  }
};

/// A thread's sums, pieces one after another.
template <typename Tile>
struct GemmSums {
  float v[Tile::kThreadM][Tile::kThreadN];
};

/// sums += A B of one stage.
template <typename Tile>
__device__ __forceinline__ void multiply_stage(const float (&a)[Tile::kK][Tile::kM + Tile::kPad],
                                               const float (&b)[Tile::kK][Tile::kN + Tile::kPad],
                                               const GemmPlace<Tile>& place, GemmSums<Tile>& sums) {
#pragma unroll
  for (int k = 0; k < Tile::kK; ++k) {
    float left[Tile::kThreadM], right[Tile::kThreadN];
#pragma unroll
    for (int piece = 0; piece < Tile::kThreadM / 4; ++piece) {
      const Vec<float, 4> word = load_vec<float, 4>(&a[k][place.m + piece * Tile::kThreadsM * 4]);
#pragma unroll
      for (int e = 0; e < 4; ++e) left[piece * 4 + e] = word.v[e];
    }
#pragma unroll
    for (int piece = 0; piece < Tile::kThreadN / 4; ++piece) {
      const Vec<float, 4> word = load_vec<float, 4>(&b[k][place.n + piece * Tile::kThreadsN * 4]);
#pragma unroll
      for (int e = 0; e < 4; ++e) right[piece * 4 + e] = word.v[e];
    }
#pragma unroll
    for (int m = 0; m < Tile::kThreadM; ++m) {
#pragma unroll
      for (int n = 0; n < Tile::kThreadN; ++n) sums.v[m][n] += left[m] * right[n];
    }
  }
}

/// sums += A B of stage `now`, while the next one travels from memory to stage `next`.
template <typename Tile, typename LoaderA, typename LoaderB>
__device__ __forceinline__ void gemm_step(const GemmStage<Tile>& now, GemmStage<Tile>& next, LoaderA& a, LoaderB& b,
                                          const GemmPlace<Tile>& place, GemmSums<Tile>& sums) {
  a.advance();
  b.advance();
  a.load();
  b.load();
  multiply_stage<Tile>(now.a, now.b, place, sums);
  a.store(next.a);
  b.store(next.b);
  __syncthreads();
}

/// Runs `stages` stages, in pairs, so that every shared address is a constant from a register that never changes.
/// Loaders: load() brings the current stage to registers, advance() steps to the next one, and store() puts the
/// registers into shared memory; beyond its last term a loader gives zeros and reads nothing, so neither the prefetch
/// after the last stage nor the second of an odd pair does harm. One barrier a stage: `next` is the half that nobody
/// reads any more.
template <typename Tile, typename LoaderA, typename LoaderB>
__device__ __forceinline__ void gemm_main_loop(GemmStages<Tile>& shared, LoaderA& a, LoaderB& b, int stages,
                                               const GemmPlace<Tile>& place, GemmSums<Tile>& sums) {
  sums = GemmSums<Tile>{};
  a.load();
  b.load();
  a.store(shared.stage[0].a);
  b.store(shared.stage[0].b);
  __syncthreads();
#pragma unroll 1
  for (int stage = 0; stage < stages; stage += 2) {
    gemm_step<Tile>(shared.stage[0], shared.stage[1], a, b, place, sums);
    gemm_step<Tile>(shared.stage[1], shared.stage[0], a, b, place, sums);
  }
}

/// Calls write(row, column, four neighbouring sums) for every piece of a thread's results; row and column in the block.
template <typename Tile, typename Write4>
__device__ __forceinline__ void for_each_result(const GemmPlace<Tile>& place, const GemmSums<Tile>& sums,
                                                const Write4& write) {
#pragma unroll
  for (int m = 0; m < Tile::kThreadM; ++m) {
    const int row = place.m + (m / 4) * Tile::kThreadsM * 4 + m % 4;
#pragma unroll
    for (int piece = 0; piece < Tile::kThreadN / 4; ++piece) {
      Vec<float, 4> four;
#pragma unroll
      for (int e = 0; e < 4; ++e) four.v[e] = sums.v[m][piece * 4 + e];
      write(row, place.n + piece * Tile::kThreadsN * 4, four);
    }
  }
}

/// to[0..min(N, count)) = values; wide: all N, by one aligned store.
template <typename T, int N>
__device__ __forceinline__ void store_neighbours(T* to, const Vec<float, N>& values, int count, bool wide) {
  if (wide) {
    Vec<T, N> out;
#pragma unroll
    for (int e = 0; e < N; ++e) out.v[e] = from_float<T>(values.v[e]);
    store_vec<T, N>(to, out);
    return;
  }
#pragma unroll
  for (int e = 0; e < N; ++e) {
    if (e < count) to[e] = from_float<T>(values.v[e]);
  }
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
