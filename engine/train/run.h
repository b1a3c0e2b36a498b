// A training run: epochs of steps, an evaluation after each, and a checkpoint that is always whole.
// Pretraining and the hand-over prepare runs; this file only turns the crank.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "engine/train/metrics.h"
#include "engine/train/profile.h"
#include "engine/train/trainer.h"

namespace tsugi {

/// Seconds on a clock that never jumps, since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Where a run stands, for progress lines.
struct RunStatus {
  std::uint32_t epoch = 0, epochs = 0;  ///< the current epoch, from 1
  std::uint32_t step = 0, steps = 0;    ///< within the epoch
  double loss = 0.0, accuracy = 0.0;    ///< of the epoch so far, on augmented training samples
  double images_per_s = 0.0;            ///< of this process, evaluations left out
  double seconds_left = 0.0;
};

/// What a run tells its owner. All calls come from the thread that runs.
struct RunObserver {
  std::function<void(const std::string&)> say;  ///< one line worth reading: what was found, chosen, skipped
  std::function<void(const RunStatus&)> step;
  std::function<void(const MetricsRow&, const Evaluation&)> evaluated;
  std::function<void(std::size_t done, std::size_t total)> decoding;
  std::function<bool()> should_stop;  ///< asked after every step (true: save and return), and while activations are
                                      ///< computed (true: throw)
  FileLog* files = nullptr;           ///< where every file that is opened is recorded; null = nowhere
};

struct RunOptions {
  std::string output;  ///< checkpoint to write; "" = none
  CheckpointKind output_kind = CheckpointKind::full;
  std::string metrics;                 ///< JSON lines to write; "" = none
  std::string profile;                 ///< trace to write (profile.h), "" = none
  std::uint32_t checkpoint_every = 0;  ///< steps between checkpoints, 0 = after each epoch
};

/// What a finished (or stopped) run leaves.
struct RunSummary {
  bool stopped = false;
  bool diverged = false;  ///< the loss rose for good: the output is from before that
  MetricsHistory history;
  Evaluation evaluation;      ///< the last one; of a run that diverged to its end, of what the output holds
  TrainingProgress progress;  ///< of the same
  double wall_s = 0.0;
  double images_per_s = 0.0;          ///< training samples a second of training steps, evaluations left out
  std::size_t peak_memory_bytes = 0;  ///< of the whole process
  std::string device, precision;
  std::vector<std::string> class_names;
  std::vector<bool> personal;
  MemoryLayout memory;
  std::vector<ProfileLine> profile;  ///< where the time went, when a profile was asked for
};

/// What a run does with what it learnt, beside writing it down.
class RunEnding {
 public:
  virtual ~RunEnding() = default;

  struct Outcome {
    std::string kept;      ///< MetricsHistory::kept
    bool changed = false;  ///< the network is another than the last step left
  };
  /// Called once, after the last step: makes the network that the run ends with. say: as RunObserver's, may be empty.
  virtual Outcome conclude(Trainer& trainer, const std::function<void(const std::string&)>& say) const = 0;

  /// Called on each checkpoint before it is written: adds what the trainer does not know.
  virtual void complete(Checkpoint& checkpoint) const = 0;
};

/// Everything that a run works on. `checkpoint` holds what does not change while training (class names, which of them
/// are personal, settings, provenance…).
struct Run {
  Network& network;
  Trainer& trainer;
  const SampleSource& source;
  std::vector<std::uint32_t> test_photos;
  bool handover = false;  ///< some people are personal: accuracies are split, and the metrics begin with an evaluation
                          ///< before the first step
  TrainSettings settings;
  Checkpoint checkpoint;
  MetricsHistory history;
  Stopwatch clock;                    ///< wall_s counts from its start
  const RunEnding* ending = nullptr;  ///< null: the run ends with what the last step left
  std::string continued_from;         ///< the checkpoint that it goes on from; "" = none
};

/// Trains to the end of settings.epochs, or until the observer stops it. While the loss is much higher than it was
/// (loss_trend.h), the last checkpoint on disk stays; before the first there is none to keep. Throws what Trainer::step
/// throws (the last checkpoint stays, too), and when a file cannot be written.
RunSummary run_training(Run& run, const RunOptions& options, const RunObserver& observer);

}  // namespace tsugi
