// Draws small photos and runs trainers on them.
#include "tests/engine/photos.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/data/encode.h"
#include "kernels/api/philox.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kSide = 32;

std::vector<std::uint8_t> draw_photo(int person, int number) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      for (int c = 0; c < 3; ++c) {
        const double stripes = std::sin(0.3 * (1 + person) * (person % 2 == 0 ? x : y) + 2.0 * c * person);
        const std::uint32_t noise = philox(9, static_cast<std::uint32_t>(person), static_cast<std::uint32_t>(number), 1,
                                           static_cast<std::uint32_t>((y * kSide + x) * 3 + c))
                                        .v[0];
        pixels.push_back(static_cast<std::uint8_t>(128.0 + 70.0 * stripes + static_cast<double>(noise % 40)));
      }
  return encode_png({pixels.data(), kSide, kSide, 3});
}

PhotoStoreOptions store_options(const Model& model, int threads) {
  PhotoStoreOptions options;
  options.preprocessing = default_preprocessing(model.input.h);
  options.threads = threads;
  return options;
}

std::vector<std::uint32_t> all_of(std::size_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}

}  // namespace

PhotoSet make_photos(int people, int each, int first_person) {
  PhotoSet set;
  for (int person = first_person; person < first_person + people; ++person) {
    set.class_names.push_back("p" + std::to_string(person));
    for (int i = 0; i < each; ++i) {
      const std::string file = set.class_names.back() + "/" + std::to_string(i) + ".png";
      set.photos.push_back(
          {set.class_names.back(), file, "", std::make_shared<const std::vector<std::uint8_t>>(draw_photo(person, i))});
      set.labels.push_back(person - first_person);
    }
  }
  return set;
}

void write_photos(const PhotoSet& set, const std::string& dir) {
  for (const Photo& photo : set.photos) {
    std::filesystem::create_directories(dir + "/" + photo.class_name);
    std::ofstream file(dir + "/" + photo.file, std::ios::binary);
    file.write(reinterpret_cast<const char*>(photo.bytes->data()), static_cast<std::streamsize>(photo.bytes->size()));
    REQUIRE(file.good());
  }
}

ScratchFolder::ScratchFolder() {
  path_ = (std::filesystem::temp_directory_path() / "tsugi-engine-XXXXXX").string();
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Training::Training(Backend& backend, const Model& model, const PhotoSet& set, const TrainSettings& settings,
                   const Options& options)
    : store(set.photos, set.labels, store_options(model, options.decoding_threads)),
      source(backend, store),
      network(backend, model, set.class_names),
      trainer((network.initialise(options.initial_seed), source.set_soft_labels(options.soft_labels), network), source,
              all_of(set.photos.size()), settings, options.trainer) {}

std::vector<StepTotals> Training::steps(int count) {
  std::vector<StepTotals> totals;
  for (int i = 0; i < count; ++i) totals.push_back(trainer.step());
  return totals;
}

std::vector<std::uint8_t> Training::saved() {
  Checkpoint checkpoint;
  trainer.store(checkpoint);
  return encode_checkpoint(checkpoint, CheckpointKind::full);
}

void Training::load(const std::vector<std::uint8_t>& bytes) {
  trainer.load(decode_checkpoint(bytes.data(), bytes.size(), "saved run"), "saved run");
}

TrainSettings short_settings() {
  TrainSettings settings;
  settings.epochs = 4;
  settings.batch = 7;
  settings.variants = 2;
  settings.seed = 11;
  settings.schedule.warmup_epochs = 0.5;
  settings.optimizer.clip_norm = 5.0f;
  return settings;
}

}  // namespace tsugi::test
