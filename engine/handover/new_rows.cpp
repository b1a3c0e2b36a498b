// Gathers features of the training photos for imprinting, and draws rows.
#include "engine/handover/new_rows.h"

#include <algorithm>

namespace tsugi {
namespace {

constexpr int kBatch = 16;           // small, for small devices
constexpr std::uint32_t kDraws = 3;  // augmented variants of a personal photo that imprinting sees beside the photo

/// Features of `photos` in their first `variants` variants.
HeadSamples samples_of(const Network& network, const SampleSource& source, const std::vector<std::uint32_t>& photos,
                       std::uint32_t variants, const TrainSettings& settings) {
  Inference inference(network, kBatch);
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
             const std::optional<Knowledge>& knowledge, const TrainSettings& settings) {
  std::vector<std::uint32_t> general, personal;
  for (const std::uint32_t i : split.train) (source.label(i) < first_new ? general : personal).push_back(i);
  const HeadSamples old =
      knowledge ? replay(*knowledge, settings.seed) : samples_of(network, source, general, 1, settings);
  imprint_rows(network, first_new, old,
               samples_of(network, source, personal, std::min(settings.variants, 1 + kDraws), settings));
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

void start_new_rows(NewRow how, Network& network, int first_new, const SampleSource& source, const Split& split,
                    const std::optional<Knowledge>& knowledge, const TrainSettings& settings) {
  if (how == NewRow::imprint) {
    imprint(network, first_new, source, split, knowledge, settings);
  } else {
    draw_rows(network, first_new, settings.seed);
  }
}

}  // namespace tsugi
