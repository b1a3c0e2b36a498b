// The head's shape, light, skin and hair. The features of the face are in synth_face.cpp.
#include "tools/synth_head.h"

#include <algorithm>
#include <cmath>

namespace tsugi::tools {
namespace {

float hash_to_unit(int x, int y, std::uint32_t number) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x8DA6B343u ^ static_cast<std::uint32_t>(y) * 0xD8163841u ^ number;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return static_cast<float>((h ^ (h >> 15)) >> 8) * (1.0f / 16777216.0f);
}

/// How much of a soft edge is covered at the signed distance (negative inside).
float covered(float distance, float soft) { return smooth_step(soft, -soft, distance); }

void over(Color* color, Color paint, float part) { *color = mix(*color, paint, part); }

float hair_length(HairStyle style) {
  switch (style) {
    case HairStyle::long_straight:
      return 1.75f;
    case HairStyle::bob:
      return 0.85f;
    case HairStyle::curly:
      return 0.45f;
    case HairStyle::bald:
      return 0.12f;
    default:
      return 0.08f;
  }
}

}  // namespace

float smooth_step(float from, float to, float value) {
  const float part = std::min(std::max((value - from) / (to - from), 0.0f), 1.0f);
  return part * part * (3.0f - 2.0f * part);
}

float smooth_noise(float x, float y, std::uint32_t number) {
  const float fx = std::floor(x), fy = std::floor(y);
  const int ix = static_cast<int>(fx), iy = static_cast<int>(fy);
  const float px = smooth_step(0.0f, 1.0f, x - fx), py = smooth_step(0.0f, 1.0f, y - fy);
  const float top = hash_to_unit(ix, iy, number) * (1.0f - px) + hash_to_unit(ix + 1, iy, number) * px;
  const float bottom = hash_to_unit(ix, iy + 1, number) * (1.0f - px) + hash_to_unit(ix + 1, iy + 1, number) * px;
  return top * (1.0f - py) + bottom * py;
}

HeadPainter::HeadPainter(const Person& person, const Shot& shot)
    : person_(person),
      shot_(shot),
      sin_roll_(std::sin(shot.roll)),
      cos_roll_(std::cos(shot.roll)),
      sin_yaw_(std::sin(shot.yaw)),
      cos_yaw_(std::cos(shot.yaw)),
      sin_pitch_(std::sin(shot.pitch)),
      cos_pitch_(std::cos(shot.pitch)) {}

float HeadPainter::half_width(float y) const {
  const float narrowing = person_.jaw * smooth_step(0.0f, 1.1f, y) + 0.06f * smooth_step(-0.3f, -1.1f, y);
  return person_.width * (1.0f - narrowing) * (1.0f + 0.10f * smooth_step(0.2f, 0.9f, y));
}

float HeadPainter::lit(float nx, float ny, float nz) const {
  const float facing = nx * shot_.light_x + ny * shot_.light_y + nz * shot_.light_z;
  return shot_.ambient + shot_.diffuse * std::max(0.0f, facing);
}

HeadPainter::Surface HeadPainter::surface_at(float x, float y) const {
  const float width = half_width(y), nx = x / width;
  const float square = nx * nx + y * y;
  const float nz = std::sqrt(std::max(0.0f, 1.0f - square));
  const float turned_x = nx * cos_yaw_ - nz * sin_yaw_, turned_z = nx * sin_yaw_ + nz * cos_yaw_;
  Surface at;
  at.u = turned_x * width;
  at.v = y * cos_pitch_ - turned_z * sin_pitch_;
  at.z = y * sin_pitch_ + turned_z * cos_pitch_;
  at.light = lit(nx, y, nz);
  at.outline = (std::sqrt(square) - 1.0f) * width;
  return at;
}

Color HeadPainter::hair_at(float x, float y, float light) const {
  const float angle = std::atan2(x, -y + 0.3f);
  const float strands = smooth_noise(angle * 14.0f, std::sqrt(x * x + y * y) * 2.0f, shot_.texture);
  const float curls =
      person_.hair_style == HairStyle::curly ? smooth_noise(x * 9.0f, y * 9.0f, shot_.texture + 1) : 0.5f;
  return person_.hair * (light * (0.6f + 0.5f * strands + 0.4f * (curls - 0.3f)));
}

