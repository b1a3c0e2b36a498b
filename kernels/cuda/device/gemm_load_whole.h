// How loaders walk in the common case that whole stages lie in one tap: the channels that are summed over are a
// multiple of k. Then every thread of a block walks in step, one cursor serves both loaders, and no stage has a tail:
// fewer registers and instructions than the walks of gemm_load.h, which take any channel count.
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

/// For ImageRows (Leads: it advances the cursor) and for FilterColumns. Offsets rather than pointers, so that tensors
/// stay in constant memory and take no registers.
template <int K, bool Leads>
struct CursorTaps {
  const TapWalk& walk;
  TapCursor<K>& cursor;
  unsigned at;

  /// first: offset of the group's first tap and channel.
  __device__ __forceinline__ CursorTaps(const TapWalk& walk_, int term, TapCursor<K>& cursor_, unsigned first)
      : walk(walk_), cursor(cursor_) {
    const unsigned terms = static_cast<unsigned>(term) * (Leads ? 1u : walk.pitch_channel);  // images: contiguous
    at = first + cursor.offset(walk) + terms;
  }
  template <typename T>
  __device__ __forceinline__ const T* shifted(const T* tensor, int lane) {
    at += static_cast<unsigned>(lane);
    return tensor;
  }
  __device__ __forceinline__ bool exists() const { return cursor.left > 0; }
  __device__ __forceinline__ int tap_h() const { return cursor.tap_h; }
  __device__ __forceinline__ int tap_w() const { return cursor.tap_w; }
  __device__ __forceinline__ unsigned offset() const { return at; }
  __device__ __forceinline__ void advance() {
    if (Leads) cursor.advance(walk);
    cursor.move(walk, at);
  }
};

/// For MatrixRows, beside an ImageRows that leads.
template <int K>
struct CursorTerms {
  const TapCursor<K>& cursor;
  __device__ __forceinline__ CursorTerms(int, int, const TapCursor<K>& cursor_) : cursor(cursor_) {}
  __device__ __forceinline__ bool exists() const { return cursor.left > 0; }
  __device__ __forceinline__ void advance() {}
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
