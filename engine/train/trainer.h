// Training step by step: draws the next batch, runs augment (or dequantise), forward, loss, backward and update on the
// device, and keeps the position from which another process can go on bit for bit.
#pragma once

#include <memory>
#include <vector>

#include "engine/model/executor.h"
#include "engine/optim/optimizer.h"
#include "engine/train/network.h"
#include "engine/train/sample_source.h"
#include "engine/train/settings.h"

namespace tsugi {

/// Device memory of a training run, known before its first step; bytes.
struct MemoryLayout {
  std::size_t arena = 0;       ///< activations, gradients of activations, scratch: one micro-batch
  std::size_t parameters = 0;  ///< weights, their copy in the compute type, gradients, moments, statistics
  std::size_t photos =
      0;  ///< decoded photos, or their activations: all of them, or a batch when they are sent with each step
  std::size_t other = 0;        ///< indices, losses, optimizer scratch
  int micro_batch = 0;          ///< samples a forward/backward pass; gradients add up to the batch
  bool photos_resident = true;  ///< the device holds every photo
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
  DType dtype = DType::f32;       ///< of activations and weights in kernels; master weights stay float32
  std::size_t memory_budget = 0;  ///< bytes, 0 = no limit
  bool graph = true;  ///< a GPU records the step once and replays it; false: every op is issued anew (same results)
};

/// Of `photos` training photos, 1 or more; a last batch that is not full is left out, the samples of an epoch are a
/// batch at least.
std::uint32_t steps_of_epoch(std::size_t photos, const TrainSettings& settings);

class Trainer {
 public:
  /// train_photos: items of the source, which becomes resident on the device where it fits. All references must outlive
  /// the trainer. Throws Error when there is no photo, its shape is not what the model reads, the backend lacks the
  /// type, no micro-batch fits the budget, or the batch does not fit the device (naming what is needed and what there
  /// is). The source's soft labels are learnt and checked (see their validate) where their weight is not 0. Throws as
  /// frozen_layers when settings.freeze_until names no layer to freeze.
  Trainer(Network& network, SampleSource& source, std::vector<std::uint32_t> train_photos,
          const TrainSettings& settings, const TrainerOptions& options);

  const MemoryLayout& memory() const { return memory_; }
  const DeviceBuffer& arena() const { return arena_; }  ///< holds nothing between steps: an evaluation may use it
  DType dtype() const { return options_.dtype; }
  int frozen_layers() const { return frozen_layers_; }  ///< leading layers of the model that stay as they are
  std::uint32_t steps_per_epoch() const { return steps_per_epoch_; }
  int batch() const { return batch_; }
  const TrainingProgress& progress() const { return progress_; }
  bool epoch_finished() const { return progress_.batch == steps_per_epoch_; }

  /// The next step. Throws Error naming the step when loss or gradient are not finite; the network is then unusable,
  /// the last checkpoint is not. In float16 a gradient that is not finite is skipped, and an error only when the loss
  /// scale has reached 1.
  StepTotals step();

  /// Tells `probe` of every part of every step from now on; null: nobody. Watched steps are issued anew, op by op,
  /// which gives the same results. The probe must outlive the trainer, or be taken away.
  void watch(StepProbe* probe) { probe_ = probe; }

  /// Closes a finished epoch: the next step begins another.
  void next_epoch();

  /// Puts weights, moments and position into a checkpoint, and takes them from one. Compact checkpoints have no
  /// moments: they start at zero. Throws as Network::load.
  void store(Checkpoint& checkpoint);
  void load(const Checkpoint& checkpoint, const std::string& place);

  /// Takes back weights and moments from a checkpoint; the position stays. Throws as load.
  void restore(const Checkpoint& checkpoint, const std::string& place);

 private:
  void lay_out_memory();
  bool fits(std::size_t photos_held) const;
  bool scales() const {
    return options_.dtype == DType::f16;
  }  // its gradients underflow; bf16 has the range of float32
  SampleRequest batch_request(int samples) const;
  void refresh_compute();
  void reset_report();
  void start_epoch();
  bool has_soft_labels() const { return source_.soft_labels().weight != 0.0f; }
  std::size_t staging_bytes() const;
  std::size_t results_bytes() const;
  void pick_rows(std::uint32_t batch, std::uint32_t* rows) const;
  void upload();
  void enter(StepPart part) const;
  void issue_step();
  SoftmaxCrossEntropy loss_op(int begin) const;
  void run_step();
  StepTotals finish_step();

  Network& network_;
  SampleSource& source_;
  std::vector<std::uint32_t> train_photos_;
  std::vector<int> train_labels_;
  TrainSettings settings_;
  TrainerOptions options_;
  int batch_ = 0;
  std::uint32_t steps_per_epoch_ = 0;
  TrainingProgress progress_;
  std::vector<std::uint32_t> order_;  // sample ids of the current epoch

  int frozen_layers_ = 0;
  MemoryLayout memory_;
  Optimizer optimizer_;
  std::unique_ptr<Executor> executor_;
  DeviceBuffer arena_, gradients_, compute_, staging_, results_, sample_workspace_;
  SampleBatch rows_;
  std::vector<std::uint8_t> host_staging_, host_results_;
  std::vector<std::uint32_t> next_rows_;
  StepProbe* probe_ = nullptr;
  bool warm_ = false;  // a step was issued: what backends load or choose at first use is there
  std::unique_ptr<CapturedWork> recorded_;
};

}  // namespace tsugi
