// The head of a synthetic person: an ellipsoid that turns, with the features lying on its surface.
#pragma once

#include "tools/synth_person.h"

namespace tsugi::tools {

/// 0 below `from`, 1 above `to`, smooth between.
float smooth_step(float from, float to, float value);

/// Smooth random pattern in 0 to 1, about one bump a unit; `number` selects the pattern.
float smooth_noise(float x, float y, std::uint32_t number);

/// Paints a person into one point of a photo after another.
class HeadPainter {
 public:
  HeadPainter(const Person& person, const Shot& shot);

  /// Paints what the person shows at (x, y) over `color`, lit. x, y: head units from the head's centre, y down.
  /// soft: width of the edges, head units.
  void paint(float x, float y, float soft, Color* color) const;

 private:
  /// A point of the head's surface: (u, v) is where it lies on the unturned face, z how far it faces its front.
  struct Surface {
    float u, v, z;
    float light;
    float outline;  ///< signed distance from the head's outline, negative inside
  };

  float half_width(float y) const;
  Surface surface_at(float x, float y) const;
  float lit(float nx, float ny, float nz) const;
  Color hair_at(float x, float y, float light) const;
  void paint_body(float x, float y, float soft, Color* color) const;
  void paint_back_hair(float x, float y, float soft, Color* color) const;
  void paint_ears(float x, float y, float soft, Color* color) const;
  void paint_face(float x, float y, float soft, Color* color) const;
  void paint_skin(const Surface& at, Color* color) const;
  void paint_eye(const Surface& at, float side, float soft, Color* color) const;
  void paint_brow(const Surface& at, float side, float soft, Color* color) const;
  void paint_nose(const Surface& at, float soft, Color* color) const;
  void paint_mouth(const Surface& at, float soft, Color* color) const;
  void paint_beard(const Surface& at, float soft, Color* color) const;
  float front_hair(const Surface& at, float soft) const;
  void paint_hat(float x, float y, float soft, Color* color) const;
  void paint_glasses(const Surface& at, float soft, Color* color) const;

  const Person& person_;
  const Shot& shot_;
  float sin_roll_, cos_roll_, sin_yaw_, cos_yaw_, sin_pitch_, cos_pitch_;
};

}  // namespace tsugi::tools
