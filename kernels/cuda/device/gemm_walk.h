// Walks through the terms of an implicit GEMM without divisions: a position steps by a fixed number of terms, given as
// digits of a mixed base (filter rows, filter columns, channels) or (images, rows, columns), with at most one carry a
// digit. Host and device: constants are made once on the host, or once a block.
#pragma once

#include "kernels/api/conv2d.h"
#include "kernels/cuda/device/platform.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Constants of a walk over terms (tap row, tap column, channel), channels innermost. Offsets are elements of the
/// tensor walked, modulo 2^32: they may run out of the tensor, where nothing is read.
struct TapWalk {
  int inner;                                 ///< channels
  int taps_w;                                ///< tap columns
  unsigned pitch_channel, pitch_w, pitch_h;  ///< elements from a channel, tap column, tap row to the next
  int step_channel, step_w, step_h;          ///< digits of a step
  unsigned step, carry_channel, carry_w;     ///< what a step, and each carry in it, adds to the offset
};

TSUGI_HOST_DEVICE inline TapWalk make_tap_walk(int terms, int inner, int taps_w, int pitch_channel, int pitch_w,
                                               int pitch_h) {
  TapWalk walk;
  walk.inner = inner;
  walk.taps_w = taps_w;
  walk.pitch_channel = static_cast<unsigned>(pitch_channel);
  walk.pitch_w = static_cast<unsigned>(pitch_w);
  walk.pitch_h = static_cast<unsigned>(pitch_h);
  // A step of at most `inner` terms stays one of channels, so that a deep walk has no other digits.
  const bool deep = terms <= inner;
  walk.step_channel = deep ? terms : terms % inner;
  walk.step_w = deep ? 0 : terms / inner % taps_w;
  walk.step_h = deep ? 0 : terms / inner / taps_w;
  walk.step = static_cast<unsigned>(walk.step_channel) * walk.pitch_channel +
              static_cast<unsigned>(walk.step_w) * walk.pitch_w + static_cast<unsigned>(walk.step_h) * walk.pitch_h;
  walk.carry_channel = walk.pitch_w - static_cast<unsigned>(inner) * walk.pitch_channel;
  walk.carry_w = walk.pitch_h - static_cast<unsigned>(taps_w) * walk.pitch_w;
  return walk;
}

/// The same walk with another count of tap columns; terms: of a step. Deep: as TapPosition.
template <bool Deep>
__device__ __forceinline__ TapWalk with_tap_columns(TapWalk walk, int terms, int taps_w) {
  walk.taps_w = taps_w;
  walk.carry_w = walk.pitch_h - static_cast<unsigned>(taps_w) * walk.pitch_w;
  if (!Deep && terms > walk.inner) {
    const int taps = terms / walk.inner;
    walk.step_h = taps / taps_w;
    walk.step_w = taps - walk.step_h * taps_w;
    walk.step = static_cast<unsigned>(walk.step_channel) * walk.pitch_channel +
                static_cast<unsigned>(walk.step_w) * walk.pitch_w + static_cast<unsigned>(walk.step_h) * walk.pitch_h;
  }
  return walk;
}

/// A thread's place in a TapWalk. Deep: inner >= the terms of a step, so that only the channel steps by itself.
template <bool Deep>
struct TapPosition {
  int channel, tap_w, tap_h;
  unsigned offset;

  __device__ __forceinline__ void start(const TapWalk& walk, int term) {
    const int tap = term / walk.inner;
    channel = term - tap * walk.inner;
    tap_h = tap / walk.taps_w;
    tap_w = tap - tap_h * walk.taps_w;
    offset = static_cast<unsigned>(channel) * walk.pitch_channel + static_cast<unsigned>(tap_w) * walk.pitch_w +
             static_cast<unsigned>(tap_h) * walk.pitch_h;
  }
  __device__ __forceinline__ void advance(const TapWalk& walk) {
    channel += walk.step_channel;
    offset += walk.step;
    if (!Deep) {
      tap_w += walk.step_w;
      tap_h += walk.step_h;
    }
    if (channel >= walk.inner) {
      channel -= walk.inner;
      offset += walk.carry_channel;
      ++tap_w;
    }
    if (tap_w >= walk.taps_w) {
      tap_w -= walk.taps_w;
      offset += walk.carry_w;
      ++tap_h;
    }
  }
};

/// Constants of a walk over output pixels (image, row, column) in steps of some pixels, kept as the input pixel (h, w)
/// on which the window's first tap lies (which may be padding) and its offset in x.
struct PixelWalk {
  int rows, columns;  ///< output pixels of an image
  int stride_h, stride_w, pad_h, pad_w;
  unsigned pitch_w, pitch_h, pitch_n;  ///< elements from an input column, row, image to the next
  int step_h, step_w;                  ///< digits of a step, in input pixels
  int end_h, end_w;                    ///< where h and w carry
  unsigned step, carry_w, carry_h;
};

/// pixels: of a step.
inline PixelWalk make_pixel_walk(int pixels, const Conv2dShape& s) {
  PixelWalk walk;
  const int rows = s.p(), columns = s.q();
  walk.rows = rows;
  walk.columns = columns;
  walk.stride_h = s.stride_h;
  walk.stride_w = s.stride_w;
  walk.pad_h = s.pad_h;
  walk.pad_w = s.pad_w;
  walk.pitch_w = static_cast<unsigned>(s.c);
  walk.pitch_h = walk.pitch_w * static_cast<unsigned>(s.w);
  walk.pitch_n = walk.pitch_h * static_cast<unsigned>(s.h);
  walk.step_w = pixels % columns * s.stride_w;
  walk.step_h = pixels / columns % rows * s.stride_h;
  walk.end_w = columns * s.stride_w - s.pad_w;
  walk.end_h = rows * s.stride_h - s.pad_h;
  walk.step = static_cast<unsigned>(walk.step_w) * walk.pitch_w + static_cast<unsigned>(walk.step_h) * walk.pitch_h +
              static_cast<unsigned>(pixels / columns / rows) * walk.pitch_n;
  walk.carry_w =
      static_cast<unsigned>(s.stride_h) * walk.pitch_h - static_cast<unsigned>(columns * s.stride_w) * walk.pitch_w;
  walk.carry_h = walk.pitch_n - static_cast<unsigned>(rows * s.stride_h) * walk.pitch_h;
  return walk;
}

/// A thread's place in a PixelWalk.
struct PixelPosition {
  int h, w;
  unsigned offset;

  __device__ __forceinline__ void start(const PixelWalk& walk, int pixel) {
    const int line = pixel / walk.columns;
    const int image = line / walk.rows;
    w = (pixel - line * walk.columns) * walk.stride_w - walk.pad_w;
    h = (line - image * walk.rows) * walk.stride_h - walk.pad_h;
    offset = static_cast<unsigned>(image) * walk.pitch_n + static_cast<unsigned>(h) * walk.pitch_h +
             static_cast<unsigned>(w) * walk.pitch_w;
  }
  __device__ __forceinline__ void advance(const PixelWalk& walk) {
    w += walk.step_w;
    h += walk.step_h;
    offset += walk.step;
    if (w >= walk.end_w) {
      w -= walk.end_w + walk.pad_w;
      h += walk.stride_h;
      offset += walk.carry_w;
    }
    if (h >= walk.end_h) {
      h -= walk.end_h + walk.pad_h;
      offset += walk.carry_h;
    }
  }
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
