// Augmentation on the CPU. Every picture is computed by one thread, row by row, and depends on its own draw only.
// Pixels are widened to four floats, so that a pixel is one vector and one bilinear tap one load; the blur, the noise
// and the normalisation run over whole rows.
#include <algorithm>
#include <cstring>

#include "kernels/api/augment_draw.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

typedef float Pixel __attribute__((vector_size(16)));  // red, green, blue, unused

constexpr int kMaxTeam = 32;  ///< pictures in flight, at most: bounds the workspace
constexpr int kPadding = 16;  ///< floats that vector loops may read beyond a row

std::size_t row_floats(const AugmentForward& op) { return static_cast<std::size_t>(op.w) * 3 + kPadding; }

std::size_t round_up(std::size_t count) { return (count + 15) / 16 * 16; }

/// What one picture needs, cut from its thread's part of the workspace.
struct Scratch {
  Scratch(const AugmentForward& op, float* memory) {
    photo = reinterpret_cast<Pixel*>(memory);
    memory += round_up(4 * static_cast<std::size_t>(op.photo_h) * op.photo_w);
    picture = reinterpret_cast<Pixel*>(memory);
    memory += round_up(4 * static_cast<std::size_t>(op.h) * op.w);
    const std::size_t row = round_up(row_floats(op));
    values = memory;
    noise = values + row;
    mean = noise + row;
    inv_std = mean + row;
  }
  static std::size_t floats(const AugmentForward& op) {
    return round_up(4 * static_cast<std::size_t>(op.photo_h) * op.photo_w) +
           round_up(4 * static_cast<std::size_t>(op.h) * op.w) + 4 * round_up(row_floats(op));
  }

  Pixel* photo;    ///< [photo_h,photo_w], 0 to 255; then the blur's intermediate [h,w]
  Pixel* picture;  ///< [h,w]
  float* values;   ///< [3w], a row of the output before it is stored
  float* noise;    ///< [3w]
  float* mean;     ///< [3w], the channel's mean, repeated
  float* inv_std;  ///< [3w]
};

int team_size(const AugmentForward& op, int threads) { return std::max(1, std::min({threads, op.n, kMaxTeam})); }

void widen_photo(const std::uint8_t* bytes, std::size_t pixels, Pixel* to) {
  for (std::size_t i = 0; i < pixels; ++i) {
    to[i] = Pixel{static_cast<float>(bytes[3 * i]), static_cast<float>(bytes[3 * i + 1]),
                  static_cast<float>(bytes[3 * i + 2]), 0.0f};
  }
}

/// A coordinate clamped to [0, size-1], as the lower of two neighbours and the upper one's weight.
struct Tap {
  int index;
  float weight;
};

inline Tap tap(float coordinate, int size) {
  const float clamped = std::min(static_cast<float>(size - 1), std::max(0.0f, coordinate));  // in this order NaN is 0
  const int index = std::min(static_cast<int>(clamped), std::max(size - 2, 0));
  return Tap{index, clamped - static_cast<float>(index)};
}

void warp(const AugmentForward& op, const AugmentDraw& draw, const Scratch& scratch) {
  const int right = op.photo_w > 1 ? 1 : 0, down = op.photo_h > 1 ? op.photo_w : 0;
  for (int y = 0; y < op.h; ++y) {
    const float dy = static_cast<float>(y) - 0.5f * static_cast<float>(op.h - 1);
    const float row_x = draw.center_x + draw.m01 * dy, row_y = draw.center_y + draw.m11 * dy;
    Pixel* out = scratch.picture + static_cast<std::size_t>(y) * op.w;
    for (int x = 0; x < op.w; ++x) {
      const float dx = static_cast<float>(x) - 0.5f * static_cast<float>(op.w - 1);
      const Tap column = tap(row_x + draw.m00 * dx, op.photo_w), row = tap(row_y + draw.m10 * dx, op.photo_h);
      const Pixel* at = scratch.photo + static_cast<std::size_t>(row.index) * op.photo_w + column.index;
      const Pixel top = at[0] + column.weight * (at[right] - at[0]);
      const Pixel bottom = at[down] + column.weight * (at[down + right] - at[down]);
      out[x] = top + row.weight * (bottom - top);
    }
  }
}

/// picture -> photo along rows, photo -> picture along columns.
void blur(const AugmentForward& op, const AugmentDraw& draw, const Scratch& scratch) {
  const int last_x = op.w - 1, last_y = op.h - 1;
  for (int y = 0; y < op.h; ++y) {
    const Pixel* in = scratch.picture + static_cast<std::size_t>(y) * op.w;
    Pixel* out = scratch.photo + static_cast<std::size_t>(y) * op.w;
    for (int x = 0; x < op.w; ++x) {
      const Pixel one = in[std::max(x - 1, 0)] + in[std::min(x + 1, last_x)];
      const Pixel two = in[std::max(x - 2, 0)] + in[std::min(x + 2, last_x)];
      out[x] = draw.tap0 * in[x] + draw.tap1 * one + draw.tap2 * two;
    }
  }
  const auto row = [&](int y) {
    return scratch.photo + static_cast<std::size_t>(std::min(std::max(y, 0), last_y)) * op.w;
  };
  for (int y = 0; y < op.h; ++y) {
    const Pixel *up2 = row(y - 2), *up1 = row(y - 1), *here = row(y), *down1 = row(y + 1), *down2 = row(y + 2);
    Pixel* out = scratch.picture + static_cast<std::size_t>(y) * op.w;
    for (int x = 0; x < op.w; ++x) {
      out[x] = draw.tap0 * here[x] + draw.tap1 * (up1[x] + down1[x]) + draw.tap2 * (up2[x] + down2[x]);
    }
  }
}

