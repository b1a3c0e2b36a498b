// The random part of augmentation: from (seed, epoch, sample) to the warp, blur, contrast and noise of one variant.
// Plain C++14 for host and device, so that every backend draws the same pictures.
#pragma once

#include <math.h>

#include "kernels/api/augment.h"
#include "kernels/api/philox.h"

namespace tsugi {

/// One variant of one photo, ready to compute. Output pixel (x, y) reads the photo, in its pixels, at
///   sx = center_x + m00 * (x - (w-1)/2) + m01 * (y - (h-1)/2)
///   sy = center_y + m10 * (x - (w-1)/2) + m11 * (y - (h-1)/2), both clamped to the photo, bilinear.
/// Then the horizontal and vertical 5-tap blur, then gain * v + offset + noise_sigma * augment_noise, values in [0, 1].
struct AugmentDraw {
  bool identity;             ///< variant 0: the photo's centre as it is; the fields below are not set
  float center_x, center_y;  ///< photo pixels
  float m00, m01, m10, m11;  ///< photo pixels an output pixel
  bool blur;
  float tap0, tap1, tap2;  ///< tap0 + 2 tap1 + 2 tap2 = 1
  float gain, offset;
  float noise_sigma;  ///< 0 = none
};

/// First row (or column) of the unchanged centre of `photo` pixels that shows `output` pixels.
TSUGI_HOST_DEVICE inline int augment_margin(int photo, int output) { return (photo - output) / 2; }

/// Uniform in [-1, 1).
TSUGI_HOST_DEVICE inline float uniform11(std::uint32_t bits) { return 2.0f * uniform01(bits) - 1.0f; }

/// Which part of the largest blur or noise a variant gets: 1/4 to 1, so that it can be seen.
TSUGI_HOST_DEVICE inline float augment_part(std::uint32_t bits) { return 0.25f + 0.75f * uniform01(bits); }

/// A normal draw of mean 0 and variance 1 from 32 random bits: the sum of their four bytes, centred and scaled. It is
/// the same number on every device, and its shape is close to Gaussian (excess kurtosis -0.3, largest value 3.45).
/// Element e of a sample's [h,w,3] uses word e % 4 of philox(seed, epoch, sample, kNoise, e / 4).
TSUGI_HOST_DEVICE inline float augment_noise(std::uint32_t bits) {
  const std::uint32_t pairs = (bits & 0x00FF00FFu) + ((bits >> 8) & 0x00FF00FFu);
  const std::int32_t sum = static_cast<std::int32_t>((pairs & 0xFFFFu) + (pairs >> 16));
  return static_cast<float>(sum - 510) * 0.0067658407f;  // 1 / sqrt(4 * (256^2 - 1) / 12)
}

TSUGI_HOST_DEVICE inline void draw_blur(float sigma, AugmentDraw* draw) {
  const float scale = -0.5f / (sigma * sigma);
  const float side1 = expf(scale), side2 = expf(4.0f * scale);
  const float sum = 1.0f + 2.0f * side1 + 2.0f * side2;
  draw->tap0 = 1.0f / sum;
  draw->tap1 = side1 / sum;
  draw->tap2 = side2 / sum;
}

/// Draws the variant `sample % variants` of a photo for the epoch.
/// op: sizes, variants and strength are read, pointers are not; seed, epoch: of StepState; sample: its id.
TSUGI_HOST_DEVICE inline AugmentDraw augment_draw(const AugmentForward& op, std::uint64_t seed, std::uint32_t epoch,
                                                  std::uint32_t sample) {
  AugmentDraw draw = {};
  draw.identity = sample % op.variants == 0;
  if (draw.identity) return draw;
  const AugmentStrength& strength = op.strength;
  const Philox4 a = philox(seed, epoch, sample, purpose::kAugment, 0);
  const Philox4 b = philox(seed, epoch, sample, purpose::kAugment, 1);
  const Philox4 c = philox(seed, epoch, sample, purpose::kAugment, 2);

  const float side = uniform01(a.v[0]) < strength.mirror ? -1.0f : 1.0f;
  const float angle = 0.017453293f * strength.rotation * uniform11(a.v[1]);
  const float zoom = 1.0f + strength.scale * uniform11(a.v[2]);
  const float cosine = cosf(angle) / zoom, sine = sinf(angle) / zoom;
  draw.m00 = side * cosine;
  draw.m01 = -sine;
  draw.m10 = side * sine;
  draw.m11 = cosine;
  draw.center_x = static_cast<float>(augment_margin(op.photo_w, op.w)) + 0.5f * static_cast<float>(op.w - 1) +
                  strength.shift * static_cast<float>(op.w) * uniform11(a.v[3]);
  draw.center_y = static_cast<float>(augment_margin(op.photo_h, op.h)) + 0.5f * static_cast<float>(op.h - 1) +
                  strength.shift * static_cast<float>(op.h) * uniform11(b.v[0]);

  draw.gain = 1.0f + strength.contrast * uniform11(b.v[1]);
  draw.offset = 0.5f - 0.5f * draw.gain + strength.brightness * uniform11(b.v[2]);
  draw.blur = strength.blur_sigma > 0.0f && uniform01(b.v[3]) < strength.blur_probability;
  if (draw.blur) draw_blur(strength.blur_sigma * augment_part(c.v[0]), &draw);
  if (uniform01(c.v[1]) < strength.noise_probability) draw.noise_sigma = strength.noise_sigma * augment_part(c.v[2]);
  return draw;
}

}  // namespace tsugi
