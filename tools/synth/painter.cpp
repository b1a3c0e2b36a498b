// From a person and a shot to pixels: a head that turns, an ellipsoid with the features lying on its surface as strokes
// of a brush, painted point by point over a background.
#include "kernels/api/augment_draw.h"
#include "tools/synth/people.h"

namespace tsugi::tools {
namespace {

/// 0 below `from`, 1 above `to`, smooth between.
float smooth_step(float from, float to, float value) {
  const float part = std::clamp((value - from) / (to - from), 0.0f, 1.0f);
  return part * part * (3.0f - 2.0f * part);
}

/// Smooth random pattern in 0 to 1, about one bump a unit; `number` selects the pattern.
float smooth_noise(float x, float y, std::uint32_t number) {
  const float left = std::floor(x), top = std::floor(y);
  const float px = smooth_step(0.0f, 1.0f, x - left), py = smooth_step(0.0f, 1.0f, y - top);
  const auto corner = [&](int right, int down) {
    return uniform01(
        philox(number, static_cast<int>(left) + right, static_cast<int>(top) + down, purpose::kSynth, 0).v[0]);
  };
  const auto row = [&](int down) { return corner(0, down) * (1.0f - px) + corner(1, down) * px; };
  return row(0) * (1.0f - py) + row(1) * py;
}

/// Signed distance, roughly, from an ellipse around the origin: negative inside.
float ellipse(float x, float y, float half_width, float half_height) {
  constexpr float kTiny = 1e-6f;  // at the centre the slope has no direction
  const float ex = x / half_width, ey = y / half_height, radius = std::hypot(ex, ey);
  const float slope = std::hypot(ex / half_width, ey / half_height);
  return (radius - 1.0f) * (radius + kTiny) / (slope + kTiny / std::min(half_width, half_height));
}

/// A bent ellipse filled with a colour. Lengths are in head units, y down.
struct Stroke {
  float x, y, half_width, half_height;
  Color paint;
  float part = 1.0f;               ///< how much it hides
  float soft = 0.0f;               ///< more than other edges
  float bend = 0.0f, tilt = 0.0f;  ///< how much higher its ends are than its middle; slope to the right
  float rim = 0.0f;                ///< above 0: the edge alone, half its thickness

