// One optimizer step is: upload what changed, then per micro-batch augment (or dequantise), forward, loss and backward,
// then one update.
#include "engine/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "engine/data/sample_order.h"

namespace tsugi {
namespace {

std::string megabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::uint64_t samples_of_epoch(std::size_t photos, const TrainSettings& settings) {
  return std::uint64_t{photos} * settings.variants;
}

}  // namespace

std::uint32_t steps_of_epoch(std::size_t photos, const TrainSettings& settings) {
  const std::uint64_t samples = samples_of_epoch(photos, settings);
  return static_cast<std::uint32_t>(samples / std::clamp<std::uint64_t>(samples, 1, settings.batch));
}

Trainer::Trainer(Network& network, SampleSource& source, std::vector<std::uint32_t> train_photos,
                 const TrainSettings& settings, const TrainerOptions& options)
    : network_(network),
      source_(source),
      train_photos_(std::move(train_photos)),
      settings_(settings),
      options_(options),
      frozen_layers_(tsugi::frozen_layers(network.model(), settings.freeze_until)),
      optimizer_(network.backend(), settings.optimizer, network.layout().count(),
                 network.layout().trained_ranges(frozen_layers_)) {
  validate(settings_, "training settings");
  if (train_photos_.empty() && settings.epochs > 0)
    throw Error("training: there are 0 training photos, expected at least 1");
  check_shape(source_, network.model(), "training");
  if (!network.backend().supports(options.dtype))
    throw Error("training: device " + network.backend().name() + " does not compute in " + name_of(options.dtype) +
                "; use --precision fp32");
  for (const std::uint32_t photo : train_photos_) {
    train_labels_.push_back(source.label(photo));
    if (train_labels_.back() >= network.outputs())
      throw Error("training: photo " + source.name(photo) + " has class " + std::to_string(train_labels_.back()) +
                  ", the network has " + std::to_string(network.outputs()));
  }
  if (has_soft_labels()) validate(source_.soft_labels(), source_, network_.outputs());
  const std::uint64_t samples = samples_of_epoch(train_photos_.size(), settings_);
  if (samples > 0xFFFFFFFFu)
    throw Error("training: " + std::to_string(train_photos_.size()) + " photos x " +
                std::to_string(settings_.variants) + " variants exceed the 2^32 samples of an epoch");
  batch_ = static_cast<int>(std::clamp<std::uint64_t>(samples, 1, static_cast<std::uint64_t>(settings_.batch)));
  steps_per_epoch_ = steps_of_epoch(train_photos_.size(), settings_);
  progress_.seed = settings_.seed;

  lay_out_memory();
  Backend& backend = network.backend();
  arena_ = DeviceBuffer(backend, executor_->arena_bytes());
  executor_->bind(arena_.data());
  gradients_ = DeviceBuffer(backend, network.layout().count() * sizeof(float));
  if (options_.dtype != DType::f32)
    compute_ = DeviceBuffer(backend, network.layout().count() * size_of(options_.dtype));
  staging_ = DeviceBuffer(backend, staging_bytes());
  results_ = DeviceBuffer(backend, results_bytes());
  host_staging_.resize(staging_bytes());
  host_results_.resize(results_bytes());
  next_rows_.resize(static_cast<std::size_t>(batch_));
  sample_workspace_ = DeviceBuffer(backend, source_.workspace_bytes(batch_request(executor_->batch())));
  if (memory_.photos_resident) source_.make_resident();
  rows_ = SampleBatch(backend, source_, static_cast<std::size_t>(batch_));
  refresh_compute();
  reset_report();
}

/// What making every micro-batch has in common.
SampleRequest Trainer::batch_request(int samples) const {
  SampleRequest request;
  request.n = samples;
  request.variants = settings_.variants;
  request.strength = settings_.augment;
  request.dtype = options_.dtype;
  request.rows = rows_.device();
  return request;
}

/// StepState, then rows, sample ids and labels of the whole batch, with soft labels their weights and logits: one
/// upload a step.
std::size_t Trainer::staging_bytes() const {
  const std::size_t soft = has_soft_labels() ? 1 + static_cast<std::size_t>(source_.soft_labels().classes) : 0;
  return sizeof(StepState) + static_cast<std::size_t>(batch_) * (3 * sizeof(std::uint32_t) + soft * sizeof(float));
}

/// UpdateReport, then losses and predictions of the whole batch: one download a step.
std::size_t Trainer::results_bytes() const {
  return sizeof(UpdateReport) + static_cast<std::size_t>(batch_) * (sizeof(float) + sizeof(std::int32_t));
}

/// Whether memory_ keeps to the budget and fits the device. `photos_held`: photo bytes that lie on the device already.
bool Trainer::fits(std::size_t photos_held) const {
  constexpr std::size_t kRoundedUp = std::size_t{32}
                                     << 20;  // by the device's allocator, and the buffers of an evaluation
  if (options_.memory_budget != 0 && memory_.total() > options_.memory_budget) return false;
  const ParameterLayout& layout = network_.layout();
  const std::size_t held = (layout.count() + layout.statistics_count()) * sizeof(float) + optimizer_.scratch_bytes() +
                           Optimizer::bytes(settings_.optimizer, layout.count()) + photos_held;
  const std::size_t free = network_.backend().free_bytes();
  return free == static_cast<std::size_t>(-1) || memory_.total() + kRoundedUp <= free + held;
}

/// The largest micro-batch that divides the batch and fits the budget; without a budget the whole batch. All photos on
/// the device where they fit beside it.
void Trainer::lay_out_memory() {
  const ParameterLayout& layout = network_.layout();
  const Backend& backend = network_.backend();
  const std::size_t count = layout.count();
  memory_.parameters = 2 * count * sizeof(float) + layout.statistics_count() * sizeof(float) +
                       Optimizer::bytes(settings_.optimizer, count) +
                       (options_.dtype == DType::f32 ? 0 : count * size_of(options_.dtype));
  for (int micro = batch_; micro >= 1; --micro) {
    if (batch_ % micro != 0) continue;
    executor_ = std::make_unique<Executor>(network_.backend(), network_.model(), layout, network_.outputs(), micro,
                                           options_.dtype, ExecutorMode::training, frozen_layers_);
    memory_.arena = executor_->arena_bytes();
    memory_.other =
        staging_bytes() + results_bytes() + optimizer_.scratch_bytes() + source_.workspace_bytes(batch_request(micro));
    memory_.micro_batch = micro;
    for (const bool resident : {true, false}) {
      if (!resident && source_.resident()) continue;
      memory_.photos_resident = resident;
      memory_.photos = resident ? source_.bytes() : SampleBatch::bytes(source_, static_cast<std::size_t>(batch_));
      if (fits(source_.resident() ? source_.bytes() : 0)) return;
    }
    if (options_.memory_budget == 0) break;  // nobody asked for micro-batches: the error says how
  }
  const std::string parts =
      " (" + megabytes(memory_.photos) + " of it photos, " + megabytes(memory_.parameters) + " parameters and moments)";
  if (options_.memory_budget == 0 || memory_.total() <= options_.memory_budget) {
    const std::size_t free = backend.free_bytes();
    throw Error(
        "training: " +
        (options_.memory_budget == 0 ? "batch " + std::to_string(batch_) : std::string("even one sample at a time")) +
        " needs " + megabytes(memory_.total()) + parts + ", device " + backend.name() + " has " + megabytes(free) +
        " free; try --memory " + std::to_string(std::max<std::size_t>(1, (free >> 20) * 9 / 10)) +
        "M, which trains in micro-batches, or --batch " + std::to_string(std::max(1, batch_ / 2)));
  }
  throw Error("training: --memory is " + megabytes(options_.memory_budget) + ", but even one sample at a time needs " +
              megabytes(memory_.total()) + parts);
}

void Trainer::refresh_compute() {
  if (compute_.bytes() == 0) return;
  network_.backend().cast(
      {network_.layout().count(), DType::f32, options_.dtype, network_.parameters(), compute_.data()});
}

void Trainer::start_epoch() {
  const std::size_t length = train_photos_.size() * settings_.variants;
  order_ = settings_.balanced
               ? balanced_order(train_labels_, settings_.variants, length, settings_.seed, progress_.epoch)
               : shuffled_order(train_photos_.size(), settings_.variants, settings_.seed, progress_.epoch);
}

/// A loss scale as it was when progress_ was written, or a new one.
void Trainer::reset_report() {
  UpdateReport report;
  if (progress_.loss_scale != 0.0f) {
    report.loss_scale.scale = progress_.loss_scale;
    report.loss_scale.good_steps = progress_.loss_scale_good_steps;
  }
  report.loss_scale.skipped = progress_.skipped_steps;
  network_.backend().copy_to_device(results_.data(), &report, sizeof report);
}

/// The source's rows for the epoch's batch number `batch`.
void Trainer::pick_rows(std::uint32_t batch, std::uint32_t* rows) const {
  const std::size_t first = static_cast<std::size_t>(batch) * static_cast<std::size_t>(batch_);
  for (std::size_t i = 0; i < static_cast<std::size_t>(batch_); ++i) {
    const std::uint32_t sample = order_[first + i];
    rows[i] = source_.row(train_photos_[sample / settings_.variants], sample % settings_.variants);
  }
}

/// Sends what changes from step to step.
void Trainer::upload() {
  const auto batch = static_cast<std::size_t>(batch_);
  StepState state;
  state.seed = settings_.seed;
  state.epoch = progress_.epoch;
  state.step = progress_.step;
  state.lr =
      learning_rate(settings_.schedule, settings_.optimizer.lr, progress_.step, steps_per_epoch_, settings_.epochs);
  optimizer_.prepare(state, progress_.skipped_steps);
  std::memcpy(host_staging_.data(), &state, sizeof state);
  auto* host = reinterpret_cast<std::uint32_t*>(host_staging_.data() + sizeof state);
  pick_rows(progress_.batch, host);
  for (std::size_t i = 0; i < batch; ++i) {
    const std::uint32_t sample = order_[progress_.batch * batch + i];
    host[batch + i] = sample;
    host[2 * batch + i] = static_cast<std::uint32_t>(train_labels_[sample / settings_.variants]);
  }
  if (has_soft_labels()) {
    const SoftLabels& soft = source_.soft_labels();
    auto* weights = reinterpret_cast<float*>(host + 3 * batch);
    for (std::size_t i = 0; i < batch; ++i)
      weights[i] = soft.stage(train_photos_[host[batch + i] / settings_.variants],
                              weights + batch + i * static_cast<std::size_t>(soft.classes));
  }
  rows_.fetch(host, batch);
  network_.backend().copy_to_device(staging_.data(), host_staging_.data(), host_staging_.size());
}

/// Tells who listens that a part of the step begins which is no layer's.
void Trainer::enter(StepPart part) const {
  if (probe_ != nullptr) probe_->enter(part, -1);
}

/// The loss of the micro-batch that begins at sample `begin` of the batch.
SoftmaxCrossEntropy Trainer::loss_op(int begin) const {
  const auto batch = static_cast<std::size_t>(batch_), first = static_cast<std::size_t>(begin);
  const auto* staged = reinterpret_cast<const std::uint32_t*>(staging_.as<std::uint8_t>() + sizeof(StepState));
  auto* report = results_.as<UpdateReport>();
  auto* losses = reinterpret_cast<float*>(report + 1);
  SoftmaxCrossEntropy op;
  op.n = executor_->batch();
  op.classes = network_.outputs();
  op.dtype = options_.dtype;
  op.smoothing = settings_.label_smoothing;
  op.grad_scale = 1.0f / static_cast<float>(batch_);
  op.logits = executor_->logits();
  op.labels = reinterpret_cast<const std::int32_t*>(staged + 2 * batch + first);
  op.sample_loss = losses + first;
  op.predicted = reinterpret_cast<std::int32_t*>(losses + batch) + first;
  op.d_logits = executor_->d_logits();
  op.loss_scale = scales() ? &report->loss_scale : nullptr;
  if (has_soft_labels()) {
    const SoftLabels& soft = source_.soft_labels();
    const auto* weights = reinterpret_cast<const float*>(staged + 3 * batch);
    op.distillation = weights + first;
    op.teacher = weights + batch + first * static_cast<std::size_t>(soft.classes);
    op.teacher_classes = soft.classes;
    op.temperature = soft.temperature;
  }
  return op;
}

/// Every op of a step, from device memory to device memory: what a GPU records. Nothing here may depend on the step.
void Trainer::issue_step() {
  Backend& backend = network_.backend();
  const auto batch = static_cast<std::size_t>(batch_);
  const auto* step_state = staging_.as<StepState>();
  const auto* indices = reinterpret_cast<const std::uint32_t*>(staging_.as<std::uint8_t>() + sizeof(StepState));

  Pass pass;
  pass.parameters = network_.parameters();
  pass.compute = compute_.bytes() == 0 ? static_cast<const void*>(network_.parameters()) : compute_.data();
  pass.statistics = network_.statistics();
  pass.gradients = gradients_.as<float>();
  pass.batch_norm = settings_.frozen_batch_norm ? BatchNormMode::running_statistics : BatchNormMode::batch_statistics;
  pass.step = step_state;
  pass.probe = probe_;
  const int micro = executor_->batch();
  for (int begin = 0; begin < batch_; begin += micro) {
    pass.sample_ids = indices + batch + begin;
    pass.write = begin == 0 ? Write::overwrite : Write::accumulate;
    SampleRequest samples = batch_request(micro);
    samples.step = step_state;
    samples.index = indices + begin;
    samples.sample_ids = pass.sample_ids;
    samples.x = executor_->input();
    samples.workspace = sample_workspace_.data();
    enter(StepPart::augment);
    source_.make_batch(samples);
    executor_->forward(pass);
    enter(StepPart::loss);
    backend.softmax_cross_entropy(loss_op(begin));
    executor_->backward(pass);
  }
  enter(StepPart::update);
  optimizer_.update(network_.parameters(), gradients_.as<float>(), compute_.data(), options_.dtype, step_state,
                    results_.as<UpdateReport>(), scales());
}

/// The first step is issued op by op; the second is recorded, and from then on replayed.
void Trainer::run_step() {
  Backend& backend = network_.backend();
  if (!options_.graph || probe_ != nullptr || !backend.captures() || !warm_) {
    issue_step();
    warm_ = true;
    return;
  }
  if (recorded_ == nullptr) {
    backend.begin_capture();
    try {
      issue_step();
    } catch (...) {
      try {
        (void)backend.end_capture();
      } catch (const Error&) {  // the first error says what was wrong
      }
      throw;
    }
    recorded_ = backend.end_capture();
  }
  recorded_->launch();
}

/// Fetches the step's results: the host waits for the device here and nowhere else.
StepTotals Trainer::finish_step() {
  const auto batch = static_cast<std::size_t>(batch_);
  network_.backend().copy_to_host(host_results_.data(), results_.data(), results_.bytes());
  UpdateReport report;
  std::memcpy(&report, host_results_.data(), sizeof report);
  const auto* losses = reinterpret_cast<const float*>(host_results_.data() + sizeof report);
  const auto* predicted = reinterpret_cast<const std::int32_t*>(losses + batch);
  const auto* labels = reinterpret_cast<const std::int32_t*>(host_staging_.data() + sizeof(StepState)) + 2 * batch;
  StepTotals totals;
  totals.samples = batch;
  for (std::size_t i = 0; i < batch; ++i) {
    totals.loss += static_cast<double>(losses[i]);
    totals.correct += predicted[i] == labels[i];
  }
  const bool scaled = scales();
  const bool hopeless = !std::isfinite(report.norm) && (!scaled || report.loss_scale.scale < 1.0f);
  if (!std::isfinite(totals.loss) || hopeless)
    throw Error("training: step " + std::to_string(progress_.step + 1) + ": loss is " +
                std::to_string(totals.loss / static_cast<double>(batch)) + " and the gradient's norm " +
                std::to_string(report.norm) +
                (scaled ? " at loss scale " + std::to_string(2.0f * report.loss_scale.scale) : "") +
                ", expected finite numbers; try a smaller --lr or --clip-norm" +
                (scaled ? ", or --precision fp32" : ""));
  if (scaled) {
    progress_.loss_scale = report.loss_scale.scale;
    progress_.loss_scale_good_steps = report.loss_scale.good_steps;
    progress_.skipped_steps = report.loss_scale.skipped;
  }
  return totals;
}

StepTotals Trainer::step() {
  if (epoch_finished()) next_epoch();
  enter(StepPart::data);
  if (order_.empty()) start_epoch();
  upload();
  run_step();
  if (progress_.batch + 1 < steps_per_epoch_) {  // while the device works
    enter(StepPart::data);
    pick_rows(progress_.batch + 1, next_rows_.data());
    rows_.gather(next_rows_.data(), next_rows_.size());
  }
  enter(StepPart::results);
  const StepTotals totals = finish_step();
  if (probe_ != nullptr) probe_->leave();
  ++progress_.step;
  ++progress_.batch;
  return totals;
}

void Trainer::next_epoch() {
  ++progress_.epoch;
  progress_.batch = 0;
  order_.clear();
}

void Trainer::store(Checkpoint& checkpoint) {
  network_.store(checkpoint);
  checkpoint.progress = progress_;
  checkpoint.moments.clear();
  for (MomentBuffer& moment : optimizer_.moments())
    network_.store_moment(checkpoint, moment.name, moment.buffer.as<float>());
}

void Trainer::load(const Checkpoint& checkpoint, const std::string& place) {
  network_.load(checkpoint, place);
  for (MomentBuffer& moment : optimizer_.moments())
    network_.load_moment(checkpoint, moment.name, moment.buffer.as<float>(), place);
  progress_ = checkpoint.progress;
  if (options_.dtype != DType::f16) progress_.loss_scale = 0.0f;  // skipped steps stay: Adam counts without them
  settings_.seed = progress_.seed;
  order_.clear();
  if (progress_.batch > steps_per_epoch_)
    throw Error(place + ": stands at batch " + std::to_string(progress_.batch) + " of its epoch, these photos make " +
                std::to_string(steps_per_epoch_) + " batches");
  recorded_.reset();
  warm_ = false;
  refresh_compute();
  reset_report();
}

void Trainer::restore(const Checkpoint& checkpoint, const std::string& place) {
  Checkpoint at_now = checkpoint;
  at_now.progress = progress_;
  load(at_now, place);
}

}  // namespace tsugi
