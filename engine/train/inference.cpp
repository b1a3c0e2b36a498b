// Batches of photos through the forward pass; the last batch is filled up with its first photo and cut.
#include "engine/train/inference.h"

#include <algorithm>

namespace tsugi {

Inference::Inference(const Network& network, int batch, const DeviceBuffer* scratch) : network_(network) {
  Backend& backend = network.backend();
  const auto plan = [&](int photos) {
    program_ = std::make_unique<Program>(backend, network.model(), network.layout(), network.classes(), photos, DType::f32,
                                         ProgramMode::inference);
  };
  plan(batch);
  while (scratch != nullptr && program_->arena_bytes() > scratch->bytes() && program_->batch() > 1) plan(program_->batch() / 2);
  if (scratch == nullptr || program_->arena_bytes() > scratch->bytes()) {
    arena_ = DeviceBuffer(backend, program_->arena_bytes());
    scratch = &arena_;
  }
  program_->bind(scratch->data());
  const auto n = static_cast<std::size_t>(program_->batch());
  indices_ = DeviceBuffer(backend, n * 3 * sizeof(std::uint32_t));                                    // photo index, label, sample
  step_ = DeviceBuffer(backend, sizeof(StepState));
  results_ = DeviceBuffer(backend, n * (2 + static_cast<std::size_t>(network.classes())) * sizeof(float));  // loss, prediction, softmax
}

Predictions Inference::run(const PhotoSource& source, const std::vector<std::uint32_t>& photos, const InferenceOptions& options) {
  Backend& backend = network_.backend();
  const auto batch = static_cast<std::size_t>(program_->batch());
  const auto classes = static_cast<std::size_t>(network_.classes());
  const std::size_t features = features_count();
  auto* index = indices_.as<std::uint32_t>();
  auto* label = reinterpret_cast<std::int32_t*>(index + batch);
  auto* sample = index + 2 * batch;
  auto* loss = results_.as<float>();
  auto* predicted = reinterpret_cast<std::int32_t*>(loss + batch);
  auto* probabilities = loss + 2 * batch;

  if (photos_of_ != &source || photos_resident_ != source.resident()) {
    photos_ = PhotoBatch(backend, source, batch);
    photos_of_ = &source;
    photos_resident_ = source.resident();
  }
  StepState draw;
  draw.seed = options.seed;
  backend.copy_to_device(step_.data(), &draw, sizeof draw);
  Pass pass;
  pass.parameters = network_.parameters();
  pass.compute = pass.parameters;
  pass.statistics = network_.statistics();

  Predictions out;
  std::vector<std::uint32_t> staged(3 * batch);
  std::vector<float> fetched(results_.bytes() / sizeof(float)), feature_rows(options.features ? batch * features : 0);
  std::vector<float> logit_rows(options.logits ? batch * classes : 0);
  for (std::size_t begin = 0; begin < photos.size(); begin += batch) {
    if (before_batch_) before_batch_();
    const std::size_t n = std::min(batch, photos.size() - begin);
    for (std::size_t i = 0; i < batch; ++i) {
      staged[i] = photos[begin + (i < n ? i : 0)];
      staged[2 * batch + i] = staged[i] * options.variants + options.variant;
      // A store may know more classes than the network (a new person): those count as errors without a loss.
      const int known = source.store().label(staged[i]);
      staged[batch + i] = static_cast<std::uint32_t>(known < network_.classes() ? known : 0);
    }
    photos_.fetch(staged.data(), batch);
    backend.copy_to_device(index, staged.data(), staged.size() * sizeof(std::uint32_t));
    AugmentForward augment = augment_op(source.store().preprocessing(), photos_.device(), program_->batch());
    augment.photo_index = index;
    augment.sample_ids = sample;
    augment.variants = options.variants;
    augment.strength = options.strength;
    augment.step = step_.as<StepState>();
    augment.x = program_->input();
    if (const std::size_t bytes = backend.workspace_bytes(augment); bytes > augment_workspace_.bytes())
      augment_workspace_ = DeviceBuffer(backend, bytes);
    augment.workspace = augment_workspace_.data();
    backend.augment_forward(augment);
    program_->forward(pass);
    SoftmaxCrossEntropy op;
    op.n = program_->batch();
    op.classes = network_.classes();
    op.logits = program_->logits();
    op.labels = label;
    op.sample_loss = loss;
    op.predicted = predicted;
    backend.softmax_cross_entropy(op);
    backend.softmax({program_->batch(), network_.classes(), DType::f32, program_->logits(), probabilities});
    backend.copy_to_host(fetched.data(), results_.data(), results_.bytes());
    out.loss.insert(out.loss.end(), fetched.begin(), fetched.begin() + static_cast<std::ptrdiff_t>(n));
    const auto* classes_found = reinterpret_cast<const std::int32_t*>(fetched.data() + batch);
    out.predicted.insert(out.predicted.end(), classes_found, classes_found + n);
    const float* rows = fetched.data() + 2 * batch;
    out.probabilities.insert(out.probabilities.end(), rows, rows + n * classes);
    if (options.logits) {
      backend.copy_to_host(logit_rows.data(), program_->logits(), logit_rows.size() * sizeof(float));
      out.logits.insert(out.logits.end(), logit_rows.begin(), logit_rows.begin() + static_cast<std::ptrdiff_t>(n * classes));
    }
    if (options.features) {
      backend.copy_to_host(feature_rows.data(), program_->features(), batch * features * sizeof(float));
      out.features.insert(out.features.end(), feature_rows.begin(), feature_rows.begin() + static_cast<std::ptrdiff_t>(n * features));
    }
  }
  return out;
}

}  // namespace tsugi
