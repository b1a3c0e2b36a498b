// Copies rows between a network and the host, and looks at samples with them.
#include "engine/handover/head_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tsugi {
namespace {

const ParameterInfo* head_info(const Network& network, const char* name) {
  return network.layout().find(static_cast<int>(network.model().layers.size()) - 1, name);
}

}  // namespace

double HeadRows::logit(std::size_t row, const float* x) const {
  double sum = static_cast<double>(bias[row]);
  for (std::size_t j = 0; j < width; ++j)
    sum += static_cast<double>(weight[row * width + j]) * static_cast<double>(x[j]);
  return sum;
}

HeadRows fetch_head(const Network& network) {
  const ParameterInfo& weight = *head_info(network, "weight");
  HeadRows head;
  head.rows = static_cast<std::size_t>(weight.shape[0]);
  head.width = static_cast<std::size_t>(weight.shape[1]);
  head.weight.resize(weight.count);
  head.bias.assign(head.rows, 0.0f);
  network.backend().copy_to_host(head.weight.data(), network.parameters() + weight.offset,
                                 weight.count * sizeof(float));
  if (const ParameterInfo* bias = head_info(network, "bias"))
    network.backend().copy_to_host(head.bias.data(), network.parameters() + bias->offset, head.rows * sizeof(float));
  return head;
}

HeadRows fetch_head(const Checkpoint& checkpoint, const std::string& head) {
  const NamedTensor* weight = find_tensor(checkpoint.parameters, head + ".weight");
  if (weight == nullptr || weight->shape.size() != 2)
    throw Error("head: the checkpoint has no rows of " + head + ", one a person expected");
  HeadRows rows;
  rows.rows = static_cast<std::size_t>(weight->shape[0]);
  rows.width = static_cast<std::size_t>(weight->shape[1]);
  rows.weight = values_of(*weight);
  const NamedTensor* bias = find_tensor(checkpoint.parameters, head + ".bias");
  rows.bias = bias != nullptr ? values_of(*bias) : std::vector<float>(rows.rows, 0.0f);
  return rows;
}

void store_head(const HeadRows& rows, const std::string& head, Checkpoint& checkpoint) {
  for (NamedTensor& tensor : checkpoint.parameters) {
    if (tensor.name == head + ".weight") tensor = make_tensor(tensor.name, tensor.shape, rows.weight.data());
    if (tensor.name == head + ".bias") tensor = make_tensor(tensor.name, tensor.shape, rows.bias.data());
  }
}

bool has_bias(const Checkpoint& checkpoint, const Model& model) {
  return find_tensor(checkpoint.parameters, model.layers.back().name + ".bias") != nullptr;
}

std::vector<int> predict_by_head(const HeadRows& head, const HeadSamples& samples) {
  check_samples(samples, head.width, "head");
  std::vector<int> predicted(samples.labels.size(), -1);
  std::vector<double> logits(head.rows);
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    for (std::size_t row = 0; row < head.rows; ++row) logits[row] = head.logit(row, &samples.features[i * head.width]);
    if (std::all_of(logits.begin(), logits.end(), [](double logit) { return std::isfinite(logit); }))
      predicted[i] = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  return predicted;
}

void check_samples(const HeadSamples& samples, std::size_t width, const std::string& place) {
  if (samples.features.size() != samples.labels.size() * width)
    throw Error(place + ": " + std::to_string(samples.features.size()) + " features of " +
                std::to_string(samples.labels.size()) + " samples, the head reads " + std::to_string(width) +
                " of each");
  for (std::size_t i = 0; i < samples.features.size(); ++i)
    if (!std::isfinite(samples.features[i]))
      throw Error(place + ": feature " + std::to_string(i % width) + " of sample " + std::to_string(i / width) +
                  " is " + std::to_string(samples.features[i]) + ", a finite number expected");
}

float nearest_float(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMost, kMost));
}

}  // namespace tsugi