void HeadPainter::paint_body(float x, float y, float soft, Color* color) const {
  const float shade = lit(0.6f * x, -0.5f, 0.6f);
  const float bx = x / 1.75f, by = (y - 2.45f) / 1.15f;
  const float body = (std::sqrt(bx * bx + by * by) - 1.0f) * 1.15f;
  const float fold = 0.85f + 0.3f * smooth_noise(2.5f * x, 1.5f * y, shot_.texture + 2);
  over(color, shot_.clothes * (shade * fold), covered(body, soft));
  const float collar = std::max(std::abs(x) - 0.62f + 0.42f * (y - 1.1f), body);
  over(color, shot_.collar * shade, covered(collar, soft));
  const float neck = std::max(std::abs(x) - 0.40f * person_.width / 0.76f - 0.08f * smooth_step(1.0f, 1.5f, y),
                              std::max(0.3f - y, y - 1.45f + 0.9f * std::abs(x)));
  over(color, person_.skin * (0.72f * lit(x, 0.5f, 0.6f)), covered(neck, soft));
}

void HeadPainter::paint_back_hair(float x, float y, float soft, Color* color) const {
  const float length = hair_length(person_.hair_style);
  float volume = person_.hair_style == HairStyle::bald ? 1.01f : person_.hair_volume + 0.03f * shot_.hair_ruffle;
  if (person_.hair_style == HairStyle::receding) volume = 1.0f + 0.4f * (volume - 1.0f);
  if (person_.hair_style == HairStyle::curly) {
    volume += 0.10f + 0.13f * (smooth_noise(4.0f * std::atan2(x, -y), 0.0f, shot_.texture + 3) - 0.3f);
  }
  // Below the ears, long hair hangs straight down.
  const float top_y = std::min(y, 0.0f), hanging = std::max(0.0f, y);
  const float width = half_width(top_y) * volume;
  const float hx = x / (width * (1.0f + 0.06f * hanging)), hy = top_y / volume;
  float distance = (std::sqrt(hx * hx + hy * hy) - 1.0f) * width;
  distance = std::max(distance, y - length - 0.1f * smooth_noise(5.0f * x, 0.0f, shot_.texture + 4));
  if (person_.hair_style == HairStyle::bald) distance = std::max(distance, -0.45f - y);
  const float light = lit(0.8f * hx, hy - 0.2f, 0.5f) * (y > 0.0f ? 0.8f : 1.0f);
  over(color, hair_at(x, y, light), covered(distance, soft));
}

void HeadPainter::paint_ears(float x, float y, float soft, Color* color) const {
  for (const float side : {-1.0f, 1.0f}) {
    const float away = side * sin_yaw_;  // an ear turns out of sight on the side that the face looks to
    const float ex = (x - side * half_width(0.0f) * (1.0f - 0.25f * std::max(0.0f, away))) / (0.55f * person_.ear_size);
    const float ey = (y - 0.08f - 0.3f * sin_pitch_) / person_.ear_size;
    const float inside = std::sqrt(ex * ex + ey * ey);
    const float shade = lit(0.8f * side, 0.0f, 0.5f) * (0.75f + 0.25f * smooth_step(0.3f, 0.8f, inside));
    over(color, person_.skin * Color{shade, 0.93f * shade, 0.92f * shade}, covered((inside - 1.0f) * 0.08f, soft));
  }
}

void HeadPainter::paint_skin(const Surface& at, Color* color) const {
  const float blotch = 0.96f + 0.08f * smooth_noise(5.0f * at.u, 5.0f * at.v, shot_.texture + 5);
  Color skin = person_.skin;
  for (const float side : {-1.0f, 1.0f}) {  // cheeks
    const float dx = (at.u - side * 0.42f) / 0.24f, dy = (at.v - 0.28f) / 0.2f;
    skin = mix(skin, skin * Color{1.08f, 0.88f, 0.86f}, std::exp(-dx * dx - dy * dy));
  }
  *color = skin * (at.light * blotch);
}

