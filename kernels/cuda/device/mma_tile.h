// Tiles of tensor cores: shared memory in the layout that ldmatrix reads without bank conflicts, and the products of a
// stage by mma.m16n8k8 with float32 sums.
#pragma once

#include "kernels/cuda/device/half_gemm.h"
#include "kernels/cuda/device/mma.h"

namespace tsugi {
namespace TSUGI_GPU {

/// A block of M x N results in stages of K terms. A warp owns 8 ThreadM x 4 ThreadN of them: in each of its 16 x 8
/// pieces a lane has two neighbours of one row, and two of the row 8 below (mma.h).
template <int M, int N, int K, int ThreadM, int ThreadN>
struct MmaTile {
  static constexpr int kM = M, kN = N, kK = K;
  static constexpr int kThreads = M / ThreadM * (N / ThreadN);
  /// Holds a thread to 128 registers, or 168 where it also stages more than 4 vectors of the next stage.
  static constexpr int kMinBlocks = (M + N) * K / 8 / kThreads > 4 ? 384 / kThreads : 512 / kThreads;
  static constexpr int kWarpM = 8 * ThreadM, kWarpN = 4 * ThreadN;
  static constexpr int kPiecesM = kWarpM / 16, kPiecesN = kWarpN / 8;
  static constexpr int kNeighbours = 2;  ///< results side by side that a thread stores at once

  static_assert(K == 32, "the swizzle of Operand is made for rows of 32 terms");
  static_assert(M % kWarpM == 0 && N % kWarpN == 0, "warps must tile the block");
  static_assert(kWarpM % 32 == 0 && kWarpN % 32 == 0, "one ldmatrix brings the fragments of 32 rows");
  static_assert(M % 64 == 0 && N % 64 == 0, "the swizzle of Operand needs 8 vectors a term");
  static_assert(kThreads >= 64 && kThreads <= 512, "512 / kThreads blocks a multiprocessor");

  /// One stage of A (Lines = M) or B (Lines = N), 16-byte vectors of 8 halves.
  /// AlongTerms: [line][term], a line's four vectors swapped by line / 2, so that 8 neighbouring lines' vectors of the
  /// same terms lie in 8 different groups of banks. Else [term][line], vectors swapped by the term.
  template <int Lines, bool AlongTerms>
  struct alignas(16) Operand {
    unsigned words[Lines * K / 2];

    __device__ __forceinline__ static int start(int line, int term) {
      if (AlongTerms) return (line * (K / 8) + (term / 8 ^ line / 2 % 4)) * 4;
      // The term's lowest bit goes highest: stores of two neighbouring terms by 8 lanes miss each other's banks too.
      const int swap = term % 2 * 4 + term / 2 % 4;
      return (term * (Lines / 8) + (line / 8 ^ swap)) * 4;
    }

    template <typename Loader>
    __device__ __forceinline__ void store(const Loader& from) {
      using Slots = typename Loader::Slots;
      static_assert(Slots::kWhole, "every thread stores the same");
#pragma unroll
      for (int i = 0; i < Loader::kCount; ++i) {
        store_vec<unsigned, 4>(words + start(Slots::row(from.thread, i), Slots::term(from.thread)),
                               words_of(from.data[i]));
      }
    }

    /// r[j] = the terms term + 2t, term + 2t + 1 of line + 8 j + g; line and term are multiples of 8.
    __device__ __forceinline__ void fragments(unsigned (&r)[4], int line, int term, int lane) const {
      if (AlongTerms) {
        load_matrices(r, words, start(line + lane, term));
      } else {
        load_matrices_transposed(r, words, start(line + lane / 8 * 8, term + lane % 8));
      }
    }
  };

  /// A lane's place: the first row and column of its warp.
  struct Place {
    int m, n, lane;

    __device__ __forceinline__ explicit Place(int thread) {
      const int warp = thread / 32;
      m = warp / (N / kWarpN) * kWarpM;
      n = warp % (N / kWarpN) * kWarpN;
      lane = thread % 32;
    }
  };

  struct Sums {
    float v[kPiecesM][kPiecesN][4];
  };

  /// sums += A B of one stage.
  template <typename A, typename B>
  __device__ __forceinline__ static void multiply(const A& a, const B& b, const Place& place, Sums& sums) {
#pragma unroll 2
    for (int term = 0; term < K; term += 8) {
      unsigned left[kWarpM / 32][4], right[kWarpN / 32][4];
#pragma unroll
      for (int m = 0; m < kWarpM / 32; ++m) a.fragments(left[m], place.m + 32 * m, term, place.lane);
#pragma unroll
      for (int n = 0; n < kWarpN / 32; ++n) b.fragments(right[n], place.n + 32 * n, term, place.lane);
#pragma unroll
      for (int m = 0; m < kPiecesM; ++m) {
        const unsigned rows[2] = {left[m / 2][m % 2 * 2], left[m / 2][m % 2 * 2 + 1]};
#pragma unroll
        for (int n = 0; n < kPiecesN; ++n) {
          mma_m16n8k8(sums.v[m][n], rows, right[n / 4][n % 4], sums.v[m][n]);
        }
      }
    }
  }

  /// Calls write(row, column, two neighbouring sums); row and column in the block.
  template <typename Write>
  __device__ __forceinline__ static void for_each_result(const Place& place, const Sums& sums, const Write& write) {
#pragma unroll
    for (int m = 0; m < kPiecesM; ++m) {
#pragma unroll
      for (int below = 0; below < 2; ++below) {
#pragma unroll
        for (int n = 0; n < kPiecesN; ++n) {
          Vec<float, 2> two;
          two.v[0] = sums.v[m][n][below * 2];
          two.v[1] = sums.v[m][n][below * 2 + 1];
          write(place.m + 16 * m + 8 * below + place.lane / 4, place.n + 8 * n + place.lane % 4 * 2, two);
        }
      }
    }
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
