// Batches of photos through the forward pass; the last batch is filled up with its first photo and cut.
#include "engine/train/inference.h"

#include <algorithm>

namespace tsugi {
namespace {

/// What is no number is nobody's face. Nothing that counts, compares or prints predictions has to know of it.
void check_prediction(std::int32_t predicted, const std::string& photo) {
  if (predicted < 0)
    throw Error("photo " + photo +
                ": what the network makes of it is not a number (NaN), finite outputs expected: its weights, or what "
                "they add up to, "
                "are not finite; if it was being trained, try a smaller --lr or --clip-norm");
}

}  // namespace

Inference::Inference(const Network& network, int batch, const DeviceBuffer* scratch) : network_(network) {
  Backend& backend = network.backend();
  const auto plan = [&](int photos) {
    executor_ = std::make_unique<Executor>(backend, network.model(), network.layout(), network.classes(), photos,
                                           DType::f32, ExecutorMode::inference);
  };
  plan(batch);
  while (scratch != nullptr && executor_->arena_bytes() > scratch->bytes() && executor_->batch() > 1)
    plan(executor_->batch() / 2);
  if (scratch == nullptr || executor_->arena_bytes() > scratch->bytes()) {
    arena_ = DeviceBuffer(backend, executor_->arena_bytes());
    scratch = &arena_;
  }
  executor_->bind(scratch->data());
  const auto n = static_cast<std::size_t>(executor_->batch());
  staged_.assign(3 * n, 0);
  indices_ = DeviceBuffer(backend, staged_.size() * sizeof(std::uint32_t));
  step_ = DeviceBuffer(backend, sizeof(StepState));
  results_ = DeviceBuffer(
      backend, n * (2 + static_cast<std::size_t>(network.classes())) * sizeof(float));  // loss, prediction, softmax
}

/// Before the batches of a source.
void Inference::start(const SampleSource& source, const InferenceOptions& options) {
  check_shape(source, network_.model(), "inference");
  rows_ = SampleBatch(network_.backend(), source, static_cast<std::size_t>(executor_->batch()));
  StepState draw;
  draw.seed = options.seed;
  network_.backend().copy_to_device(step_.data(), &draw, sizeof draw);
}

/// The batch that is staged.
void Inference::forward(const SampleSource& source, const InferenceOptions& options) {
  const auto batch = static_cast<std::size_t>(executor_->batch());
  rows_.fetch(staged_.data(), batch);
  network_.backend().copy_to_device(indices_.data(), staged_.data(), indices_.bytes());
  SampleRequest samples;
  samples.n = executor_->batch();
  samples.variants = options.variants;
  samples.strength = options.strength;
  samples.rows = rows_.device();
  samples.index = indices_.as<std::uint32_t>();
  samples.sample_ids = samples.index + 2 * batch;
  samples.step = step_.as<StepState>();
  samples.x = executor_->input();
  if (const std::size_t bytes = source.workspace_bytes(samples); bytes > sample_workspace_.bytes())
    sample_workspace_ = DeviceBuffer(network_.backend(), bytes);
  samples.workspace = sample_workspace_.data();
  source.make_batch(samples);
  Pass pass;
  pass.parameters = network_.parameters();
  pass.compute = pass.parameters;
  pass.statistics = network_.statistics();
  executor_->forward(pass);
}

void Inference::run_variants(const SampleSource& source, const std::vector<std::uint32_t>& photos,
                             const InferenceOptions& options, std::size_t count, float* to) {
  start(source, options);
  const auto batch = static_cast<std::size_t>(executor_->batch());
  const std::size_t total = photos.size() * options.variants;
  for (std::size_t begin = 0; begin < total; begin += batch) {
    if (before_batch_) before_batch_();
    const std::size_t n = std::min(batch, total - begin);
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t sample = begin + (i < n ? i : 0);
      staged_[i] = source.row(photos[sample / options.variants], static_cast<std::uint32_t>(sample % options.variants));
      staged_[2 * batch + i] = static_cast<std::uint32_t>(sample);
    }
    forward(source, options);
    network_.backend().copy_to_host(to + begin * count, executor_->logits(), n * count * sizeof(float));
  }
}

Predictions Inference::run(const SampleSource& source, const std::vector<std::uint32_t>& photos,
                           const InferenceOptions& options) {
  start(source, options);
  Backend& backend = network_.backend();
  const auto batch = static_cast<std::size_t>(executor_->batch());
  const auto classes = static_cast<std::size_t>(network_.classes());
  const std::size_t features = features_count();
  const auto* label = reinterpret_cast<const std::int32_t*>(indices_.as<std::uint32_t>() + batch);
  auto* loss = results_.as<float>();
  auto* predicted = reinterpret_cast<std::int32_t*>(loss + batch);
  auto* probabilities = loss + 2 * batch;

  Predictions out;
  std::vector<float> fetched(results_.bytes() / sizeof(float)), feature_rows(options.features ? batch * features : 0);
  std::vector<float> logit_rows(options.logits ? batch * classes : 0);
  for (std::size_t begin = 0; begin < photos.size(); begin += batch) {
    if (before_batch_) before_batch_();
    const std::size_t n = std::min(batch, photos.size() - begin);
    for (std::size_t i = 0; i < batch; ++i) {
      const std::uint32_t photo = photos[begin + (i < n ? i : 0)];
      staged_[i] = source.row(photo, options.variant);
      staged_[2 * batch + i] = photo * options.variants + options.variant;
      // A source may know more classes than the network (a new person): those count as errors without a loss.
      const int known = source.label(photo);
      staged_[batch + i] = static_cast<std::uint32_t>(known < network_.classes() ? known : 0);
    }
    forward(source, options);
    SoftmaxCrossEntropy op;
    op.n = executor_->batch();
    op.classes = network_.classes();
    op.logits = executor_->logits();
    op.labels = label;
    op.sample_loss = loss;
    op.predicted = predicted;
    backend.softmax_cross_entropy(op);
    backend.softmax({executor_->batch(), network_.classes(), DType::f32, executor_->logits(), probabilities});
    backend.copy_to_host(fetched.data(), results_.data(), results_.bytes());
    out.loss.insert(out.loss.end(), fetched.begin(), fetched.begin() + static_cast<std::ptrdiff_t>(n));
    const auto* classes_found = reinterpret_cast<const std::int32_t*>(fetched.data() + batch);
    out.predicted.insert(out.predicted.end(), classes_found, classes_found + n);
    const float* rows = fetched.data() + 2 * batch;
    for (std::size_t i = 0; i < n; ++i) check_prediction(classes_found[i], source.name(photos[begin + i]));
    out.probabilities.insert(out.probabilities.end(), rows, rows + n * classes);
    if (options.logits) {
      backend.copy_to_host(logit_rows.data(), executor_->logits(), logit_rows.size() * sizeof(float));
      out.logits.insert(out.logits.end(), logit_rows.begin(),
                        logit_rows.begin() + static_cast<std::ptrdiff_t>(n * classes));
    }
    if (options.features) {
      backend.copy_to_host(feature_rows.data(), executor_->features(), batch * features * sizeof(float));
      out.features.insert(out.features.end(), feature_rows.begin(),
                          feature_rows.begin() + static_cast<std::ptrdiff_t>(n * features));
    }
  }
  return out;
}

}  // namespace tsugi
