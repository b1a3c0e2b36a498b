// Photos made in memory, and a training run on them: what the trainer and hand-over tests share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/train/network.h"
#include "engine/train/photo_source.h"
#include "engine/train/trainer.h"

namespace tsugi::test {

/// Photos of `people` people ("p0", "p1", ...), `each` photos a person, as PNG bytes. A person is a colour and a stripe
/// width; photos of one person differ by noise.
struct PhotoSet {
  std::vector<Photo> photos;
  std::vector<int> labels;
  std::vector<std::string> class_names;
};
PhotoSet make_photos(int people, int each, int first_person = 0);

/// Writes them as DIR/<person>/<photo>.png.
void write_photos(const PhotoSet& set, const std::string& dir);

/// An empty folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Everything of a training run, made anew as a new process would make it. Training photos: all of the set.
class Training {
 public:
  struct Options {
    TrainerOptions trainer;
    int decoding_threads = 1;
    std::uint64_t initial_seed = 5;
    SoftLabels soft_labels;
  };
  Training(Backend& backend, const Model& model, const PhotoSet& set, const TrainSettings& settings,
           const Options& options);
  Training(Backend& backend, const Model& model, const PhotoSet& set, const TrainSettings& settings)
      : Training(backend, model, set, settings, Options()) {}

  /// Takes `count` steps and returns their sums, one a step.
  std::vector<StepTotals> steps(int count);
  /// The run as a full checkpoint's bytes.
  std::vector<std::uint8_t> saved();
  void load(const std::vector<std::uint8_t>& bytes);

  PhotoStore store;
  PhotoSource source;
  Network network;
  Trainer trainer;
};

/// Settings of a short run with everything switched on: 2 variants, batch 7, warm-up, smoothing.
TrainSettings short_settings();

}  // namespace tsugi::test
