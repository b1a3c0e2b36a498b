// Who a drawn person is, and how one photo of them was taken. Each member is drawn where it is declared, in that order,
// from (seed, person, photo), so that the same numbers give the same folder everywhere.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/api/philox.h"

namespace tsugi::tools {

/// Linear colour, 0 to 1 a channel.
struct Color {
  float r = 0.0f, g = 0.0f, b = 0.0f;
};

inline Color operator*(Color a, Color b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
inline Color operator*(Color a, float s) { return a * Color{s, s, s}; }
inline Color operator+(Color a, Color b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
inline Color mix(Color a, Color b, float part) { return a * (1.0f - part) + b * part; }
inline Color greyed(Color c) { return Color{1.0f, 1.0f, 1.0f} * (0.3f * c.r + 0.59f * c.g + 0.11f * c.b); }

/// Numbers in the order in which they are asked for. Number k is the fractional part of u_k + turns * sqrt(prime_k),
/// u_k uniform: a person's number for `turns` gives Kronecker sequences, which spread consecutive people evenly.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint32_t person, std::uint32_t photo, std::uint32_t turns)
      : seed_(seed), person_(person), photo_(photo), turns_(turns) {}

  float next() {
    static const int primes[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,  41,  43,
                                 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107};
    if (count_ % 4 == 0) words_ = philox(seed_, person_, photo_, purpose::kSynth, count_ / 4);
    const double step = std::sqrt(static_cast<double>(primes[count_ % 28]));
    const double value = static_cast<double>(uniform01(words_.v[count_++ % 4])) + turns_ * step;
    return static_cast<float>(value - std::floor(value));
  }
  float between(float low, float high) { return low + (high - low) * next(); }
  /// Bell-shaped around 0, within +-limit.
  float bell(float limit) { return limit * (next() + next() - 1.0f); }
  template <class T, int count>
  const T& one_of(const T (&values)[count]) {
    return values[static_cast<int>(next() * count) % count];
  }
  /// Mostly dull, now and then strong.
  Color color() {
    const Color any = {between(0.03f, 0.95f), between(0.03f, 0.95f), between(0.03f, 0.95f)};
    const float strength = next();
    return mix(greyed(any), any, 0.15f + 0.85f * strength * strength);
  }

 private:
  std::uint64_t seed_;
  std::uint32_t person_, photo_, turns_, count_ = 0;
  Philox4 words_ = {};
};

/// Lengths are in head units: the chin is 1 below the head's centre, the top 1 above.
struct HairStyle {
  float length, volume, curls;  ///< how far down it hangs; share of a person's own volume; of the outline
  float hairline, edge;         ///< the edge on the forehead: share of a person's own, and how much lower
  float sides, slope;           ///< how far the edge comes down before the ears, and from one side to the other
  float peak, waves;            ///< how far it comes down in the middle; their height
};
constexpr HairStyle kHairStyles[] = {
    {0.12f, 0.06f, 0.00f, 0.0f, -2.00f, 0.00f, 0.00f, 0.00f, 0.00f},  // bald
    {0.08f, 1.00f, 0.00f, 1.0f, 0.00f, 0.35f, 0.00f, 0.00f, 0.00f},   // short
    {0.08f, 1.00f, 0.00f, 1.0f, 0.10f, 0.30f, 0.40f, 0.00f, 0.00f},   // parted at the side
    {0.08f, 1.00f, 0.00f, 0.0f, -0.36f, 0.35f, 0.00f, 0.00f, 0.03f},  // a fringe
    {0.08f, 0.40f, 0.00f, 1.0f, -0.24f, 0.45f, 0.00f, 0.22f, 0.00f},  // receding
    {1.75f, 1.00f, 0.00f, 1.0f, 0.05f, 0.95f, 0.00f, 0.00f, 0.00f},   // long and straight
    {0.45f, 1.00f, 0.18f, 1.0f, 0.04f, 0.40f, 0.00f, 0.00f, 0.06f},   // curly
    {0.85f, 1.00f, 0.00f, 0.0f, -0.40f, 0.75f, 0.00f, 0.00f, 0.00f},  // a bob
};
constexpr Color kHairColors[] = {{0.05f, 0.04f, 0.04f}, {0.13f, 0.08f, 0.05f}, {0.26f, 0.16f, 0.09f},
                                 {0.55f, 0.41f, 0.22f}, {0.36f, 0.16f, 0.08f}, {0.40f, 0.38f, 0.37f}};
constexpr Color kIrises[] = {{0.2f, 0.11f, 0.05f}, {0.25f, 0.42f, 0.62f}, {0.28f, 0.42f, 0.25f}, {0.1f, 0.06f, 0.04f}};

/// What few people have; part: how much it hides.
struct Glasses {
  float part = 0.0f, rim = 0.01f, height = 1.0f;  ///< half a rim's thickness; of a lens over its width
};
constexpr Glasses kGlasses[] = {{}, {}, {}, {}, {}, {1.0f, 0.016f, 1.0f}, {1.0f, 0.028f, 0.62f}};

struct Beard {
  float lip = 0.0f, jaw = 0.0f;  ///< parts above the mouth and along the jaw
};
constexpr Beard kBeards[] = {{}, {}, {}, {}, {0.35f, 0.35f}, {0.9f, 0.0f}, {0.9f, 0.9f}};

/// What makes a person recognisable: numbers beside each other give people that differ in many features.
struct Person : private Draws {
  Person(std::uint64_t seed, std::uint32_t number) : Draws(seed, 0xFFFFFFFFu, 0, number) {}

  const HairStyle& style = one_of(kHairStyles);
  float lightness = between(0.85f, 1.15f);
  Color hair = one_of(kHairColors) * lightness;
  float tone = next(), red = between(0.98f, 1.04f);
  Color skin = mix({0.88f, 0.70f, 0.59f}, {0.58f, 0.40f, 0.29f}, tone) * Color{red, 1.0f, 2.0f - red};
  Glasses glasses = one_of(kGlasses);
  Beard beard = one_of(kBeards);
  float width = between(0.66f, 0.86f), jaw = between(0.05f, 0.42f);  ///< half a width; how much narrower the chin is
  float volume = between(1.08f, 1.26f), hairline = between(-0.62f, -0.45f);  ///< the hair's outline over the head's
  float eye_distance = between(0.25f, 0.37f), eye_height = between(-0.16f, 0.0f);
  float eye_size = between(0.10f, 0.145f), eye_shape = between(0.38f, 0.62f);
  Color iris = one_of(kIrises);
  float brow = between(0.022f, 0.062f), brow_tilt = between(-0.25f, 0.35f), brow_height = between(0.14f, 0.22f);
  float nose_length = between(0.27f, 0.42f), nose_width = between(0.09f, 0.17f);
  float mouth_height = between(0.50f, 0.62f), mouth_width = between(0.19f, 0.32f), lips = between(0.035f, 0.085f);
  Color lip_color = mix(skin, {0.70f, 0.22f, 0.24f}, between(0.25f, 0.75f));
  float ear_size = between(0.13f, 0.21f);
};

/// What differs from photo to photo. Angles in radians, positions relative to the photo's side.
struct Shot : private Draws {
  Shot(std::uint64_t seed, std::uint32_t person, std::uint32_t photo) : Draws(seed, person, photo + 1, 0) {}

  float center_x = 0.5f + bell(0.075f), center_y = 0.5f + bell(0.07f), head = 0.22f * (1.0f + bell(0.2f));
  float roll = bell(0.38f), yaw = bell(0.8f), pitch = bell(0.3f);
  float smile = between(-0.3f, 1.0f), mouth_open = std::max(0.0f, between(-0.8f, 0.8f));
  float eye_open = between(0.55f, 1.1f), gaze = between(-1.0f, 1.0f), brow_raise = between(-0.03f, 0.05f);
  float light_x = between(-1.1f, 1.1f), light_y = between(-0.9f, 0.3f), light_z = between(0.35f, 1.0f);
  float ambient = between(0.35f, 0.7f), diffuse = between(0.35f, 0.9f);
  float exposure = between(0.65f, 1.35f), warm = bell(0.3f), tint = bell(0.15f);
  Color light = Color{1.0f + warm, 1.0f + tint, 1.0f - warm} * exposure;
  Color background[3] = {color(), color(), color()};
  float background_angle = between(0.0f, 6.2831853f), background_scale = between(2.0f, 9.0f), pattern = next();
  bool colorless = next() < 0.1f, hat = next() < 0.2f;
  Color hat_color = color(), clothes = color(), collar = color();
  float blur = std::max(0.0f, between(-0.5f, 1.3f)), noise = between(0.0f, 0.035f);  ///< pixels of 250; of full scale
  std::uint32_t texture = static_cast<std::uint32_t>(16777216.0f * next());          ///< number of the random patterns
};

/// Draws photo number `photo` (from 0) of a person, `size` pixels a side. Returns [size,size,3] RGB, the same for the
/// same arguments.
std::vector<std::uint8_t> draw_photo(std::uint64_t seed, std::uint32_t person, std::uint32_t photo, int size);

}  // namespace tsugi::tools
