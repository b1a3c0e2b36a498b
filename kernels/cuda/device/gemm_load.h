// Loaders of the implicit GEMM: they bring a stage's share of A or B from a tensor to a thread's registers, walk to the
// next stage without divisions, and store into shared memory as [term][row]. Two families:
//   ...Rows     the tensor is contiguous along the terms: a thread has V terms of some rows; the store transposes
//   ...Columns  the tensor is contiguous along the rows of A (columns of B): a thread has one term; the store is direct
// V neighbours move by one load: 4 where channels and addresses allow, else 1. `data` is public, for kernels that store
// to shared memory in another layout. T: float or __half.
#pragma once

#include "kernels/cuda/device/element.h"
#include "kernels/cuda/device/gemm_walk.h"

namespace tsugi {
namespace TSUGI_GPU {

/// V neighbours through the read-only cache (texture path on sm_53): taps overlap, so neighbours read the same pixels.
#if defined(TSUGI_SIMT)
template <typename T, int V>
Vec<T, V> load_read_only(const T* p) {
  return load_vec<T, V>(p);
}
#else
template <int Bytes>
struct ReadOnlyWord;
template <>
struct ReadOnlyWord<2> {
  using Type = unsigned short;
};
template <>
struct ReadOnlyWord<4> {
  using Type = unsigned int;
};
template <>
struct ReadOnlyWord<8> {
  using Type = uint2;
};
template <>
struct ReadOnlyWord<16> {
  using Type = uint4;
};
template <typename T, int V>
__device__ __forceinline__ Vec<T, V> load_read_only(const T* p) {
  using Word = typename ReadOnlyWord<sizeof(T) * V>::Type;
  union Bits {  // a union, because a cast of references would go through local memory in some compilers
    Word word;
    Vec<T, V> value;
    __device__ Bits() {}
  } bits;
  bits.word = __ldg(reinterpret_cast<const Word*>(p));
  return bits.value;
}
#endif

template <typename T, int V>
__device__ __forceinline__ Vec<T, V> zero_vec() {
  Vec<T, V> zero;
#pragma unroll
  for (int e = 0; e < V; ++e) zero.v[e] = from_float<T>(0.0f);
  return zero;
}

/// Which rows and terms of a stage of Rows x K a thread loads, terms contiguous in memory. K / V neighbouring threads
/// read one row's terms: with K = 8 floats a whole 32-byte sector.
template <int Rows, int K, int Threads, int V>
struct RowSlots {
  static constexpr int kSlots = K / V;
  static constexpr int kStep = Threads / kSlots;
  static constexpr int kCount = (Rows + kStep - 1) / kStep;
  static constexpr bool kWhole = Rows % kStep == 0;
  static_assert(K % V == 0 && Threads % kSlots == 0, "slots must tile a stage");

  __device__ __forceinline__ static int term(int thread) { return thread % kSlots * V; }
  __device__ __forceinline__ static int row(int thread, int i) { return thread / kSlots + i * kStep; }

  template <typename T, int Pitch>
  __device__ __forceinline__ static void store(const Vec<T, V> (&data)[kCount], float (&stage)[K][Pitch], int thread) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (!kWhole && row(thread, i) >= Rows) continue;
#pragma unroll
      for (int e = 0; e < V; ++e) stage[term(thread) + e][row(thread, i)] = to_float(data[i].v[e]);
    }
  }
};

/// The same with the rows contiguous in memory: a thread loads one term, V neighbouring rows at a time.
template <int Rows, int K, int Threads, int V>
struct ColumnSlots {
  static constexpr int kLanes = Threads / K;
  static constexpr int kStep = kLanes * V;
  static constexpr int kCount = (Rows + kStep - 1) / kStep;
  static constexpr bool kWhole = Rows % kStep == 0;
  static_assert(Threads % K == 0 && Rows % V == 0, "lanes must tile a stage");

  __device__ __forceinline__ static int term(int thread) { return thread / kLanes; }
  __device__ __forceinline__ static int row(int thread, int i) { return thread % kLanes * V + i * kStep; }

  template <typename T, int Pitch>
  __device__ __forceinline__ static void store(const Vec<T, V> (&data)[kCount], float (&stage)[K][Pitch], int thread) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (!kWhole && row(thread, i) >= Rows) continue;
      Vec<float, V> out;
#pragma unroll
      for (int e = 0; e < V; ++e) out.v[e] = to_float(data[i].v[e]);
      store_vec<float, V>(&stage[term(thread)][row(thread, i)], out);
    }
  }
};