  float distance(float px, float py) const {
    const float dx = px - x, at = dx / half_width;
    const float inside = ellipse(dx, py - y + bend * at * at + tilt * dx, half_width, half_height);
    return rim > 0.0f ? std::abs(inside) - rim : inside;
  }
};

/// Beard, nose and mouth, the farthest first. turn: how far the head's yaw moves the tip of the nose.
std::vector<Stroke> middle_strokes(const Person& p, const Shot& shot, float turn) {
  const float nose = p.eye_height + 0.05f + p.nose_length, width = p.nose_width, lip = 0.5f * (p.mouth_height - nose);
  const float bend = 0.10f * shot.smile, x = 0.3f * turn, y = p.mouth_height + 0.5f * bend;
  const float mouth = p.mouth_width * (1.0f + 0.22f * std::max(0.0f, shot.smile)), open = 0.075f * shot.mouth_open;
  const float teeth = open > 0.02f ? 0.9f : 0.0f;
  return {{0.0f, nose + lip + 0.02f, 1.3f * p.mouth_width, lip, p.hair * 0.8f, p.beard.lip, 0.04f},
          {0.0f, 1.2f, 1.4f * p.width, 0.6f, p.hair * 0.8f, p.beard.jaw, 0.04f, 1.6f},
          {turn - 0.6f * shot.light_x * width, nose - 0.06f, 0.5f * width, 0.2f, p.skin * 0.7f, 0.7f, 0.06f},
          {0.6f * turn, nose - 0.12f, 0.25f * width, 0.18f, p.skin * 1.15f, 0.7f, 0.04f},
          {turn, nose + 0.02f, 1.05f * width, 0.045f, p.skin * 0.66f, 0.7f, 0.03f},
          {turn - 0.5f * width, nose + 0.01f, 0.26f * width, 0.02f, p.skin * 0.3f},
          {turn + 0.5f * width, nose + 0.01f, 0.26f * width, 0.02f, p.skin * 0.3f},
          {x, y, mouth, open + p.lips, p.lip_color, 0.9f, 0.0f, bend},
          {x, y, mouth, open + 0.01f, {0.16f, 0.05f, 0.05f}, 0.95f, 0.0f, bend},
          {x, y - 0.3f * open, 0.8f * mouth, 0.4f * open + 0.001f, {0.88f, 0.86f, 0.80f}, teeth, 0.0f, bend}};
}

/// Eye, brow and half a pair of glasses. side: -1 left, 1 right.
std::vector<Stroke> side_strokes(const Person& p, const Shot& shot, float side) {
  const float x = side * p.eye_distance, y = p.eye_height, size = p.eye_size, height = size * p.eye_shape;
  const float open = height * shot.eye_open, iris = 0.52f * size, look = x + 0.25f * size * shot.gaze;
  const float brow = 1.35f * size, arch = 0.21f * brow, brow_y = y - p.brow_height - shot.brow_raise + 0.05f - arch;
  const float lens = 0.84f * p.eye_distance - 0.02f, rim = p.glasses.rim, glasses = p.glasses.part;
  return {{x, y - 0.02f, brow, 1.2f * height + 0.04f, p.skin * 0.72f, 0.6f, 0.06f},
          {x, y, size, open, {0.79f, 0.78f, 0.76f}},
          {look, y, iris, std::min(iris, open), p.iris},
          {look, y, 0.45f * iris, 0.45f * iris, {0.02f, 0.02f, 0.02f}},
          {x, y - 0.01f, size, open, {0.12f, 0.07f, 0.06f}, 0.8f, 0.0f, 0.0f, 0.0f, 0.012f},
          {x, brow_y, brow, p.brow, p.hair * 0.8f, 0.85f, 0.01f, -arch, side * p.brow_tilt},
          {x, y + 0.02f, lens, lens * p.glasses.height, {}, glasses, 0.0f, 0.0f, 0.0f, rim},
          {0.0f, y - 0.02f, p.eye_distance - lens, rim, {}, glasses},
          {x + side * (lens + 0.2f), y - 0.02f, 0.22f, rim, {}, glasses}};
}

/// Paints what a person shows, one point of a photo after another.
class Painter {
 public:
  /// soft: width of the edges, head units.
  Painter(const Person& person, const Shot& shot, float soft) : person_(person), shot_(shot), soft_(soft) {
    const float neck = 0.58f * person.width, ear = person.ear_size, edge = 0.45f * sin_pitch_ - 0.42f;
    const float top = person.volume + 0.04f, width = half_width(-0.3f) * top;
    body_ = {{0.0f, 2.45f, 2.0f, 1.15f, shot.clothes},
             {0.0f, 1.45f, neck + 0.25f, 0.4f, shot.collar},
             {0.0f, 0.7f, neck, 0.8f, person.skin * 0.72f}};
    face_ = middle_strokes(person, shot, 0.16f * sin_yaw_);
    for (const float side : {-1.0f, 1.0f}) {
      const float x = side * half_width(0.0f) * (1.0f - 0.25f * std::max(0.0f, side * sin_yaw_));
      body_.push_back({x, 0.08f + 0.3f * sin_pitch_, 0.55f * ear, ear, person.skin * 0.95f});
      for (const Stroke& stroke : side_strokes(person, shot, side)) face_.push_back(stroke);
    }
    if (shot.hat)
      hat_ = {{0.0f, 0.5f * (edge - top), 1.1f * width, 0.5f * (edge + top), shot.hat_color, 1.0f, 0.0f, -0.3f},
              {0.3f * sin_yaw_, edge, 1.02f * width, 0.11f, shot.hat_color * 0.7f}};
  }

  /// The colour at (x, y), head units from the head's centre, y down, before `background`.
  Color paint(float x, float y, Color background) const {
    const float hx = x * cos_roll_ + y * sin_roll_, hy = y * cos_roll_ - x * sin_roll_;
    const float light = lit(0.7f * hx, -0.3f, 0.6f);
    return stroke(hat_, hx, hy, light, face(hx, hy, back_hair(hx, hy, stroke(body_, hx, hy, light, background))));
  }

 private:
  float cover(float distance, float soft) const { return smooth_step(soft_ + soft, -soft_ - soft, distance); }
  float noise(float x, float y, std::uint32_t pattern) const { return smooth_noise(x, y, shot_.texture + pattern); }

  float lit(float nx, float ny, float nz) const {
    const float x = shot_.light_x, y = shot_.light_y, z = shot_.light_z;
    return shot_.ambient + shot_.diffuse * std::max(0.0f, nx * x + ny * y + nz * z) / std::sqrt(x * x + y * y + z * z);
  }

  /// Of the head at the height y.
  float half_width(float y) const {
    const float chin = person_.jaw * smooth_step(0.0f, 1.1f, y), crown = 0.06f * smooth_step(-0.3f, -1.1f, y);
    return person_.width * (1.0f - 0.85f * chin - crown);
  }

  Color stroke(const std::vector<Stroke>& strokes, float x, float y, float light, Color color) const {
    for (const Stroke& s : strokes) color = mix(color, s.paint * light, s.part * cover(s.distance(x, y), s.soft));
    return color;
  }

  Color hair_at(float x, float y, float light) const {
    return person_.hair * (light * (0.65f + 0.5f * noise(14.0f * std::atan2(x, 0.3f - y), 2.0f * std::hypot(x, y), 0)));
  }

