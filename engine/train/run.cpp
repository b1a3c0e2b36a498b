// The loop over epochs: step, evaluate, save.
#include "engine/train/run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/train/memory_share.h"

namespace tsugi {
namespace {

constexpr int kEvaluationBatch = 64;

/// The loss of a step is checked before its update; weights that the update made infinite must not replace the last
/// good checkpoint.
void check_finite(const std::vector<NamedTensor>& tensors, std::uint32_t step) {
  for (const NamedTensor& tensor : tensors)
    for (const float value : values_of(tensor))
      if (!std::isfinite(value))
        throw Error("training: step " + std::to_string(step) + ": tensor " + tensor.name + " holds " +
                    std::to_string(value) + ", expected finite numbers; try a smaller --lr or --clip-norm");
}

/// Tells once that the loss rises for good: its mean of late is twice what it was at its lowest, and worse than that of
/// guessing.
class DivergenceWatch {
 public:
  explicit DivergenceWatch(int classes) : guessing_(std::log(static_cast<double>(classes))) {}

  /// loss: the mean of a step. Returns what to tell, or "".
  std::string after_step(double loss) {
    constexpr double kLately = 0.1, kRise = 2.0;  // the share of the last step in the mean: some ten steps count
    recent_ = std::isfinite(lowest_) ? recent_ + kLately * (loss - recent_) : loss;
    lowest_ = std::min(lowest_, recent_);
    if (told_ || recent_ <= kRise * lowest_ || recent_ <= guessing_) return "";
    told_ = true;
    char text[160];
    std::snprintf(text, sizeof text, "warning: the loss rises, %.3g lately and %.3g at its lowest; guessing has %.3g",
                  recent_, lowest_, guessing_);
    return text;
  }