/// Where a loader is in its walk over taps, whatever the count of channels. Deep: as TapPosition. Another way to walk:
/// gemm_load_whole.h.
template <int K, bool Deep>
struct OwnTaps {
  const TapWalk& walk;
  TapPosition<Deep> at;
  int left;  ///< terms from this thread's on to the end

  /// term: of this thread in a stage; terms begin .. end of the walk.
  __device__ __forceinline__ OwnTaps(const TapWalk& walk_, int term, int begin, int end)
      : walk(walk_), left(end - begin - term) {
    at.start(walk, begin + term);
  }
  /// A tensor whose lanes begin `lane` elements further on.
  template <typename T>
  __device__ __forceinline__ const T* shifted(const T* tensor, int lane) {
    return tensor + lane;
  }
  __device__ __forceinline__ bool exists() const { return left > 0; }
  __device__ __forceinline__ int tap_h() const { return at.tap_h; }
  __device__ __forceinline__ int tap_w() const { return at.tap_w; }
  __device__ __forceinline__ unsigned offset() const { return at.offset; }
  __device__ __forceinline__ void advance() {
    at.advance(walk);
    left -= K;
  }
};

/// Pixels x (tap row, tap column, channel) of an NHWC image tensor, zero where a tap lies in the padding.
/// Direction: +1 where the next tap is the next pixel (forward), -1 where it is the one before (backward data).
template <typename T, int Rows, int K, int Threads, int V, int Direction, typename Taps = OwnTaps<K, (V > 1)>>
struct ImageRows {
  using Slots = RowSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* image;
  int height, width, thread;
  int h[kCount], w[kCount];  ///< pixel under the first tap
  unsigned base[kCount];     ///< its offset
  Taps taps;

  /// walked: the rest of what Taps is made from. Then place() every row.
  template <typename... Walked>
  __device__ __forceinline__ ImageRows(const T* image_, const TapWalk& walk, int height_, int width_, int thread_,
                                       Walked&... walked)
      : image(image_), height(height_), width(width_), thread(thread_), taps(walk, Slots::term(thread_), walked...) {}
  __device__ __forceinline__ static int row(int thread, int i) { return Slots::row(thread, i); }
  __device__ __forceinline__ void place(int i, int h_, int w_, unsigned base_) {
    h[i] = h_;
    w[i] = w_;
    base[i] = base_;
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const unsigned tap_h = static_cast<unsigned>(h[i] + Direction * taps.tap_h());
      const unsigned tap_w = static_cast<unsigned>(w[i] + Direction * taps.tap_w());
      data[i] = zero_vec<T, V>();
      if (taps.exists() && tap_h < static_cast<unsigned>(height) && tap_w < static_cast<unsigned>(width)) {
        data[i] = load_read_only<T, V>(image + (base[i] + taps.offset()));
      }
    }
  }
  __device__ __forceinline__ void advance() { taps.advance(); }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// How many terms a loader has left, counted by itself.
template <int K>
struct OwnTerms {
  int left;
  __device__ __forceinline__ OwnTerms(int term, int begin, int end) : left(end - begin - term) {}
  __device__ __forceinline__ bool exists() const { return left > 0; }
  __device__ __forceinline__ void advance() { left -= K; }
};

/// Rows of a matrix, terms contiguous. Rows from `rows` on repeat the last one: nobody stores their results.
template <typename T, int Rows, int K, int Threads, int V, typename Terms = OwnTerms<K>>
struct MatrixRows {
  using Slots = RowSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* row[kCount];
  Terms terms;
  int thread;

  /// matrix [rows, pitch]: rows first_row .. , terms from `begin`; bound: the end, or what else Terms is made from.
  template <typename Bound>
  __device__ __forceinline__ MatrixRows(const T* matrix, int pitch, int first_row, int rows, int thread_, int begin,
                                        const Bound& bound)
      : terms(Slots::term(thread_), begin, bound), thread(thread_) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int wanted = first_row + Slots::row(thread, i);
      const unsigned index = static_cast<unsigned>(wanted < rows ? wanted : rows - 1) * static_cast<unsigned>(pitch);
      row[i] = matrix + index + (begin + Slots::term(thread));
    }
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      data[i] = zero_vec<T, V>();
      if (terms.exists()) data[i] = load_read_only<T, V>(row[i]);
    }
  }
  __device__ __forceinline__ void advance() {
    terms.advance();
#pragma unroll
    for (int i = 0; i < kCount; ++i) row[i] += K;
  }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// Columns of a matrix [terms, pitch], columns contiguous.
