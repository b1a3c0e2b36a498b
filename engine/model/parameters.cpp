// Lays parameters out in one flat buffer, weights before biases, and draws their start values.
#include "engine/model/parameters.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/philox.h"

namespace tsugi {
namespace {

constexpr std::size_t kAlignElements = 16;
constexpr float kHeadDeviation = 0.01f;  // small logits at the start: the first loss is log(classes)

std::size_t aligned(std::size_t count) { return (count + kAlignElements - 1) / kAlignElements * kAlignElements; }

bool is_weight(const ParameterInfo& info) {
  return info.name.size() > 7 && info.name.compare(info.name.size() - 7, 7, ".weight") == 0;
}

const ParameterInfo* find_in(const std::vector<ParameterInfo>& list, int layer, const std::string& suffix) {
  for (const ParameterInfo& info : list)
    if (info.layer == layer && info.name.compare(info.name.rfind('.') + 1, std::string::npos, suffix) == 0)
      return &info;
  return nullptr;
}

}  // namespace

ParameterLayout::ParameterLayout(const Model& model, int classes) {
  const std::vector<SampleShape> shapes = infer_shapes(model, classes);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const SampleShape in = layer.inputs[0] < 0 ? model.input : shapes[static_cast<std::size_t>(layer.inputs[0])];
    if (layer.kind->parameters == nullptr) continue;
    for (const LayerParameter& made : layer.kind->parameters(layer, in, shapes[i]))
      (made.learned ? parameters_ : statistics_)
          .push_back({layer.name + "." + made.name, made.shape, 0, made.count(), static_cast<int>(i)});
  }
  for (const bool weights : {true, false}) {
    for (ParameterInfo& info : parameters_) {
      if (is_weight(info) != weights) continue;
      info.offset = count_;
      count_ += aligned(info.count);
    }
    if (weights) decayed_ = count_;
  }
  for (ParameterInfo& info : statistics_) {
    info.offset = statistics_count_;
    statistics_count_ += aligned(info.count);
  }
}

std::vector<ParameterRange> ParameterLayout::trained_ranges(int frozen) const {
  if (frozen <= 0) return {{0, count_, decayed_}};
  std::size_t weights = 0, vectors = decayed_;  // ends of the frozen part of each
  for (const ParameterInfo& info : parameters_) {
    if (info.layer >= frozen) continue;
    std::size_t& end = is_weight(info) ? weights : vectors;
    end = info.offset + aligned(info.count);
  }
  std::vector<ParameterRange> ranges;
  if (weights < decayed_) ranges.push_back({weights, decayed_ - weights, decayed_ - weights});
  if (vectors < count_) ranges.push_back({vectors, count_ - vectors, 0});
  return ranges;
}

std::size_t ParameterLayout::trained_count() const {
  std::size_t total = 0;
  for (const ParameterInfo& info : parameters_) total += info.count;
  return total;
}

const ParameterInfo* ParameterLayout::find(int layer, const std::string& name) const {
  return find_in(parameters_, layer, name);
}

const ParameterInfo* ParameterLayout::find_statistic(int layer, const std::string& name) const {
  return find_in(statistics_, layer, name);
}

void fill_normal(std::uint64_t seed, std::uint32_t index, float deviation, float* values, std::size_t count) {
  constexpr double kTwoPi = 6.283185307179586;
  for (std::size_t i = 0; i < count; i += 2) {  // Box-Muller, two normals from one block of four words
    const Philox4 bits = philox(seed, 0, index, purpose::kInit, static_cast<std::uint32_t>(i / 2));
    const double u = (bits.v[0] + 1.0) / 4294967296.0;
    const double radius = std::sqrt(-2.0 * std::log(u));
    const double angle = kTwoPi * (bits.v[1] / 4294967296.0);
    values[i] = static_cast<float>(deviation * radius * std::cos(angle));
    if (i + 1 < count) values[i + 1] = static_cast<float>(deviation * radius * std::sin(angle));
  }
}

void initialise_parameters(const ParameterLayout& layout, const Model& model, std::uint64_t seed, float* values) {
  std::fill(values, values + layout.count(), 0.0f);
  std::uint32_t index = 0;
  for (const ParameterInfo& info : layout.parameters()) {
    float* begin = values + info.offset;
    const Layer& layer = model.layers[static_cast<std::size_t>(info.layer)];
    if (is_weight(info)) {
      const double fan_in = static_cast<double>(info.count) / static_cast<double>(info.shape[0]);
      const bool head = layer.kind->node == NodeKind::dense && layer.units == 0;
      fill_normal(seed, index, head ? kHeadDeviation : static_cast<float>(std::sqrt(2.0 / fan_in)), begin, info.count);
    } else if (info.name.compare(info.name.rfind('.'), std::string::npos, ".gamma") == 0) {
      std::fill(begin, begin + info.count, 1.0f);
    }
    ++index;
  }
}

void initialise_statistics(const ParameterLayout& layout, float* values) {
  std::fill(values, values + layout.statistics_count(), 0.0f);
  for (const ParameterInfo& info : layout.statistics())
    if (info.name.compare(info.name.rfind('.'), std::string::npos, ".running_var") == 0)
      std::fill(values + info.offset, values + info.offset + info.count, 1.0f);
}

}  // namespace tsugi
