// From a person and a shot to the pixels of a photo, and from those to a folder of JPEGs.
#include "tools/synth_draw.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>

#include "engine/core/atomic_file.h"
#include "engine/data/encode.h"
#include "kernels/api/augment_draw.h"
#include "kernels/api/error.h"
#include "kernels/api/philox.h"
#include "tools/synth_head.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kSamples = 2;                      ///< a side of a pixel's samples
constexpr int kQuality = 92;                     ///< of the JPEGs
constexpr std::uint32_t kNoiseBlock = 1u << 20;  ///< where the draws of a photo's noise begin

/// x, y: 0 to 1 over the photo.
Color background_at(const Shot& shot, float x, float y) {
  const float along = std::cos(shot.background_angle) * (x - 0.5f) + std::sin(shot.background_angle) * (y - 0.5f);
  const float scale = shot.background_scale;
  const float cloud = 0.65f * smooth_noise(scale * x, scale * y, shot.texture + 20) +
                      0.35f * smooth_noise(3.0f * scale * x, 3.0f * scale * y, shot.texture + 21);
  Color color = mix(shot.background[0], shot.background[1], std::min(std::max(along + 0.5f, 0.0f), 1.0f));
  float part = 0.0f;
  switch (shot.background_kind) {
    case 0:
      part = 0.7f * smooth_step(0.35f, 0.65f, cloud);
      break;  // clouds
    case 1:
      part = 0.8f * smooth_step(-0.1f, 0.1f, std::sin(3.0f * scale * along + 2.0f * cloud));
      break;  // stripes
    case 2:
      part = 0.9f * smooth_step(0.02f, -0.02f, std::abs(along) - 0.05f * scale * cloud);
      break;  // a post
    default:
      break;  // a wall
  }
  color = mix(color, shot.background[2], part);
  return color * (0.8f + 0.4f * cloud);
}

/// The lit picture, linear: [size,size] colours.
std::vector<Color> render(const Person& person, const Shot& shot, int size) {
  const HeadPainter head(person, shot);
  const float pixel = 1.0f / static_cast<float>(size);
  const float soft = 0.5f * pixel / shot.head;
  std::vector<Color> picture(static_cast<std::size_t>(size) * size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const Color background =
          background_at(shot, (static_cast<float>(x) + 0.5f) * pixel, (static_cast<float>(y) + 0.5f) * pixel);
      Color sum;
      for (int sample = 0; sample < kSamples * kSamples; ++sample) {
        const float sx = (static_cast<float>(x) + (static_cast<float>(sample % kSamples) + 0.5f) / kSamples) * pixel;
        const float sy = (static_cast<float>(y) + (static_cast<float>(sample / kSamples) + 0.5f) / kSamples) * pixel;
        Color color = background;
        head.paint((sx - shot.center_x) / shot.head, (sy - shot.center_y) / shot.head, soft, &color);
        sum = sum + color;
      }
      sum = sum * shot.light * (1.0f / (kSamples * kSamples));
      const float grey = 0.3f * sum.r + 0.59f * sum.g + 0.11f * sum.b;
      picture[static_cast<std::size_t>(y) * size + x] = shot.colorless ? Color{grey, grey, grey} : sum;
    }
  }
  return picture;
}

/// Gaussian blur along rows and columns; sigma in pixels.
void blur(std::vector<Color>* picture, int size, float sigma) {
  if (sigma < 0.2f) return;
  const int radius = static_cast<int>(std::ceil(2.5f * sigma));
  std::vector<float> taps;
  float sum = 0.0f;
  for (int k = -radius; k <= radius; ++k) {
    taps.push_back(std::exp(-0.5f * static_cast<float>(k * k) / (sigma * sigma)));
    sum += taps.back();
  }
  for (const bool along_rows : {true, false}) {
    const std::vector<Color> in = *picture;
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        Color value;
        for (int k = -radius; k <= radius; ++k) {
          const int row = along_rows ? y : std::min(std::max(y + k, 0), size - 1);
          const int column = along_rows ? std::min(std::max(x + k, 0), size - 1) : x;
          value = value + in[static_cast<std::size_t>(row) * size + column] * (taps[k + radius] / sum);
        }
        (*picture)[static_cast<std::size_t>(y) * size + x] = value;
      }
    }
  }
}

