// The loop over epochs: step, evaluate, save.
#include "engine/train/run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

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

class Runner {
 public:
  Runner(Run& run, const RunOptions& options, const RunObserver& observer)
      : run_(run),
        options_(options),
        observer_(observer),
        inference_(run.network, std::max(1, std::min<int>(kEvaluationBatch, static_cast<int>(run.test_photos.size()))),
                   &run.trainer.arena()),
        earlier_wall_s_(run.history.wall_s),
        guessing_(std::log(static_cast<double>(run.network.outputs()))) {
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
    begin_output(epochs);
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
    summary.diverged = must_keep();
    if (summary.diverged && !summary.stopped) go_back();
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
    const StepTotals totals = telling([&] { return run_.trainer.step(); });
    if (profile_ != nullptr) profile_->end_step(run_.trainer.progress().step);
    step_seconds_ += clock.seconds();
    images_ += totals.samples;
    run_.history.unfinished.add(totals);
    watch_loss(totals.loss / static_cast<double>(totals.samples));
    if (observer_.step) observer_.step(status());
  }

  /// Where weights went bad, the error says what is left.
  template <class Work>
  auto telling(const Work& work) -> decltype(work()) {
    try {
      return work();
    } catch (const Error& error) {
      if (!kept_) throw;
      throw Error(std::string(error.what()) + "; " + options_.output + " stays as of step " +
                  std::to_string(kept_->step));
    }
  }

  std::string trend_text() const {
    char text[120];
    std::snprintf(text, sizeof text, "%.3g lately and %.3g at its lowest; guessing has %.3g", trend().lately,
                  trend().best, guessing_);
    return text;
  }

  /// Tells once that the loss rises for good.
  void watch_loss(double loss) {
    run_.history.trend.add(loss, guessing_);
    if (told_of_rise_ || !trend().high || trend().lately <= guessing_) return;
    told_of_rise_ = true;
    say("warning: the loss rises, " + trend_text() + "; if it goes on, try a --lr below " +
        number_text(run_.settings.optimizer.lr) + ", or --clip-norm 1");
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
    evaluation_ =
        telling([&] { return evaluate(inference_, run_.source, run_.test_photos, run_.network.classes(), personal_); });
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
    written_ = false;
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

  const LossTrend& trend() const { return run_.history.trend; }

  /// From its first step on a run that goes on has in its output what it goes on from: that is worth keeping, too.
  void begin_output(std::uint32_t epochs) {
    if (run_.continued_from.empty() || run_.trainer.progress().epoch >= epochs) return;
    run_.history.kept.clear();  // what it ended with is trained on
    if (options_.output.empty()) return;
    std::error_code not_there;
    if (!std::filesystem::equivalent(options_.output, run_.continued_from, not_there)) return save();
    kept_ = run_.trainer.progress();
  }

  /// While the loss is high again the output stays as it was, unless that had learnt next to nothing: a large rate
  /// throws many a training back before it learns. What a hand-over concluded was judged there.
  bool must_keep() const {
    constexpr double kLearnt = 0.9;  // of guessing's loss
    return kept_ && kept_->step != run_.trainer.progress().step && run_.history.kept.empty() && trend().high &&
           trend().best < kLearnt * guessing_;
  }

  void tell_keeping(bool keeping) {
    if (keeping != keeping_)
      say(keeping ? "warning: " + options_.output + " stays as of step " + std::to_string(kept_->step) +
                        " until the loss has recovered: " + trend_text()
                  : "the loss has recovered, " + trend_text() + ": " + options_.output + " is written again");
    keeping_ = keeping;
  }

  void save() {
    const TrainingProgress& now = run_.trainer.progress();
    if (options_.output.empty() || (written_ && kept_->step == now.step && kept_->epoch == now.epoch)) return;
    tell_keeping(must_keep());
    if (keeping_) return;
    const Profile::Span span(profile_.get(), "checkpoint");
    run_.trainer.store(run_.checkpoint);
    run_.checkpoint.metrics = to_json(run_.history);
    if (run_.ending != nullptr) run_.ending->complete(run_.checkpoint);
    check_finite(run_.checkpoint.parameters, now.step);
    check_finite(run_.checkpoint.statistics, now.step);
    check_finite(run_.checkpoint.strangers, now.step);
    for (const auto& [buffer, tensors] : run_.checkpoint.moments) check_finite(tensors, now.step);
    write_checkpoint(options_.output, run_.checkpoint, options_.output_kind, observer_.files);
    kept_ = now;
    written_ = true;
  }

  /// What is said of a run that ended worse is of what it leaves.
  void go_back() {
    say("the loss has not recovered: " + options_.output + " stays as of step " + std::to_string(kept_->step) + " of " +
        std::to_string(run_.trainer.progress().step) + "; accuracies are of that");
    run_.trainer.load(read_checkpoint(options_.output, observer_.files), options_.output);
    evaluate_now();
  }

  void fill(RunSummary& summary) const {
    summary.history = run_.history;
    summary.evaluation = evaluation_;
    summary.progress = summary.diverged ? *kept_ : run_.trainer.progress();
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
  double guessing_;             // the loss of equal probabilities
  bool told_of_rise_ = false;
  double step_seconds_ = 0.0;
  std::uint64_t images_ = 0;
  Evaluation evaluation_;
  std::optional<TrainingProgress> kept_;  // what the output holds of this run
  bool written_ = false;                  // by this process, and nothing but steps changed the network since
  bool keeping_ = false;                  // the output was to be written, and must_keep()
  std::unique_ptr<Profile> profile_;      // null: nobody asked
};

}  // namespace

RunSummary run_training(Run& run, const RunOptions& options, const RunObserver& observer) {
  return Runner(run, options, observer).run();
}

}  // namespace tsugi
