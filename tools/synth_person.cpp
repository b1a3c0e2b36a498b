// Draws of people and shots. Features of people come from Kronecker sequences, which spread consecutive people evenly;
// everything about a shot comes from Philox.
#include "tools/synth_person.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/philox.h"

namespace tsugi::tools {
namespace {

/// Uniform numbers in the order in which they are asked for, keyed by (seed, person, photo).
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint32_t person, std::uint32_t photo) : seed_(seed), person_(person), photo_(photo) {}
  std::uint32_t word() {
    if (next_ % 4 == 0) words_ = philox(seed_, person_, photo_, purpose::kSynth, next_ / 4);
    return words_.v[next_++ % 4];
  }
  float uniform(float low, float high) { return low + (high - low) * uniform01(word()); }
  /// Bell-shaped around 0, within +-limit.
  float bell(float limit) { return limit * (uniform(-0.5f, 0.5f) + uniform(-0.5f, 0.5f)); }

 private:
  std::uint64_t seed_;
  std::uint32_t person_, photo_, next_ = 0;
  Philox4 words_ = {};
};

/// The features of one person: feature k is the fractional part of offset_k + person * alpha_k, with alpha_k from the
/// square roots of primes and the offsets from the seed.
class Features {
 public:
  Features(std::uint64_t seed, std::uint32_t person) : offsets_(seed, 0xFFFFFFFFu, 0), person_(person) {}
  float next() {
    static const int primes[] = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,  41,  43,
                                 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107};
    const double alpha = std::sqrt(static_cast<double>(primes[count_++ % 28]));
    const double value = static_cast<double>(uniform01(offsets_.word())) + static_cast<double>(person_) * alpha;
    return static_cast<float>(value - std::floor(value));
  }
  float between(float low, float high) { return low + (high - low) * next(); }
  /// 0 .. count - 1
  int choice(int count) { return static_cast<int>(next() * static_cast<float>(count)) % count; }

 private:
  Draws offsets_;
  std::uint32_t person_;
  int count_ = 0;
};

Color hair_color(Features* features) {
  static const Color colors[] = {{0.05f, 0.04f, 0.04f}, {0.13f, 0.08f, 0.05f}, {0.26f, 0.16f, 0.09f},
                                 {0.55f, 0.41f, 0.22f}, {0.36f, 0.16f, 0.08f}, {0.40f, 0.38f, 0.37f}};
  return colors[features->choice(6)] * features->between(0.85f, 1.15f);
}

Color iris_color(Features* features) {
  static const Color colors[] = {
      {0.20f, 0.11f, 0.05f}, {0.25f, 0.42f, 0.62f}, {0.28f, 0.42f, 0.25f}, {0.10f, 0.06f, 0.04f}};
  return colors[features->choice(4)];
}

Color skin_color(Features* features) {
  const Color light = {0.88f, 0.70f, 0.59f}, dark = {0.58f, 0.40f, 0.29f};
  const float tone = features->next(), red = features->between(0.98f, 1.04f);
  return mix(light, dark, tone) * Color{red, 1.0f, 2.0f - red};
}

/// Different for every number below 3.2 million: the digits of a shuffled number, spoken.
std::string invent_name(std::uint64_t seed, std::uint32_t person) {
  static const char* const syllables[] = {"ka", "lo", "mi",  "ra", "ne", "su", "ti", "vo", "be", "da",
                                          "ni", "ro", "sha", "le", "mo", "ri", "ta", "ve", "no", "ji"};
  constexpr std::uint64_t kNames = 20ull * 20 * 20 * 20 * 20;
  std::uint64_t number = (person * 1234577ull + philox(seed, 0, 0, purpose::kSynth, 0).v[0]) % kNames;
  std::string name;
  for (int i = 0; i < 5; ++i, number /= 20) {
    std::string syllable = syllables[number % 20];
    if (i == 2) name += '_';
    if (i == 0 || i == 2) syllable[0] = static_cast<char>(syllable[0] - 'a' + 'A');
    name += syllable;
  }
  return name;
}

void draw_pose(Draws* draws, Shot* shot) {
  shot->center_x = 0.5f + draws->bell(0.075f);
  shot->center_y = 0.5f + draws->bell(0.07f);
  shot->head = 0.22f * (1.0f + draws->bell(0.2f));
  shot->roll = draws->bell(0.38f);
  shot->yaw = draws->bell(0.8f);
  shot->pitch = draws->bell(0.3f);
  shot->smile = draws->uniform(-0.3f, 1.0f);
  shot->mouth_open = draws->uniform(-0.8f, 0.8f);
  shot->eye_open = draws->uniform(0.55f, 1.1f);
  shot->gaze = draws->uniform(-1.0f, 1.0f);
  shot->brow_raise = draws->uniform(-0.03f, 0.05f);
}