std::uint8_t to_byte(float value) {
  const float clamped = std::min(std::max(value, 0.0f), 1.0f);
  return static_cast<std::uint8_t>(255.0f * clamped + 0.5f);
}

void check(bool holds, const std::string& message) {
  if (!holds) throw Error("synth: " + message);
}

void check_range(const char* what, long long value, long long low, long long high) {
  check(value >= low && value <= high, std::string(what) + " is " + std::to_string(value) + ", expected " +
                                           std::to_string(low) + " to " + std::to_string(high));
}

/// All photos of one person, into OUT/<name>.
void write_person(const fs::path& out, std::uint32_t person, int photos, std::uint64_t seed, int size) {
  const std::string name = make_person(seed, person).name;
  fs::create_directory(out / name);
  for (int photo = 0; photo < photos; ++photo) {
    const std::vector<std::uint8_t> pixels = draw_person_photo(seed, person, static_cast<std::uint32_t>(photo), size);
    const std::string number = std::to_string(photo + 1);
    const std::string file = name + "_" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number + ".jpg";
    const std::vector<std::uint8_t> jpeg = encode_jpeg({pixels.data(), size, size, 3}, kQuality);
    write_file_atomically((out / name / file).string(), jpeg.data(), jpeg.size());
  }
}

/// Every person on its own thread; the first failure is thrown when all have stopped.
void write_all(const fs::path& out, int people, int photos, std::uint64_t seed, int size, int first_person) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < people; ++i) {
    bool stopped;
#pragma omp critical(synth_failure)
    stopped = failure != nullptr;
    if (stopped) continue;
    try {
      write_person(out, static_cast<std::uint32_t>(first_person + i), photos, seed, size);
    } catch (...) {
#pragma omp critical(synth_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<std::uint8_t> draw_person_photo(std::uint64_t seed, std::uint32_t person, std::uint32_t photo, int size) {
  check_range("size", size, 32, 1024);
  const Shot shot = make_shot(seed, person, photo);
  std::vector<Color> picture = render(make_person(seed, person), shot, size);
  blur(&picture, size, shot.blur * static_cast<float>(size) / 250.0f);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(picture.size() * 3);
  for (std::size_t i = 0; i < picture.size(); ++i) {
    const Philox4 words = philox(seed, person, photo + 1, purpose::kSynth, kNoiseBlock + static_cast<std::uint32_t>(i));
    const float values[3] = {picture[i].r, picture[i].g, picture[i].b};
    for (int c = 0; c < 3; ++c) bytes.push_back(to_byte(values[c] + shot.noise * augment_noise(words.v[c])));
  }
  return bytes;
}

void write_synthetic_people(const std::string& out, int people, int photos, std::uint64_t seed, int size,
                            int first_person) {
  check_range("people", people, 1, 1000000);
  check_range("photos", photos, 1, 1000000);
  check_range("size", size, 32, 1024);
  check_range("first person", first_person, 0, 2000000);
  std::error_code error;
  const bool existed = fs::exists(out, error);
  check(!existed || (fs::is_directory(out, error) && fs::is_empty(out, error) && !error),
        out + " exists and is not an empty folder");
  // A new folder is drawn beside its place: whoever finds it there finds it whole.
  const fs::path target = fs::path(out).has_filename() ? fs::path(out) : fs::path(out).parent_path();
  const fs::path folder = existed ? target : fs::path(target.string() + ".tmp-" + std::to_string(::getpid()) + "-0");
  check(fs::create_directories(folder, error) || existed, out + " cannot be made: " + error.message());
  try {
    write_all(folder, people, photos, seed, size, first_person);
    if (!existed) fs::rename(folder, target, error);
    check(!error, out + " cannot be renamed into place: " + error.message());
  } catch (...) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) fs::remove_all(entry.path(), error);
    if (!existed) fs::remove(folder, error);
    throw;
  }
}

}  // namespace tsugi::tools
