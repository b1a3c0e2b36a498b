// Parameters of augmentation: uint8 photos -> an augmented, normalised batch, the first op of every step.
#pragma once

#include "kernels/api/types.h"

namespace tsugi {

/// Strengths of the random variants. A strength of 0 switches its part off. Ranges are symmetric around "unchanged".
struct AugmentStrength {
  float mirror = 0.5f;      ///< probability of a left-right flip
  float rotation = 12.0f;   ///< degrees, +-
  float scale = 0.12f;      ///< relative zoom, +-
  float shift = 0.08f;      ///< of the output's width and height, +-
  float brightness = 0.2f;  ///< added, in units of full scale, +-
  float contrast = 0.4f;    ///< relative gain around mid grey, +-
  float blur_probability = 0.25f;
  float blur_sigma = 1.0f;  ///< output pixels, largest
  float noise_probability = 0.25f;
  float noise_sigma = 0.03f;  ///< of full scale, largest
};

/// Batch element i is photo photo_index[i], variant sample_ids[i] % variants; variant 0 is the photo itself (its
/// centre, unchanged), every other a draw keyed by (seed, epoch, sample_ids[i], purpose). Formula, in this order:
/// bilinear warp (mirror, rotation, zoom, shift about the centre, edge pixels repeated), blur (separable 5-tap
/// Gaussian, edges repeated), contrast and brightness, noise (Gaussian), clamp to [0,1], then (value - mean) * inv_std.
/// The draw of the parameters is shared by all backends: augment_draw.h.
struct AugmentForward {
  int n = 1;
  int photo_h = 1, photo_w = 1;  ///< stored photos: at least h x w; the margin feeds shifts and rotations
  int h = 1, w = 1;              ///< output
  std::uint32_t variants = 1;    ///< 1 = every element unchanged
  AugmentStrength strength;
  float mean[3] = {0.5f, 0.5f, 0.5f};
  float inv_std[3] = {4.0f, 4.0f, 4.0f};
  const StepState* step = nullptr;             ///< device
  const std::uint8_t* photos = nullptr;        ///< [count,photo_h,photo_w,3], device
  const std::uint32_t* photo_index = nullptr;  ///< [n], device
  const std::uint32_t* sample_ids = nullptr;   ///< [n], device
  DType dtype = DType::f32;
  void* x = nullptr;  ///< [n,h,w,3], overwritten
  void* workspace = nullptr;
};

}  // namespace tsugi