/// to[0 .. count) = noise of elements first .. first + count of the sample; up to 4 more are written.
void noise_row(const StepState& step, std::uint32_t sample, std::size_t first, std::size_t count, float* to) {
  const std::uint32_t skip = static_cast<std::uint32_t>(first % 4), block = static_cast<std::uint32_t>(first / 4);
  const std::uint32_t blocks = static_cast<std::uint32_t>((skip + count + 3) / 4);
#pragma omp simd
  for (std::uint32_t b = 0; b < blocks; ++b) {
    const Philox4 words = philox(step.seed, step.epoch, sample, purpose::kNoise, block + b);
    for (int j = 0; j < 4; ++j) to[4 * b + j] = augment_noise(words.v[j]);
  }
  if (skip > 0) std::memmove(to, to + skip, count * sizeof(float));
}

/// Normalises scratch.values, which are in [0, 1], and stores them as row y of picture i.
template <typename T>
void store_row(const AugmentForward& op, const Scratch& scratch, int i, int y) {
  const int count = op.w * 3;
  T* to = static_cast<T*>(op.x) + (static_cast<std::size_t>(i) * op.h + y) * count;
  const float *values = scratch.values, *mean = scratch.mean, *inv_std = scratch.inv_std;
#pragma omp simd
  for (int e = 0; e < count; ++e) to[e] = from_float<T>((values[e] - mean[e]) * inv_std[e]);
}

template <typename T>
void store_centre(const AugmentForward& op, const Scratch& scratch, const std::uint8_t* photo, int i) {
  const std::size_t top = augment_margin(op.photo_h, op.h), left = augment_margin(op.photo_w, op.w);
  for (int y = 0; y < op.h; ++y) {
    const std::uint8_t* bytes = photo + ((top + y) * op.photo_w + left) * 3;
#pragma omp simd
    for (int e = 0; e < op.w * 3; ++e) scratch.values[e] = static_cast<float>(bytes[e]) / 255.0f;
    store_row<T>(op, scratch, i, y);
  }
}

/// Contrast, brightness and noise, then the normalised row.
template <typename T>
void store_picture(const AugmentForward& op, const AugmentDraw& draw, const Scratch& scratch, int i) {
  const int count = op.w * 3;
  const float gain = draw.gain / 255.0f;
  float* values = scratch.values;
  for (int y = 0; y < op.h; ++y) {
    const Pixel* pixels = scratch.picture + static_cast<std::size_t>(y) * op.w;
    // The fourth float of a pixel is overwritten by the next pixel, the last one falls into the row's padding.
    for (int x = 0; x < op.w; ++x) std::memcpy(values + 3 * x, pixels + x, sizeof(Pixel));
#pragma omp simd
    for (int e = 0; e < count; ++e) values[e] = gain * values[e] + draw.offset;
    if (draw.noise_sigma > 0.0f) {
      noise_row(*op.step, op.sample_ids[i], static_cast<std::size_t>(y) * count, count, scratch.noise);
#pragma omp simd
      for (int e = 0; e < count; ++e) values[e] += draw.noise_sigma * scratch.noise[e];
    }
#pragma omp simd
    for (int e = 0; e < count; ++e) values[e] = std::min(std::max(values[e], 0.0f), 1.0f);
    store_row<T>(op, scratch, i, y);
  }
}

template <typename T>
void augment_one(const AugmentForward& op, const Scratch& scratch, int i) {
  const std::size_t pixels = static_cast<std::size_t>(op.photo_h) * op.photo_w;
  const std::uint8_t* photo = op.photos + op.photo_index[i] * pixels * 3;
  const AugmentDraw draw = augment_draw(op, op.step->seed, op.step->epoch, op.sample_ids[i]);
  if (draw.identity) {
    store_centre<T>(op, scratch, photo, i);
    return;
  }
  widen_photo(photo, pixels, scratch.photo);
  warp(op, draw, scratch);
  if (draw.blur) blur(op, draw, scratch);
  store_picture<T>(op, draw, scratch, i);
}

}  // namespace

std::size_t augment_workspace_bytes(const AugmentForward& op) {
  return Scratch::floats(op) * sizeof(float) * team_size(op, kMaxTeam);
}

void augment_forward(const AugmentForward& op, int threads) {
  const int team = team_size(op, threads);
  with_dtype(op.dtype, "augment_forward", [&](auto element) {
    parallel(team, [&](int slot) {
      const Scratch scratch(op, static_cast<float*>(op.workspace) + Scratch::floats(op) * slot);
      for (int e = 0; e < op.w * 3; ++e) {
        scratch.mean[e] = op.mean[e % 3];
        scratch.inv_std[e] = op.inv_std[e % 3];
      }
      for (int i = slot; i < op.n; i += team) augment_one<decltype(element)>(op, scratch, i);
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
