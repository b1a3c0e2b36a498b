// Who a synthetic person is, and how one photo of them was taken. Everything is drawn from (seed, person, photo), so
// that the same numbers give the same folder everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace tsugi::tools {

/// Linear colour, 0 to 1 a channel.
struct Color {
  float r = 0.0f, g = 0.0f, b = 0.0f;
};

inline Color operator*(Color a, Color b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
inline Color operator*(Color a, float s) { return {a.r * s, a.g * s, a.b * s}; }
inline Color operator+(Color a, Color b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
inline Color mix(Color a, Color b, float part) { return a * (1.0f - part) + b * part; }

enum class HairStyle { bald, short_cut, side_part, fringe, receding, long_straight, curly, bob };
enum class Glasses { none, round, square };
enum class Beard { none, stubble, moustache, full };
enum class Hat { none, beanie, cap };

/// What makes a person recognisable. Lengths are in head units: the chin is 1 below the head's centre, the top 1 above.
struct Person {
  std::string name;
  float width, jaw;  ///< half width of the head; how much it narrows towards the chin
  Color skin;
  HairStyle hair_style;
  Color hair;
  float hair_volume, hairline;  ///< outline relative to the head; height of the hair's edge on the forehead
  float eye_distance, eye_height, eye_size, eye_shape;
  Color iris;
  float brow_thickness, brow_tilt, brow_height;
  float nose_length, nose_width;
  float mouth_height, mouth_width, lips;
  Color lip_color;
  float ear_size;
  Glasses glasses;
  Beard beard;
};

/// What differs from photo to photo. Angles in radians, positions relative to the photo's side.
struct Shot {
  float center_x, center_y, head;  ///< the head's centre, and pixels a head unit over the photo's side
  float roll, yaw, pitch;
  float smile, mouth_open, eye_open, gaze, brow_raise;
  float light_x, light_y, light_z;  ///< towards the light, length 1
  float ambient, diffuse;
  Color light;  ///< colour and exposure
  Color background[3];
  float background_angle, background_scale;
  int background_kind;
  Color clothes, collar;
  Hat hat;
  Color hat_color;
  bool colorless;  ///< a black-and-white photo
  float hair_ruffle;
  float blur, noise;      ///< sigma in pixels of a 250-pixel photo; sigma of full scale
  std::uint32_t texture;  ///< number of the textures' random pattern
};

/// The person number `person` of the world `seed`: numbers beside each other give people that differ in many features.
Person make_person(std::uint64_t seed, std::uint32_t person);

/// How photo number `photo` (from 0) of the person was taken.
Shot make_shot(std::uint64_t seed, std::uint32_t person, std::uint32_t photo);

}  // namespace tsugi::tools