template <typename T, int Rows, int K, int Threads, int V>
struct MatrixColumns {
  using Slots = ColumnSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* at;
  int left, columns, pitch, thread;

  /// Columns first .. total, terms begin .. end.
  __device__ __forceinline__ MatrixColumns(const T* matrix, int pitch_, int first, int total, int thread_, int begin,
                                           int end)
      : pitch(pitch_), thread(thread_) {
    left = end - begin - Slots::term(thread);
    columns = total - first - Slots::row(thread, 0);
    at = matrix + (static_cast<unsigned>(begin + Slots::term(thread)) * static_cast<unsigned>(pitch) +
                   static_cast<unsigned>(first + Slots::row(thread, 0)));
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      data[i] = zero_vec<T, V>();
      if (left > 0 && columns > i * Slots::kStep) data[i] = load_read_only<T, V>(at + i * Slots::kStep);
    }
  }
  __device__ __forceinline__ void advance() {
    left -= K;
    at += static_cast<unsigned>(K) * static_cast<unsigned>(pitch);
  }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// (tap row, tap column, filter) x channels of the weights [k,r,s,c]: what backward data multiplies with. The walk's
/// inner digit is the filter.
template <typename T, int Rows, int K, int Threads, int V, typename Taps = OwnTaps<K, false>>
struct FilterColumns {
  using Slots = ColumnSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  int columns, thread;
  Taps taps;
  const T* weights;

  /// Columns first .. total; walked: the rest of what Taps is made from.
  template <typename... Walked>
  __device__ __forceinline__ FilterColumns(const T* weights_, const TapWalk& walk, int first, int total, int thread_,
                                           Walked&... walked)
      : thread(thread_), taps(walk, Slots::term(thread_), walked...) {
    columns = total - first - Slots::row(thread, 0);
    weights = taps.shifted(weights_, first + Slots::row(thread, 0));
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      data[i] = zero_vec<T, V>();
      if (taps.exists() && columns > i * Slots::kStep) {
        data[i] = load_read_only<T, V>(weights + taps.offset() + i * Slots::kStep);
      }
    }
  }
  __device__ __forceinline__ void advance() { taps.advance(); }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// Output pixels x (tap row, tap column, channel) of an NHWC image tensor, channels contiguous: backward weight's B.
template <typename T, int Rows, int K, int Threads, int V>
struct ImageColumns {
  using Slots = ColumnSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* image;
  const PixelWalk& walk;
  int height, width, left, thread;
  int tap_h[kCount], tap_w[kCount];  ///< of this thread's columns; out of every image beyond the last
  unsigned tap[kCount];              ///< and their offset from the first tap's pixel
  PixelPosition at;

  /// Columns first .. total of (taps_w, channels) digits; pixels begin .. end. image: at the group's first channel.
  __device__ __forceinline__ ImageColumns(const T* image_, const PixelWalk& walk_, int height_, int width_,
                                          int channels, int taps_w, int first, int total, int thread_, int begin,
                                          int end)
      : image(image_), walk(walk_), height(height_), width(width_), thread(thread_) {
    left = end - begin - Slots::term(thread);
    at.start(walk, begin + Slots::term(thread));
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int column = first + Slots::row(thread, i);
      const int index = column / channels;
      tap_h[i] = index / taps_w;
      tap_w[i] = index - tap_h[i] * taps_w;
      tap[i] = static_cast<unsigned>(tap_h[i]) * walk.pitch_h + static_cast<unsigned>(tap_w[i]) * walk.pitch_w +
               static_cast<unsigned>(column - index * channels);
      if (column >= total) tap_h[i] = -(1 << 30);
    }
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const unsigned row = static_cast<unsigned>(at.h + tap_h[i]), column = static_cast<unsigned>(at.w + tap_w[i]);
      data[i] = zero_vec<T, V>();
      if (left > 0 && row < static_cast<unsigned>(height) && column < static_cast<unsigned>(width)) {
        data[i] = load_read_only<T, V>(image + (at.offset + tap[i]));
      }
    }
  }
  __device__ __forceinline__ void advance() {
    at.advance(walk);
    left -= K;
  }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