float HeadPainter::front_hair(const Surface& at, float soft) const {
  const float u = at.u,
              ruffle = 0.05f * (smooth_noise(9.0f * u, 0.0f, shot_.texture + 6) - 0.5f) * (0.5f + shot_.hair_ruffle);
  const float sides = smooth_step(0.45f, 0.75f, std::abs(u) / person_.width);  // the edge comes down before the ears
  float edge = person_.hairline;
  switch (person_.hair_style) {
    case HairStyle::bald:
      edge = -2.0f;
      break;
    case HairStyle::short_cut:
      edge += 0.35f * sides;
      break;
    case HairStyle::side_part:
      edge += 0.25f * (u + 0.2f) + 0.12f * smooth_step(-0.25f, -0.15f, u) + 0.3f * sides;
      break;
    case HairStyle::fringe:
      edge = -0.36f + 0.03f * std::sin(16.0f * u) + 0.35f * sides;
      break;
    case HairStyle::receding:
      edge += -0.24f + 0.22f * std::exp(-24.0f * u * u) + 0.45f * sides;
      break;
    case HairStyle::long_straight:
      edge += 0.55f * u * u / (person_.width * person_.width) * 2.0f - 0.05f;
      break;
    case HairStyle::curly:
      edge += 0.04f + 0.06f * std::sin(19.0f * u) + 0.4f * sides;
      break;
    case HairStyle::bob:
      edge = -0.40f + 0.75f * sides;
      break;
  }
  if (at.z < -0.1f) return 1.0f;  // the back of the head
  return covered(at.v - edge - ruffle, 2.0f * soft);
}

void HeadPainter::paint(float x, float y, float soft, Color* color) const {
  const float head_x = x * cos_roll_ + y * sin_roll_, head_y = y * cos_roll_ - x * sin_roll_;
  paint_body(x, y, soft, color);
  if (std::abs(head_x) > 1.5f || head_y < -1.6f || head_y > 2.2f) return;
  paint_back_hair(head_x, head_y, soft, color);
  const bool covered_ears = person_.hair_style == HairStyle::long_straight || person_.hair_style == HairStyle::bob;
  if (!covered_ears) paint_ears(head_x, head_y, soft, color);
  paint_face(head_x, head_y, soft, color);
  paint_hat(head_x, head_y, soft, color);
}

void HeadPainter::paint_face(float x, float y, float soft, Color* color) const {
  const Surface at = surface_at(x, y);
  const float head = covered(at.outline, soft);
  if (head <= 0.0f) return;
  Color face;
  paint_skin(at, &face);
  if (at.z > 0.0f) {
    paint_beard(at, soft, &face);
    paint_nose(at, soft, &face);
    paint_mouth(at, soft, &face);
    for (const float side : {-1.0f, 1.0f}) {
      paint_eye(at, side, soft, &face);
      paint_brow(at, side, soft, &face);
    }
  }
  over(&face, hair_at(at.u, at.v, at.light), front_hair(at, soft));
  if (at.z > 0.0f) paint_glasses(at, soft, &face);
  over(color, face, head);
}

void HeadPainter::paint_hat(float x, float y, float soft, Color* color) const {
  if (shot_.hat == Hat::none) return;
  const float tilt = 0.45f * sin_pitch_, edge = -0.42f + tilt - 0.08f * x * x;
  const float volume = person_.hair_volume + (shot_.hat == Hat::beanie ? 0.06f : 0.02f);
  const float width = half_width(-0.3f) * volume;
  const float hx = x / width, hy = y / volume;
  const float crown = std::max((std::sqrt(hx * hx + hy * hy) - 1.0f) * width, y - edge);
  const float knit =
      shot_.hat == Hat::beanie ? 0.85f + 0.3f * smooth_noise(22.0f * x, 4.0f * y, shot_.texture + 9) : 1.0f;
  const float light = lit(0.8f * hx, hy, std::sqrt(std::max(0.1f, 1.0f - hx * hx - hy * hy)));
  over(color, shot_.hat_color * (light * knit), covered(crown, soft));
  if (shot_.hat == Hat::beanie) {
    const float band = std::max(std::abs(y - edge + 0.08f) - 0.09f, std::abs(x) - 1.04f * width);
    over(color, shot_.hat_color * (0.75f * light * knit), covered(band, soft));
  } else {
    const float px = (x - 0.55f * sin_yaw_) / (0.95f * width), py = (y - edge - 0.02f) / 0.13f;
    over(color, shot_.hat_color * (0.6f * light), covered((std::sqrt(px * px + py * py) - 1.0f) * 0.13f, soft));
  }
}

}  // namespace tsugi::tools
