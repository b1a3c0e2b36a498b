// Tiles of sm_53's HFMA2: two neighbouring terms in a half2, so that one instruction does two multiply-adds of a
// result. Short runs are summed in float16, the rest in float32 (kernels/api/half2.h has the run's length and the
// error).
#pragma once

#include "kernels/cuda/device/half_gemm.h"
#include "kernels/cuda/device/warp.h"

namespace tsugi {
namespace TSUGI_GPU {

/// A block of M x N results in stages of K terms, that is K / 2 pairs; K / 2 is the run (kHalf2Run). Threads and their
/// results as in GemmTile.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct Half2Tile {
  static constexpr int kM = M, kN = N, kK = K;
  static constexpr int kThreadM = ThreadM, kThreadN = ThreadN;
  static constexpr int kThreadsM = M / ThreadM, kThreadsN = N / ThreadN;
  static constexpr int kThreads = kThreadsM * kThreadsN;
  static constexpr int kLanesN = 8, kLanesM = 4;
  static constexpr int kNeighbours = 4;  ///< results side by side that a thread stores at once
  /// Holds a thread to 128 registers, or 168 where it also stages more than 3 vectors of the next stage.
  static constexpr int kMinBlocks = (M + N) * K / 8 / kThreads > 3 ? 384 / kThreads : 512 / kThreads;

  static_assert(K == 32, "a stage is one run of float16 sums: half2.h, kHalf2Run = 16");
  static_assert(M % 32 == 0 && N % 32 == 0, "Operand spreads the pairs of 32 lines over the banks");
  static_assert(ThreadM % 4 == 0 && ThreadN % 4 == 0, "shared memory is read in 128-bit words");
  static_assert(kThreadsN % kLanesN == 0 && kThreadsM % kLanesM == 0, "warps must tile the block");
  static_assert(kThreads >= 128 && kThreads <= 256, "128 registers each, 32 K a block on sm_53");
  static_assert(ThreadM * ThreadN <= 32, "two accumulators a result");

  /// One stage of A or B: words[start(pair) + line] = terms 2 pair (low half) and 2 pair + 1. Eight words are left out
  /// after every four pairs, so that the four vectors of a line land in different banks.
  template <int Lines, bool AlongTerms>
  struct alignas(16) Operand {
    unsigned words[K / 2 * Lines + K / 8 * 8];

    __device__ __forceinline__ static int start(int pair) { return pair * Lines + pair / 4 * 8; }

    template <typename Loader>
    __device__ __forceinline__ void store(const Loader& from) {
      using Slots = typename Loader::Slots;
      static_assert(Slots::kWhole, "every thread stores the same");
      const int term = Slots::term(from.thread), pair = term / 2;
#pragma unroll
      for (int i = 0; i < Loader::kCount; ++i) {
        const Vec<unsigned, 4> mine = words_of(from.data[i]);
        const int line = Slots::row(from.thread, i);
        if (AlongTerms) {
#pragma unroll
          for (int e = 0; e < 4; ++e) words[start(pair + e) + line] = mine.v[e];
        } else {
          store_interleaved(mine, line, pair, term % 2 != 0);
        }
      }
    }

    /// `mine`: 8 neighbouring lines of one term; the neighbouring term is with the lane kThreads / K away. The lane of
    /// the even term pairs up the first four lines, the other one the last four.
    __device__ __forceinline__ void store_interleaved(const Vec<unsigned, 4>& mine, int line, int pair, bool odd) {
      static_assert(kThreads / K <= 16, "neighbouring terms are in one warp");
      Vec<unsigned, 4> out;
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const unsigned other = __shfl_xor_sync(kAllLanes, odd ? mine.v[e] : mine.v[e + 2], kThreads / K);
        const __half2 even_term = half2_of(odd ? other : mine.v[e]), odd_term = half2_of(odd ? mine.v[e + 2] : other);
        out.v[2 * e] = word_of(__lows2half2(even_term, odd_term));
        out.v[2 * e + 1] = word_of(__highs2half2(even_term, odd_term));
      }
      store_vec<unsigned, 4>(&words[start(pair) + line + (odd ? 4 : 0)], out);
    }

    /// Lines line .. line + 3 of a pair; line is a multiple of 4.
    __device__ __forceinline__ Vec<unsigned, 4> four(int line, int pair) const {
      return load_vec<unsigned, 4>(&words[start(pair) + line]);
    }
  };

  using Place = GemmPlace<Half2Tile>;
  using Sums = GemmSums<Half2Tile>;

  /// sums += A B of one stage: K / 2 products in each half of a half2, the two halves added in float16, the rest in
  /// float32.
  template <typename A, typename B>
  __device__ __forceinline__ static void multiply(const A& a, const B& b, const Place& place, Sums& sums) {
    __half2 run[ThreadM][ThreadN];
#pragma unroll
    for (int pair = 0; pair < K / 2; ++pair) {
      __half2 left[ThreadM], right[ThreadN];
      read<kThreadsM>(left, a, place.m, pair);
      read<kThreadsN>(right, b, place.n, pair);
#pragma unroll
      for (int m = 0; m < ThreadM; ++m) {
#pragma unroll
        for (int n = 0; n < ThreadN; ++n) {
          run[m][n] = pair == 0 ? __hmul2(left[m], right[n]) : __hfma2(left[m], right[n], run[m][n]);
        }
      }
    }
#pragma unroll
    for (int m = 0; m < ThreadM; ++m) {
#pragma unroll
      for (int n = 0; n < ThreadN; ++n) {
        sums.v[m][n] += __half2float(__hadd(__low2half(run[m][n]), __high2half(run[m][n])));
      }
    }
  }

  template <typename Write>
  __device__ __forceinline__ static void for_each_result(const Place& place, const Sums& sums, const Write& write) {
    TSUGI_GPU::for_each_result<Half2Tile>(place, sums, write);
  }

 private:
  template <int Threads, int Count, typename Operand>
  __device__ __forceinline__ static void read(__half2 (&to)[Count], const Operand& from, int line, int pair) {
#pragma unroll
    for (int piece = 0; piece < Count / 4; ++piece) {
      const Vec<unsigned, 4> words = from.four(line + piece * Threads * 4, pair);
#pragma unroll
      for (int e = 0; e < 4; ++e) to[piece * 4 + e] = half2_of(words.v[e]);
    }
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