  Color back_hair(float x, float y, Color color) const {
    const HairStyle& style = person_.style;
    const float curls = style.curls * noise(4.0f * std::atan2(x, -y), 0.0f, 3);
    const float volume = 1.0f + style.volume * (person_.volume - 1.0f) + curls;
    const float top = std::min(y, 0.0f);  // below the ears, long hair hangs straight down
    const float width = half_width(top) * volume * (1.0f + 0.06f * (y - top));
    const float light = lit(0.8f * x / width, top / volume - 0.2f, 0.5f) * (y > 0.0f ? 0.8f : 1.0f);
    return mix(color, hair_at(x, y, light), cover(std::max(ellipse(x, top, width, volume), y - style.length), 0.0f));
  }

  /// How far (u, v) of the face is below the hair's edge.
  float below_hair(float u, float v) const {
    const HairStyle& style = person_.style;
    const float sides = style.sides * smooth_step(0.45f, 0.75f, std::abs(u) / person_.width);
    const float middle = style.peak * std::exp(-24.0f * u * u) + style.waves * std::sin(17.0f * u);
    return v - style.hairline * person_.hairline - style.edge - sides - middle - style.slope * u;
  }

  Color face(float x, float y, Color behind) const {
    const float width = half_width(y), nx = x / width, square = nx * nx + y * y;
    const float nz = std::sqrt(std::max(0.0f, 1.0f - square)), light = lit(nx, y, nz);
    // Where the point lies on the unturned face, and how far it faces the front.
    const float u = (nx * cos_yaw_ - nz * sin_yaw_) * width, front = nx * sin_yaw_ + nz * cos_yaw_;
    const float v = y * cos_pitch_ - front * sin_pitch_, z = y * sin_pitch_ + front * cos_pitch_;
    Color color = person_.skin * (light * (0.96f + 0.08f * noise(5.0f * u, 5.0f * v, 5)));
    if (z > 0.0f) color = stroke(face_, u, v, light, color);
    color = mix(color, hair_at(u, v, light), z < -0.1f ? 1.0f : cover(below_hair(u, v), soft_));
    return mix(behind, color, cover((std::sqrt(square) - 1.0f) * width, 0.0f));
  }

  const Person& person_;
  const Shot& shot_;
  const float soft_;
  const float sin_roll_ = std::sin(shot_.roll), cos_roll_ = std::cos(shot_.roll);
  const float sin_yaw_ = std::sin(shot_.yaw), cos_yaw_ = std::cos(shot_.yaw);
  const float sin_pitch_ = std::sin(shot_.pitch), cos_pitch_ = std::cos(shot_.pitch);
  std::vector<Stroke> body_, face_, hat_;
};

/// x, y: from the photo's middle, sides of it.
Color background_at(const Shot& shot, float x, float y) {
  const float along = std::cos(shot.background_angle) * x + std::sin(shot.background_angle) * y;
  const float scale = shot.background_scale, cloud = smooth_noise(scale * x, scale * y, shot.texture + 20);
  const Color wall = mix(shot.background[0], shot.background[1], std::clamp(along + 0.5f, 0.0f, 1.0f));
  const float pattern = shot.pattern < 0.3f ? std::sin(3.0f * scale * along + 2.0f * cloud) : cloud - shot.pattern;
  return mix(wall, shot.background[2], 0.8f * smooth_step(-0.1f, 0.1f, pattern)) * (0.8f + 0.4f * cloud);
}

}  // namespace

std::vector<std::uint8_t> draw_photo(std::uint64_t seed, std::uint32_t number, std::uint32_t photo, int size) {
  const Person person(seed, number);
  const Shot shot(seed, number, photo);
  const float pixel = 1.0f / static_cast<float>(size);
  const Painter painter(person, shot, (0.5f * pixel + shot.blur / 250.0f) / shot.head);
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < size * size; ++i) {
    const float x = (static_cast<float>(i % size) + 0.5f) * pixel, y = (static_cast<float>(i / size) + 0.5f) * pixel;
    Color color = background_at(shot, x - 0.5f, y - 0.5f);
    color = painter.paint((x - shot.center_x) / shot.head, (y - shot.center_y) / shot.head, color) * shot.light;
    if (shot.colorless) color = greyed(color);
    // The noise's draws are counted down from the last one, the shot's up from the first.
    const Philox4 words = philox(seed, number, photo + 1, purpose::kSynth, ~static_cast<std::uint32_t>(i));
    const float values[3] = {color.r, color.g, color.b};
    for (int c = 0; c < 3; ++c) {
      const float value = std::clamp(values[c] + shot.noise * augment_noise(words.v[c]), 0.0f, 1.0f);
      bytes.push_back(static_cast<std::uint8_t>(255.0f * value + 0.5f));
    }
  }
  return bytes;
}

}  // namespace tsugi::tools
