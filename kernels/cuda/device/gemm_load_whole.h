// Loaders for the common case that whole stages lie in one tap: the channels that are summed over are a multiple of k.
// Then every thread of a block walks in step, one cursor serves both loaders, and no stage has a tail: fewer registers
// and instructions than the loaders of gemm_load.h, which take any channel count.
#pragma once

#include "kernels/cuda/device/gemm_load.h"

namespace tsugi {
namespace TSUGI_GPU {

/// The tap and channel at which a stage begins. The loader of A advances it, before the loader of B advances.
template <int K>
struct TapCursor {
  int channel, tap_w, tap_h;
  int left;                 ///< terms from here on
  bool next_tap, next_row;  ///< what the last step carried

  __device__ __forceinline__ TapCursor(const TapWalk& walk, int begin, int end)
      : left(end - begin), next_tap(false), next_row(false) {
    const int tap = begin / walk.inner;
    channel = begin - tap * walk.inner;
    tap_h = tap / walk.taps_w;
    tap_w = tap - tap_h * walk.taps_w;
  }
  __device__ __forceinline__ unsigned offset(const TapWalk& walk) const {
    return static_cast<unsigned>(channel) * walk.pitch_channel + static_cast<unsigned>(tap_w) * walk.pitch_w +
           static_cast<unsigned>(tap_h) * walk.pitch_h;
  }
  __device__ __forceinline__ void advance(const TapWalk& walk) {
    left -= K;
    channel += K;
    next_tap = channel >= walk.inner;
    if (next_tap) {
      channel = 0;
      ++tap_w;
    }
    next_row = tap_w >= walk.taps_w;
    if (next_row) {
      tap_w = 0;
      ++tap_h;
    }
  }
  /// Adds a step of `walk`, which may walk another tensor over the same taps.
  __device__ __forceinline__ void move(const TapWalk& walk, unsigned& offset) const {
    offset += walk.step;
    if (next_tap) offset += walk.carry_channel;
    if (next_row) offset += walk.carry_w;
  }
};

/// ImageRows of whole stages.
template <typename T, int Rows, int K, int Threads, int V, int Direction>
struct WholeImageRows {
  using Slots = RowSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* image;
  const TapWalk& walk;
  TapCursor<K>& cursor;
  int height, width, thread;
  int h[kCount], w[kCount];  ///< pixel under the first tap
  unsigned base[kCount];     ///< its offset
  unsigned offset;

  /// first: offset of the group's first channel; an offset rather than a pointer, so that `image` stays in constant
  /// memory and takes no registers. Then place() every row.
  __device__ __forceinline__ WholeImageRows(const T* image_, unsigned first, const TapWalk& walk_,
                                            TapCursor<K>& cursor_, int height_, int width_, int thread_)
      : image(image_), walk(walk_), cursor(cursor_), height(height_), width(width_), thread(thread_) {
    offset = first + cursor.offset(walk) + static_cast<unsigned>(Slots::term(thread));
  }
  __device__ __forceinline__ static int row(int thread, int i) { return Slots::row(thread, i); }
  __device__ __forceinline__ void place(int i, int h_, int w_, unsigned base_) {
    h[i] = h_;
    w[i] = w_;
    base[i] = base_;
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const unsigned tap_h = static_cast<unsigned>(h[i] + Direction * cursor.tap_h);
      const unsigned tap_w = static_cast<unsigned>(w[i] + Direction * cursor.tap_w);
      data[i] = zero_vec<T, V>();
      if (cursor.left > 0 && tap_h < static_cast<unsigned>(height) && tap_w < static_cast<unsigned>(width)) {
        data[i] = load_read_only<T, V>(image + (base[i] + offset));
      }
    }
  }
  __device__ __forceinline__ void advance() {
    cursor.advance(walk);
    cursor.move(walk, offset);
  }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// FilterColumns of whole stages.
template <typename T, int Rows, int K, int Threads, int V>
struct WholeFilterColumns {
  using Slots = ColumnSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* weights;
  const TapWalk& walk;
  const TapCursor<K>& cursor;
  int columns, thread;
  unsigned offset;

  /// start: offset of the group's first tap and channel.
  __device__ __forceinline__ WholeFilterColumns(const T* weights_, unsigned start, const TapWalk& walk_,
                                                const TapCursor<K>& cursor_, int first, int total, int thread_)
      : weights(weights_), walk(walk_), cursor(cursor_), thread(thread_) {
    columns = total - first - Slots::row(thread, 0);
    offset = start + cursor.offset(walk) + static_cast<unsigned>(first + Slots::row(thread, 0)) +
             static_cast<unsigned>(Slots::term(thread)) * walk.pitch_channel;
  }
  __device__ __forceinline__ void load() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      data[i] = zero_vec<T, V>();
      if (cursor.left > 0 && columns > i * Slots::kStep) {
        data[i] = load_read_only<T, V>(weights + offset + i * Slots::kStep);
      }
    }
  }
  __device__ __forceinline__ void advance() { cursor.move(walk, offset); }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

/// MatrixRows of whole stages.
template <typename T, int Rows, int K, int Threads, int V>
struct WholeMatrixRows {
  using Slots = RowSlots<Rows, K, Threads, V>;
  static constexpr int kCount = Slots::kCount;

  Vec<T, V> data[kCount];
  const T* row[kCount];
  const TapCursor<K>& cursor;
  int thread;

  /// matrix [rows, pitch]: rows first_row .. , terms from `begin`.
  __device__ __forceinline__ WholeMatrixRows(const T* matrix, int pitch, const TapCursor<K>& cursor_, int first_row,
                                             int rows, int thread_, int begin)
      : cursor(cursor_), thread(thread_) {
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
      if (cursor.left > 0) data[i] = load_read_only<T, V>(row[i]);
    }
  }
  __device__ __forceinline__ void advance() {
#pragma unroll
    for (int i = 0; i < kCount; ++i) row[i] += K;
  }
  template <int Pitch>
  __device__ __forceinline__ void store(float (&stage)[K][Pitch]) const {
    Slots::store(data, stage, thread);
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