 private:
  double guessing_, recent_ = 0.0, lowest_ = std::numeric_limits<double>::infinity();
  bool told_ = false;
};

class Runner {
 public:
  Runner(Run& run, const RunOptions& options, const RunObserver& observer)
      : run_(run),
        options_(options),
        observer_(observer),
        inference_(run.network, std::max(1, std::min<int>(kEvaluationBatch, static_cast<int>(run.test_photos.size()))),
                   &run.trainer.arena()),
        earlier_wall_s_(run.history.wall_s),
        divergence_(run.network.outputs()) {
    const std::vector<std::string>& names = run.checkpoint.personal_classes;
    for (const std::string& name : run.network.class_names())
      personal_.push_back(std::find(names.begin(), names.end(), name) != names.end());
    if (options.profile.empty()) return;
    profile_ = std::make_unique<Profile>(run.network.backend(), run.network.model());
    run.trainer.watch(profile_->probe());
  }
  ~Runner() { run_.trainer.watch(nullptr); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  RunSummary run() {
    Trainer& trainer = run_.trainer;
    const auto epochs = static_cast<std::uint32_t>(run_.settings.epochs);
    RunSummary summary;
    if (run_.handover && run_.history.rows.empty() && trainer.progress().step == 0) evaluate_between(false);
    if (trainer.progress().epoch >=
        epochs) {  // continued from a finished run, which may have been killed before its last metrics
      if (trainer.progress().step > 0)
        say("this run is finished, " + std::to_string(trainer.progress().epoch) + " of " + std::to_string(epochs) +
            " epochs: there is nothing left to train; more epochs go on, such as --epochs " +
            std::to_string(trainer.progress().epoch + std::max(1u, epochs)));
      finish_epoch(false);
      save_metrics();
    }
    while (trainer.progress().epoch < epochs) {
      if (trainer.epoch_finished()) {  // continued from a checkpoint of an epoch's very end
        trainer.next_epoch();
        continue;
      }
      one_step();
      if (trainer.epoch_finished()) {
        finish_epoch(true);
      } else if (options_.checkpoint_every != 0 && trainer.progress().step % options_.checkpoint_every == 0) {
        save();
      }
      if (observer_.should_stop && observer_.should_stop() && trainer.progress().epoch < epochs) {
        summary.stopped = true;
        break;
      }
    }
    if (!summary.stopped && run_.ending != nullptr && run_.history.kept.empty()) conclude();
    save();
    const TrainingProgress& end = trainer.progress();
    if (end.skipped_steps > 0)
      say("loss scaling left out " + std::to_string(end.skipped_steps) + " of " + std::to_string(end.step) +
          " steps, whose gradients overflowed float16");
    fill(summary);
    if (profile_ != nullptr) {
      profile_->write(options_.profile, purpose("profile"));
      summary.profile = profile_->lines();
    }
    return summary;
  }

 private:
  /// What is written of people whose photos are personal is personal too.
  FilePurpose purpose(const char* role) const {
    return {role, observer_.files, !run_.checkpoint.personal_classes.empty()};
  }

  void say(const std::string& line) const {
    if (observer_.say && !line.empty()) observer_.say(line);
  }

  void save_metrics() const {
    if (!options_.metrics.empty()) write_metrics(options_.metrics, run_.history.rows, purpose("metrics"));
  }

  double wall_s() const { return earlier_wall_s_ + run_.clock.seconds(); }

  void one_step() {
    const Stopwatch clock;
    if (profile_ != nullptr) profile_->begin_step();
    const StepTotals totals = run_.trainer.step();
    if (profile_ != nullptr) profile_->end_step(run_.trainer.progress().step);
    step_seconds_ += clock.seconds();
    images_ += totals.samples;
    run_.history.unfinished.add(totals);
    run_.history.kept.clear();
    if (const std::string rises = divergence_.after_step(totals.loss / static_cast<double>(totals.samples));
        !rises.empty())
      say(rises + "; if it goes on, try a --lr below " + number_text(run_.settings.optimizer.lr) +
          ", or --clip-norm 1");
    if (observer_.step) observer_.step(status());
  }

  RunStatus status() const {
    const Trainer& trainer = run_.trainer;
    const StepTotals& sums = run_.history.unfinished;
    RunStatus status;
    status.epochs = static_cast<std::uint32_t>(run_.settings.epochs);
    status.epoch = trainer.progress().epoch + 1;
    status.step = trainer.progress().batch;
    status.steps = trainer.steps_per_epoch();
    status.loss = sums.loss / static_cast<double>(sums.samples);
    status.accuracy = static_cast<double>(sums.correct) / static_cast<double>(sums.samples);
    status.images_per_s = static_cast<double>(images_) / step_seconds_;
    const double steps_left =
        static_cast<double>(status.epochs - status.epoch) * status.steps + (status.steps - status.step);
    status.seconds_left = steps_left * trainer.batch() / status.images_per_s;
    return status;
  }

  void evaluate_now() {
    const Profile::Span span(profile_.get(), "evaluation");
    evaluation_ = evaluate(inference_, run_.source, run_.test_photos, run_.network.classes(), personal_);
  }

  /// What the new rows can do before any step, or the network that the run ends with.
  void evaluate_between(bool concluded) {
    evaluate_now();
    record(std::nan(""), std::nan(""));
    run_.history.rows.back().concluded = concluded;
    save_metrics();
    if (observer_.evaluated) observer_.evaluated(run_.history.rows.back(), evaluation_);
  }

  /// Makes the network that the run ends with of what was learnt.
  void conclude() {
    saved_once_ = false;
    const RunEnding::Outcome outcome = run_.ending->conclude(run_.trainer, observer_.say);
    give_back_memory();  // copies of the weights, before the checkpoint needs as much again
    run_.history.kept = outcome.kept;
    if (outcome.changed) evaluate_between(true);
  }

  void finish_epoch(bool trained) {
    evaluate_now();
    if (!trained) return;
    StepTotals& sums = run_.history.unfinished;
    run_.trainer.next_epoch();
    const auto samples = static_cast<double>(sums.samples);
    const double loss = sums.loss / samples, accuracy = static_cast<double>(sums.correct) / samples;
    sums = {};
    record(loss, accuracy);
    save_metrics();  // before the checkpoint: a run that goes on from that finds the time of its every evaluation
    save();
    const MetricsRow& row = run_.history.rows.back();
    if (observer_.evaluated) observer_.evaluated(row, evaluation_);
  }

  /// Adds a row of the last evaluation. loss, accuracy: on the training samples since the row before.
  void record(double loss, double accuracy) {
    MetricsRow row;
    row.wall_s = wall_s();
    row.step = run_.trainer.progress().step;
    row.epoch = run_.trainer.progress().epoch;
    row.loss = loss;
    row.train_accuracy = accuracy;
    row.accuracy = evaluation_.overall.accuracy();
    row.handover = run_.handover;
    row.accuracy_general = evaluation_.general.accuracy();
    row.accuracy_personal = evaluation_.personal.accuracy();
    run_.history.rows.push_back(row);
  }

  void save() {
    const TrainingProgress& now = run_.trainer.progress();
    if (options_.output.empty() || (saved_once_ && saved_.step == now.step && saved_.epoch == now.epoch)) return;
    const Profile::Span span(profile_.get(), "checkpoint");
    run_.trainer.store(run_.checkpoint);
    run_.checkpoint.metrics = to_json(run_.history);
    if (run_.ending != nullptr) run_.ending->complete(run_.checkpoint);
    check_finite(run_.checkpoint.parameters, now.step);
    check_finite(run_.checkpoint.statistics, now.step);
    check_finite(run_.checkpoint.strangers, now.step);
    for (const auto& [buffer, tensors] : run_.checkpoint.moments) check_finite(tensors, now.step);
    write_checkpoint(options_.output, run_.checkpoint, options_.output_kind, observer_.files);
    saved_ = now;
    saved_once_ = true;
  }

  void fill(RunSummary& summary) const {
    summary.history = run_.history;
    summary.evaluation = evaluation_;
    summary.progress = run_.trainer.progress();
    summary.wall_s = wall_s();
    summary.images_per_s = step_seconds_ > 0.0 ? static_cast<double>(images_) / step_seconds_ : 0.0;
    summary.peak_memory_bytes = peak_process_bytes();
    summary.device = run_.network.backend().name();
    summary.precision = precision_name(run_.trainer.dtype());
    summary.class_names = run_.network.class_names();
    summary.personal = personal_;
    summary.memory = run_.trainer.memory();
  }

  Run& run_;
  const RunOptions& options_;
  const RunObserver& observer_;
  Inference inference_;
  std::vector<bool> personal_;  // [classes]
  double earlier_wall_s_;       // of the processes that this run continues
  DivergenceWatch divergence_;
  double step_seconds_ = 0.0;
  std::uint64_t images_ = 0;
  Evaluation evaluation_;
  TrainingProgress saved_;
  bool saved_once_ = false;
  std::unique_ptr<Profile> profile_;  // null: nobody asked
};

}  // namespace

RunSummary run_training(Run& run, const RunOptions& options, const RunObserver& observer) {
  return Runner(run, options, observer).run();
}

}  // namespace tsugi
