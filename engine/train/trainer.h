// Training step by step: draws the next batch, runs augment, forward, loss, backward and update on the device, and keeps the
// position from which another process can go on bit for bit.
#pragma once

#include <memory>
#include <vector>

#include "engine/model/program.h"
#include "engine/optim/optimizer.h"
#include "engine/train/network.h"
#include "engine/train/photo_source.h"
#include "engine/train/settings.h"

namespace tsugi {

/// Device memory of a training run, known before its first step; bytes.
struct MemoryPlan {
  std::size_t arena = 0;       ///< activations, gradients of activations, scratch: one micro-batch
  std::size_t parameters = 0;  ///< weights, their copy in the compute type, gradients, moments, statistics
  std::size_t photos = 0;      ///< decoded photos
  std::size_t other = 0;       ///< indices, losses, optimizer scratch
  int micro_batch = 0;         ///< samples a forward/backward pass; gradients add up to the batch
  std::size_t total() const { return arena + parameters + photos + other; }
};

/// Sums over the samples of one or many steps.
struct StepTotals {
  double loss = 0.0;  ///< of samples, smoothing included
  std::uint64_t correct = 0, samples = 0;
  void add(const StepTotals& o) {
    loss += o.loss;
    correct += o.correct;
    samples += o.samples;
  }
};

struct TrainerOptions {
  DType dtype = DType::f32;          ///< of activations and weights in kernels; master weights stay float32
  std::size_t memory_budget = 0;     ///< bytes, 0 = no limit
};

class Trainer {
 public:
  /// train_photos: indices into the source's store. All references must outlive the trainer.
  /// Throws Error when there is no photo, the backend lacks the type, or no micro-batch fits the budget (naming both values).
  Trainer(Network& network, const PhotoSource& source, std::vector<std::uint32_t> train_photos, const TrainSettings& settings,
          const TrainerOptions& options);

  const MemoryPlan& memory() const { return memory_; }
  const DeviceBuffer& arena() const { return arena_; }  ///< holds nothing between steps: an evaluation may use it
  DType dtype() const { return options_.dtype; }
  std::uint32_t steps_per_epoch() const { return steps_per_epoch_; }
  int batch() const { return batch_; }
  const TrainingProgress& progress() const { return progress_; }
  bool epoch_finished() const { return progress_.batch == steps_per_epoch_; }

  /// The next step. Throws Error naming the step when loss or gradient are not finite; the network is then unusable, the last
  /// checkpoint is not.
  StepTotals step();

  /// Closes a finished epoch: the next step begins another.
  void next_epoch();

  /// Puts weights, moments and position into a checkpoint, and takes them from one. Compact checkpoints have no moments: they start
  /// at zero. Throws as Network::load.
  void store(Checkpoint& checkpoint);
  void load(const Checkpoint& checkpoint, const std::string& place);

 private:
  void plan_memory();
  AugmentForward augmentation(int samples) const;
  void refresh_compute();
  void start_epoch();
  std::size_t staging_bytes() const;

  Network& network_;
  const PhotoSource& source_;
  std::vector<std::uint32_t> train_photos_;
  std::vector<int> train_labels_;
  TrainSettings settings_;
  TrainerOptions options_;
  int batch_ = 0;
  std::uint32_t steps_per_epoch_ = 0;
  TrainingProgress progress_;
  std::vector<std::uint32_t> order_;  // sample ids of the current epoch

  MemoryPlan memory_;
  Optimizer optimizer_;
  std::unique_ptr<Program> program_;
  DeviceBuffer arena_, gradients_, compute_, staging_, results_, augment_workspace_;
  std::vector<std::uint8_t> host_staging_;
  std::vector<float> host_results_;
};

}  // namespace tsugi
