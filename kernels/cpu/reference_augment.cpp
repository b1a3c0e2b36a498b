// Augmentation of the double-precision reference: the picture that a draw (augment_draw.h) describes, pixel by pixel.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/api/augment_draw.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

/// One picture of the batch while it is computed, values in [0, 1].
struct Picture {
  Picture(int rows, int columns) : h(rows), w(columns), values(static_cast<std::size_t>(rows) * columns * 3) {}
  double& at(int y, int x, int c) { return values[(static_cast<std::size_t>(y) * w + x) * 3 + c]; }
  /// Beyond the edge, the edge's own pixel.
  double clamped(int y, int x, int c) const {
    const std::size_t row = std::min(std::max(y, 0), h - 1), column = std::min(std::max(x, 0), w - 1);
    return values[(row * w + column) * 3 + c];
  }
  int h, w;
  std::vector<double> values;
};

Picture read_photo(const AugmentForward& op, int i) {
  Picture photo(op.photo_h, op.photo_w);
  const std::uint8_t* bytes = op.photos + op.photo_index[i] * photo.values.size();
  for (std::size_t e = 0; e < photo.values.size(); ++e) photo.values[e] = bytes[e] / 255.0;
  return photo;
}

Picture centre(const AugmentForward& op, const Picture& photo) {
  Picture out(op.h, op.w);
  const int top = augment_margin(op.photo_h, op.h), left = augment_margin(op.photo_w, op.w);
  for (int y = 0; y < op.h; ++y)
    for (int x = 0; x < op.w; ++x)
      for (int c = 0; c < 3; ++c) out.at(y, x, c) = photo.clamped(top + y, left + x, c);
  return out;
}

double bilinear(const Picture& photo, double sy, double sx, int c) {
  sy = std::min(std::max(sy, 0.0), photo.h - 1.0);
  sx = std::min(std::max(sx, 0.0), photo.w - 1.0);
  const int y = static_cast<int>(sy), x = static_cast<int>(sx);
  const double fy = sy - y, fx = sx - x;
  return (1 - fy) * ((1 - fx) * photo.clamped(y, x, c) + fx * photo.clamped(y, x + 1, c)) +
         fy * ((1 - fx) * photo.clamped(y + 1, x, c) + fx * photo.clamped(y + 1, x + 1, c));
}

Picture warp(const AugmentForward& op, const AugmentDraw& draw, const Picture& photo) {
  Picture out(op.h, op.w);
  for (int y = 0; y < op.h; ++y) {
    for (int x = 0; x < op.w; ++x) {
      const double dx = x - 0.5 * (op.w - 1), dy = y - 0.5 * (op.h - 1);
      const double sx = draw.center_x + static_cast<double>(draw.m00) * dx + static_cast<double>(draw.m01) * dy;
      const double sy = draw.center_y + static_cast<double>(draw.m10) * dx + static_cast<double>(draw.m11) * dy;
      for (int c = 0; c < 3; ++c) out.at(y, x, c) = bilinear(photo, sy, sx, c);
    }
  }
  return out;
}

/// One pass of the blur along rows (step_x = 1) or columns (step_y = 1).
Picture blur(const AugmentDraw& draw, const Picture& in, int step_y, int step_x) {
  Picture out(in.h, in.w);
  const double taps[5] = {draw.tap2, draw.tap1, draw.tap0, draw.tap1, draw.tap2};
  for (int y = 0; y < in.h; ++y)
    for (int x = 0; x < in.w; ++x)
      for (int c = 0; c < 3; ++c)
        for (int k = -2; k <= 2; ++k) out.at(y, x, c) += taps[k + 2] * in.clamped(y + k * step_y, x + k * step_x, c);
  return out;
}

void adjust(const AugmentForward& op, const AugmentDraw& draw, std::uint32_t sample, Picture* picture) {
  for (std::size_t e = 0; e < picture->values.size(); ++e) {
    double value = draw.gain * picture->values[e] + draw.offset;
    if (draw.noise_sigma > 0.0f) {
      const Philox4 words =
          philox(op.step->seed, op.step->epoch, sample, purpose::kNoise, static_cast<std::uint32_t>(e / 4));
      value += static_cast<double>(draw.noise_sigma) * augment_noise(words.v[e % 4]);
    }
    picture->values[e] = std::min(std::max(value, 0.0), 1.0);
  }
}

}  // namespace

template <typename T>
void augment_forward(const AugmentForward& op) {
  for (int i = 0; i < op.n; ++i) {
    const std::uint32_t sample = op.sample_ids[i];
    const AugmentDraw draw = augment_draw(op, op.step->seed, op.step->epoch, sample);
    Picture picture = read_photo(op, i);
    if (draw.identity) {
      picture = centre(op, picture);
    } else {
      picture = warp(op, draw, picture);
      if (draw.blur) picture = blur(draw, blur(draw, picture, 0, 1), 1, 0);
      adjust(op, draw, sample, &picture);
    }
    T* x = static_cast<T*>(op.x) + static_cast<std::size_t>(i) * picture.values.size();
    for (std::size_t e = 0; e < picture.values.size(); ++e)
      x[e] = static_cast<T>((picture.values[e] - op.mean[e % 3]) * op.inv_std[e % 3]);
  }
}

TSUGI_REFERENCE_INSTANCES(augment_forward, AugmentForward)

}  // namespace reference
}  // namespace tsugi
