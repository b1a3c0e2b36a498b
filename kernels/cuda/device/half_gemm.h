// The main loop that the float16 convolutions share: D[m][n] += A[m][k] B[k][n] with the loaders of gemm_load.h, 8
// halves a load. A tile (mma_tile.h: tensor cores; half2_tile.h: HFMA2 of sm_53) says how a stage lies in shared memory
// and how it is multiplied; the kernels (half_forward.h, half_backward_*.h) are the same for both.
#pragma once

#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kHalfVector = 8;  ///< halves of a 128-bit access

/// The four words of a vector of halves, the first of two neighbours in the low half of its word.
__device__ __forceinline__ Vec<unsigned, 4> words_of(const Vec<__half, kHalfVector>& halves) {
#if defined(TSUGI_SIMT)
  Vec<unsigned, 4> words;
  std::memcpy(&words, &halves, sizeof words);
  return words;
#else
  return *reinterpret_cast<const Vec<unsigned, 4>*>(&halves);
#endif
}
__device__ __forceinline__ __half2 half2_of(unsigned word) {
#if defined(TSUGI_SIMT)
  return {__ushort_as_half(static_cast<unsigned short>(word)),
          __ushort_as_half(static_cast<unsigned short>(word >> 16))};
#else
  return *reinterpret_cast<const __half2*>(&word);
#endif
}
__device__ __forceinline__ unsigned word_of(__half2 pair) {
#if defined(TSUGI_SIMT)
  return __half_as_ushort(pair.x) | static_cast<unsigned>(__half_as_ushort(pair.y)) << 16;
#else
  return *reinterpret_cast<const unsigned*>(&pair);
#endif
}

/// Whether a loader's tensor is contiguous along the terms (gemm_load.h: ...Rows) or along the rows (...Columns).
template <typename Slots>
struct AlongTerms;
template <int Rows, int K, int Threads, int V>
struct AlongTerms<RowSlots<Rows, K, Threads, V>> {
  static constexpr bool kValue = true;
};
template <int Rows, int K, int Threads, int V>
struct AlongTerms<ColumnSlots<Rows, K, Threads, V>> {
  static constexpr bool kValue = false;
};

template <typename Tile, typename LoaderA, typename LoaderB>
struct HalfStages {
  using A = typename Tile::template Operand<Tile::kM, AlongTerms<typename LoaderA::Slots>::kValue>;
  using B = typename Tile::template Operand<Tile::kN, AlongTerms<typename LoaderB::Slots>::kValue>;
  A a[2];
  B b[2];
};

/// As gemm_main_loop: the next stage travels from memory while this one is multiplied; one barrier a stage.
template <typename Tile, typename LoaderA, typename LoaderB>
__device__ __forceinline__ void half_main_loop(HalfStages<Tile, LoaderA, LoaderB>& shared, LoaderA& a, LoaderB& b,
                                               int stages, const typename Tile::Place& place,
                                               typename Tile::Sums& sums) {
  sums = typename Tile::Sums{};
  a.load();
  b.load();
  shared.a[0].store(a);
  shared.b[0].store(b);
  __syncthreads();
  int now = 0;
#pragma unroll 1
  for (int stage = 0; stage < stages; ++stage) {
    a.advance();
    b.advance();
    a.load();
    b.load();
    Tile::multiply(shared.a[now], shared.b[now], place, sums);
    now ^= 1;
    shared.a[now].store(a);
    shared.b[now].store(b);
    __syncthreads();
  }
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
