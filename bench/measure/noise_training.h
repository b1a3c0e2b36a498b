// A training run on photos of noise: what benchmarks of whole steps time. What a pixel holds does not change how long a
// step takes.
#pragma once

#include <vector>

#include "bench/measure/shape_lists.h"
#include "engine/train/photo_source.h"
#include "engine/train/trainer.h"

namespace tsugi::bench {

class NoiseTraining {
 public:
  /// Of all photos of `source`, which must have enough for a batch. Throws what Trainer throws.
  NoiseTraining(Backend& backend, const ShapeList& list, PhotoSource& source, const TrainSettings& settings,
                const TrainerOptions& options);
  /// Settings as pretrain takes them.
  NoiseTraining(Backend& backend, const ShapeList& list, PhotoSource& source, int batch, const TrainerOptions& options);

  /// Seconds of one more step, by the host's clock.
  double timed_step();
  Trainer& trainer() { return trainer_; }
  const Network& network() const { return network_; }

 private:
  Network network_;
  Trainer trainer_;
};

/// `count` photos of noise, of `classes` classes in turn.
PhotoStore noise_photos(int count, int classes, const Preprocessing& preprocessing);

/// Photos for NoiseTraining: two batches. Throws Error when the model's input is no square, to which photos are
/// cropped.
PhotoStore training_photos(const ShapeList& list, int batch);

}  // namespace tsugi::bench
