// Grows the head; gathers features of the training photos for imprinting, or draws rows; scales and shifts them.
#include "engine/handover/new_classes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tsugi {
namespace {

constexpr std::uint32_t kImprintDraws =
    3;  // augmented variants of a personal photo that imprinting sees beside the photo

void add_rows(std::vector<NamedTensor>& tensors, const std::string& name, std::size_t rows, std::size_t old_rows,
              const std::string& place) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(old_rows) ||
        tensor.data.size() % old_rows != 0)
      throw Error(place + ": tensor " + name + " has " +
                  (tensor.shape.empty() ? std::string("no") : std::to_string(tensor.shape[0])) + " rows for " +
                  std::to_string(old_rows) + " people");
    const std::size_t row_bytes = tensor.data.size() / old_rows;
    tensor.shape[0] += static_cast<std::int64_t>(rows);
    tensor.data.resize(tensor.data.size() + rows * row_bytes, 0);
  }
}

/// Features of `photos` in their first `variants` variants.
HeadSamples samples_of(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                       std::uint32_t variants, const TrainSettings& settings) {
  Inference inference(network, kSmallBatch);
  InferenceOptions options;
  options.features = true;
  options.variants = variants;
  options.strength = settings.augment;
  options.seed = settings.seed;
  HeadSamples samples;
  for (; options.variant < variants; ++options.variant) {
    const std::vector<float> features = inference.run(source, photos, options).features;
    samples.features.insert(samples.features.end(), features.begin(), features.end());
    for (const std::uint32_t i : photos) samples.labels.push_back(source.label(i));
  }
  return samples;
}

void imprint(Network& network, int first_new, const SampleSource& source, const Split& split,
             const std::optional<PeopleStatistics>& statistics, const TrainSettings& settings) {
  std::vector<std::uint32_t> general, personal;
  for (const std::uint32_t i : split.train) (source.label(i) < first_new ? general : personal).push_back(i);
  const HeadSamples old =
      statistics ? replay(*statistics, settings.seed) : samples_of(network, source, general, 1, settings);
  imprint_rows(network, first_new, old,
               samples_of(network, source, personal, std::min(settings.variants, 1 + kImprintDraws), settings));
}

void draw_rows(Network& network, int first_new, std::uint64_t seed) {
  const ParameterInfo& info = *network.layout().find(static_cast<int>(network.model().layers.size()) - 1, "weight");
  const auto width = static_cast<std::size_t>(info.shape[1]);
  std::vector<float> rows(static_cast<std::size_t>(network.classes() - first_new) * width);
  fill_normal(seed, static_cast<std::uint32_t>(first_new), 0.01f, rows.data(), rows.size());
  network.backend().copy_to_device(network.parameters() + info.offset + static_cast<std::size_t>(first_new) * width,
                                   rows.data(), rows.size() * sizeof(float));
}

}  // namespace

void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
               const std::string& place) {
  for (const std::string& name : names)
    if (std::find(checkpoint.class_names.begin(), checkpoint.class_names.end(), name) != checkpoint.class_names.end())
      throw Error(place + ": " + name + " is among the checkpoint's " + std::to_string(checkpoint.class_names.size()) +
                  " people already; a personal person needs a name of their own");
  const std::size_t old_rows = checkpoint.class_names.size();
  if (old_rows == 0) throw Error(place + ": the checkpoint knows 0 people, expected at least 1");
  for (const char* suffix : {".weight", ".bias"}) {
    const std::string tensor = model.layers.back().name + suffix;
    add_rows(checkpoint.parameters, tensor, names.size(), old_rows, place);
    for (auto& [moment, tensors] : checkpoint.moments)
      add_rows(tensors, tensor, names.size(), old_rows, place + " (" + moment + ")");
  }
  checkpoint.class_names.insert(checkpoint.class_names.end(), names.begin(), names.end());
  checkpoint.personal_classes.insert(checkpoint.personal_classes.end(), names.begin(), names.end());
}

void start_new_classes(NewRow how, Network& network, int first_new, const SampleSource& source, const Split& split,
                       const std::optional<PeopleStatistics>& statistics, const TrainSettings& settings) {
  if (how == NewRow::imprint) {
    imprint(network, first_new, source, split, statistics, settings);
  } else {
    draw_rows(network, first_new, settings.seed);
  }
}

void adjust_new_classes(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float bias_shift) {
  for (NamedTensor& tensor : checkpoint.parameters) {
    const bool is_bias = tensor.name == head + ".bias";
    if (!is_bias && tensor.name != head + ".weight") continue;
    std::vector<float> values = values_of(tensor);
    const std::size_t rows = tensor.shape.empty() ? 0 : static_cast<std::size_t>(tensor.shape[0]);
    if (first_new < 0 || static_cast<std::size_t>(first_new) > rows)
      throw Error("new rows: " + tensor.name + " has " + std::to_string(rows) + " rows, the first new one would be " +
                  std::to_string(first_new));
    if (rows == 0) continue;
    for (std::size_t i = static_cast<std::size_t>(first_new) * (values.size() / rows); i < values.size(); ++i)
      values[i] = scale * values[i] + (is_bias ? bias_shift : 0.0f);
    std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  }
}

float new_class_length(const Checkpoint& checkpoint, const std::string& head, int first_new) {
  const NamedTensor* weight = find_tensor(checkpoint.parameters, head + ".weight");
  if (weight == nullptr || weight->shape.empty()) return 0.0f;
  const std::vector<float> values = values_of(*weight);
  const std::size_t rows = static_cast<std::size_t>(weight->shape[0]), old = static_cast<std::size_t>(first_new);
  if (old == 0 || old >= rows) return 0.0f;
  const std::size_t width = values.size() / rows;
  double sums[2] = {0.0, 0.0};  // of lengths: old rows, new rows
  for (std::size_t row = 0; row < rows; ++row) {
    double squares = 0.0;
    for (std::size_t i = row * width; i < (row + 1) * width; ++i)
      squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    sums[row >= old ? 1 : 0] += std::sqrt(squares);
  }
  const double before = sums[0] / static_cast<double>(old), after = sums[1] / static_cast<double>(rows - old);
  return before > 0.0 ? static_cast<float>(after / before) : 0.0f;
}

}  // namespace tsugi
