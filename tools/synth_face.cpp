// The features of a synthetic face, in the coordinates of the unturned face: u to the right, v down, the chin near v
// = 1.
#include <algorithm>
#include <cmath>

#include "tools/synth_head.h"

namespace tsugi::tools {
namespace {

float covered(float distance, float soft) { return smooth_step(soft, -soft, distance); }
void over(Color* color, Color paint, float part) { *color = mix(*color, paint, part); }

/// Signed distance, roughly, from an ellipse around the origin.
float ellipse(float x, float y, float half_width, float half_height) {
  const float ex = x / half_width, ey = y / half_height;
  return (std::sqrt(ex * ex + ey * ey) - 1.0f) * std::min(half_width, half_height);
}

}  // namespace

void HeadPainter::paint_eye(const Surface& at, float side, float soft, Color* color) const {
  const float x = at.u - side * person_.eye_distance, y = at.v - person_.eye_height;
  if (std::abs(x) > 0.3f || std::abs(y) > 0.25f) return;
  const float size = person_.eye_size, height = size * person_.eye_shape * shot_.eye_open;
  over(color, *color * 0.72f,
       0.6f * covered(ellipse(x, y + 0.02f, 1.35f * size, 1.2f * size * person_.eye_shape + 0.04f), 0.06f));
  const float almond = ellipse(x, y + 0.25f * height * (x * x / (size * size)), size, height);
  const float inside = covered(almond, soft);
  Color eye = Color{0.88f, 0.87f, 0.85f} * (0.9f * at.light);
  const float iris_size = 0.52f * size, look = 0.25f * size * shot_.gaze;
  const float radius = std::sqrt((x - look) * (x - look) + y * y);
  over(&eye, person_.iris * at.light, covered(radius - iris_size, soft));
  over(&eye, Color{0.02f, 0.02f, 0.02f}, covered(radius - 0.45f * iris_size, soft));
  const float gx = x - look + 0.3f * iris_size, gy = y + 0.35f * iris_size;
  over(&eye, Color{0.95f, 0.95f, 0.95f}, 0.8f * covered(std::sqrt(gx * gx + gy * gy) - 0.2f * iris_size, soft));
  over(color, eye, inside);
  const float lid = std::abs(almond) - 0.012f;
  over(color, Color{0.12f, 0.07f, 0.06f} * at.light, (y < 0.0f ? 0.9f : 0.35f) * covered(lid, soft));
}

void HeadPainter::paint_brow(const Surface& at, float side, float soft, Color* color) const {
  const float x = side * (at.u - side * person_.eye_distance);  // outwards
  const float length = 1.35f * person_.eye_size;
  if (std::abs(x) > 1.3f * length) return;
  const float arch = -0.35f * length * (1.0f - x * x / (length * length));
  const float middle =
      person_.eye_height - person_.brow_height - shot_.brow_raise + 0.05f + arch * 0.6f - person_.brow_tilt * x;
  const float thickness = person_.brow_thickness * (1.0f - 0.4f * smooth_step(0.0f, length, x));
  const float distance = std::max(std::abs(at.v - middle) - thickness, std::abs(x) - length);
  const Color hair = mix(person_.hair, Color{0.10f, 0.07f, 0.05f}, 0.4f);
  over(color, hair * at.light, 0.85f * covered(distance, 1.5f * soft));
}

void HeadPainter::paint_nose(const Surface& at, float soft, Color* color) const {
  const float length = person_.nose_length, width = person_.nose_width;
  const float tip = person_.eye_height + 0.05f + length;
  const float u = at.u - 0.16f * sin_yaw_ * smooth_step(tip - length, tip, at.v);  // the tip stands out
  const float along = (at.v - (tip - length)) / length;
  if (along < -0.1f || along > 1.4f || std::abs(u) > 0.4f) return;
  // The side away from the light is darker, the ridge lighter.
  const float flank = 0.35f * width + 0.5f * width * smooth_step(0.3f, 1.0f, along);
  const float body =
      covered(std::abs(u) - flank, 0.05f) * smooth_step(0.0f, 0.3f, along) * smooth_step(1.12f, 1.0f, along);
  const float turned = u / flank * shot_.light_x;
  over(color, *color * (1.0f + 0.4f * std::min(std::max(turned, -1.0f), 0.5f)), body);
  const float ridge =
      std::exp(-u * u / (0.02f * width)) * smooth_step(0.0f, 0.2f, along) * smooth_step(1.1f, 0.95f, along);
  over(color, *color * 1.18f, 0.7f * ridge);
  const float y = at.v - tip;
  const float under = ellipse(u, y - 0.02f, 1.05f * width, 0.045f);
  over(color, *color * 0.66f, 0.7f * covered(under, 0.03f));
  for (const float side : {-1.0f, 1.0f}) {
    over(color, *color * 0.3f,
         0.85f * covered(ellipse(u - side * 0.5f * width, y - 0.01f, 0.26f * width, 0.02f), soft));
    const float wing = std::abs(ellipse(u - side * 0.82f * width, y + 0.03f, 0.3f * width, 0.06f)) - 0.008f;
    if (side * (u - side * 0.8f * width) > 0.0f) over(color, *color * 0.7f, 0.8f * covered(wing, soft));
  }
}

void HeadPainter::paint_mouth(const Surface& at, float soft, Color* color) const {
  const float width = person_.mouth_width * (1.0f + 0.22f * std::max(0.0f, shot_.smile));
  const float u = at.u - 0.05f * sin_yaw_, part = u / width;
  if (std::abs(part) > 1.3f) return;
  const float bend = 0.10f * shot_.smile * (part * part - 0.5f);  // smiling: the corners go up
  const float y = at.v - person_.mouth_height + bend;
  const float round = std::sqrt(std::max(0.0f, 1.0f - part * part));
  const float open = 0.075f * std::max(0.0f, shot_.mouth_open) * round;
  const float upper = -open - person_.lips * round * (0.75f - 0.25f * std::exp(-part * part * 40.0f));
  const float lower = open + 1.1f * person_.lips * round;
  const float ends = std::abs(u) - width;
  const float lips = std::max(std::max(upper - y, y - lower), ends);
  const float glow = 0.9f + 0.25f * smooth_step(0.0f, 0.06f, y);
  over(color, person_.lip_color * (at.light * glow), 0.9f * covered(lips, soft));
  const float gap = std::max(std::abs(y) - open - 0.010f, ends);
  over(color, Color{0.16f, 0.05f, 0.05f} * at.light, 0.95f * covered(gap, soft));
  if (open > 0.02f) {
    const float teeth = std::max(std::abs(y + 0.35f * open) - 0.5f * open, std::abs(u) - 0.8f * width);
    over(color, Color{0.88f, 0.86f, 0.80f} * at.light, 0.9f * covered(teeth, soft));
  }
  const float below = (at.v - person_.mouth_height - 0.16f) / 0.05f;
  over(color, *color * 0.85f, 0.5f * std::exp(-below * below) * covered(std::abs(u) - 0.6f * width, 0.1f));
}

void HeadPainter::paint_beard(const Surface& at, float soft, Color* color) const {
  if (person_.beard == Beard::none) return;
  const float nose = person_.eye_height + 0.05f + person_.nose_length;
  const float ruffle = 0.06f * (smooth_noise(14.0f * at.u, 14.0f * at.v, shot_.texture + 7) - 0.5f);
  const float lip_top = std::max(
      std::abs(at.v - 0.5f * (nose + 0.05f + person_.mouth_height)) - 0.55f * (person_.mouth_height - nose - 0.03f),
      std::abs(at.u) - 1.15f * person_.mouth_width);
  const float jaw = 0.62f - 0.85f * at.u * at.u / (person_.width * person_.width) - at.v;
  const float around = person_.beard == Beard::moustache ? lip_top : std::min(lip_top, std::max(jaw, -1.0f));
  const float strength = person_.beard == Beard::stubble ? 0.35f : 0.9f;
  const float grain = 0.7f + 0.5f * smooth_noise(30.0f * at.u, 18.0f * at.v, shot_.texture + 8);
  over(color, mix(person_.hair, Color{0.08f, 0.06f, 0.05f}, 0.3f) * (at.light * grain),
       strength * covered(around + ruffle, 2.0f * soft));
}

void HeadPainter::paint_glasses(const Surface& at, float soft, Color* color) const {
  if (person_.glasses == Glasses::none) return;
  const Color frame = {0.07f, 0.06f, 0.07f};
  const float y = at.v - person_.eye_height - 0.02f, size = 0.84f * person_.eye_distance - 0.02f;
  const float thickness = person_.glasses == Glasses::round ? 0.016f : 0.028f;
  float rims = 1.0f;
  for (const float side : {-1.0f, 1.0f}) {
    const float x = at.u - side * person_.eye_distance;
    const float shape = person_.glasses == Glasses::round ? std::sqrt(x * x + y * y) - 0.82f * size
                                                          : std::max(std::abs(x) - size, std::abs(y) - 0.62f * size);
    rims = std::min(rims, std::abs(shape) - thickness);
    over(color, *color * 0.9f + Color{0.05f, 0.05f, 0.06f} * at.light, 0.6f * covered(shape, soft));
  }
  const float bridge = std::max(std::abs(y + 0.04f) - thickness, std::abs(at.u) - person_.eye_distance + size);
  const float arms = std::max(std::abs(y + 0.04f) - thickness, person_.eye_distance + size - std::abs(at.u));
  over(color, frame * (0.4f + at.light), covered(std::min({rims, bridge, arms}), soft));
}

}  // namespace tsugi::tools
