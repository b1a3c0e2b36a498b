// The dequantisation op of a batch of activations.
#include "engine/handover/feature_source.h"

namespace tsugi {
namespace {

std::size_t aligned(std::size_t channels) { return (channels + 3) / 4 * 4; }

}  // namespace

void FeatureSet::append(std::vector<std::uint8_t> added, const ChannelQuantization& added_quantization) {
  const ChannelQuantization wide = widened(quantization, added_quantization);
  if (!rows.empty()) recode(rows.data(), rows.size(), quantization, wide);
  if (!added.empty()) recode(added.data(), added.size(), added_quantization, wide);
  rows.insert(rows.end(), added.begin(), added.end());
  quantization = wide;
}

FeatureSource::FeatureSource(Backend& backend, const FeatureSet& set) : SampleSource(backend), set_(set) {
  const auto channels = static_cast<std::size_t>(set.shape.c);
  if (set.quantization.channels() != channels || set.quantization.offset.size() != channels)
    throw Error("features: there are levels of " + std::to_string(set.quantization.channels()) +
                " channels, activations have " + std::to_string(channels));
  for (const FeatureItem& item : set.items)
    if ((std::uint64_t{item.first_row} + item.variants) * row_bytes() > bytes())
      throw Error("features: " + item.name + " has rows up to " +
                  std::to_string(std::uint64_t{item.first_row} + item.variants) + ", there are " +
                  std::to_string(bytes() / row_bytes()));
  std::vector<float> host(2 * aligned(channels));
  std::copy(set.quantization.scale.begin(), set.quantization.scale.end(), host.begin());
  std::copy(set.quantization.offset.begin(), set.quantization.offset.end(),
            host.begin() + static_cast<std::ptrdiff_t>(aligned(channels)));
  tables_ = DeviceBuffer(backend, host.size() * sizeof(float));
  backend.copy_to_device(tables_.data(), host.data(), host.size() * sizeof(float));
}

std::uint32_t FeatureSource::row(std::uint32_t item, std::uint32_t variant) const {
  const FeatureItem& kept = set_.items[item];
  if (variant >= kept.variants)
    throw Error("features: variant " + std::to_string(variant) + " of " + kept.name + " is asked for, " +
                std::to_string(kept.variants) + " are kept");
  return kept.first_row + variant;
}

void FeatureSource::make_batch(const SampleRequest& request) const {
  DequantizeGather op;
  op.n = request.n;
  op.count = static_cast<int>(set_.shape.count());
  op.c = set_.shape.c;
  op.rows = request.rows;
  op.index = request.index;
  op.scale = tables_.as<float>();
  op.offset = op.scale + aligned(static_cast<std::size_t>(op.c));
  op.dtype = request.dtype;
  op.x = request.x;
  backend().dequantize_gather(op);
}

}  // namespace tsugi