void draw_light(Draws* draws, Shot* shot) {
  const float x = draws->uniform(-1.1f, 1.1f), y = draws->uniform(-0.9f, 0.3f), z = draws->uniform(0.35f, 1.0f);
  const float length = std::sqrt(x * x + y * y + z * z);
  shot->light_x = x / length;
  shot->light_y = y / length;
  shot->light_z = z / length;
  shot->ambient = draws->uniform(0.35f, 0.7f);
  shot->diffuse = draws->uniform(0.35f, 0.9f);
  const float exposure = draws->uniform(0.65f, 1.35f), warm = draws->bell(0.3f), tint = draws->bell(0.15f);
  shot->light = Color{1.0f + warm, 1.0f + tint, 1.0f - warm} * exposure;
}

/// Mostly dull, now and then strong.
Color any_color(Draws* draws) {
  const Color color = {draws->uniform(0.03f, 0.95f), draws->uniform(0.03f, 0.95f), draws->uniform(0.03f, 0.95f)};
  const float grey = 0.4f * color.r + 0.4f * color.g + 0.2f * color.b, strength = draws->uniform(0.0f, 1.0f);
  return mix({grey, grey, grey}, color, 0.15f + 0.85f * strength * strength);
}

}  // namespace

Person make_person(std::uint64_t seed, std::uint32_t number) {
  Features features(seed, number);
  Person person;
  person.name = invent_name(seed, number);
  person.hair_style = static_cast<HairStyle>(features.choice(8));
  person.hair = hair_color(&features);
  person.skin = skin_color(&features);
  person.glasses = static_cast<Glasses>(std::max(0, features.choice(7) - 4));
  person.beard = static_cast<Beard>(std::max(0, features.choice(7) - 3));
  if (person.hair_style == HairStyle::long_straight || person.hair_style == HairStyle::bob) person.beard = Beard::none;
  person.width = features.between(0.66f, 0.86f);
  person.jaw = features.between(0.05f, 0.42f);
  person.hair_volume = features.between(1.08f, 1.26f);
  person.hairline = features.between(-0.62f, -0.45f);
  person.eye_distance = features.between(0.25f, 0.37f);
  person.eye_height = features.between(-0.16f, 0.0f);
  person.eye_size = features.between(0.10f, 0.145f);
  person.eye_shape = features.between(0.38f, 0.62f);
  person.iris = iris_color(&features);
  person.brow_thickness = features.between(0.022f, 0.062f);
  person.brow_tilt = features.between(-0.25f, 0.35f);
  person.brow_height = features.between(0.14f, 0.22f);
  person.nose_length = features.between(0.27f, 0.42f);
  person.nose_width = features.between(0.09f, 0.17f);
  person.mouth_height = features.between(0.50f, 0.62f);
  person.mouth_width = features.between(0.19f, 0.32f);
  person.lips = features.between(0.035f, 0.085f);
  person.lip_color = mix(person.skin, Color{0.70f, 0.22f, 0.24f}, features.between(0.25f, 0.75f));
  person.ear_size = features.between(0.13f, 0.21f);
  return person;
}

Shot make_shot(std::uint64_t seed, std::uint32_t person, std::uint32_t photo) {
  Draws draws(seed, person, photo + 1);
  Shot shot;
  draw_pose(&draws, &shot);
  draw_light(&draws, &shot);
  for (Color& color : shot.background) color = any_color(&draws);
  shot.background_angle = draws.uniform(0.0f, 6.2831853f);
  shot.background_scale = draws.uniform(2.0f, 9.0f);
  shot.background_kind = static_cast<int>(draws.word() % 4);
  shot.colorless = draws.uniform(0.0f, 1.0f) < 0.1f;
  shot.hat = static_cast<Hat>(std::max(0, static_cast<int>(draws.word() % 10) - 7));
  shot.hat_color = any_color(&draws);
  shot.clothes = any_color(&draws);
  shot.collar = any_color(&draws);
  shot.hair_ruffle = draws.uniform(0.0f, 1.0f);
  shot.blur = std::max(0.0f, draws.uniform(-0.5f, 1.3f));
  shot.noise = draws.uniform(0.0f, 0.035f);
  shot.texture = draws.word();
  return shot;
}

}  // namespace tsugi::tools
