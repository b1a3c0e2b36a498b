// Makes room for new people in the last layer, and gives their rows a start.
#include <algorithm>
#include <cmath>

#include "engine/train/handover.h"

namespace tsugi {
namespace {

double norm_of(const float* values, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

double dot(const float* a, const double* b, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

void add_rows(std::vector<NamedTensor>& tensors, const std::string& name, std::size_t rows, std::size_t old_rows, const std::string& place) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(old_rows) || tensor.data.size() % old_rows != 0)
      throw Error(place + ": tensor " + name + " has " + (tensor.shape.empty() ? std::string("no") : std::to_string(tensor.shape[0])) +
                  " rows for " + std::to_string(old_rows) + " people");
    const std::size_t row_bytes = tensor.data.size() / old_rows;
    tensor.shape[0] += static_cast<std::int64_t>(rows);
    tensor.data.resize(tensor.data.size() + rows * row_bytes, 0);
  }
}

}  // namespace

void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names, const std::string& place) {
  for (const std::string& name : names)
    if (std::find(checkpoint.class_names.begin(), checkpoint.class_names.end(), name) != checkpoint.class_names.end())
      throw Error(place + ": " + name + " is among the checkpoint's " + std::to_string(checkpoint.class_names.size()) +
                  " people already; a personal person needs a name of their own");
  const std::size_t old_rows = checkpoint.class_names.size();
  if (old_rows == 0) throw Error(place + ": the checkpoint knows 0 people, expected at least 1");
  for (const char* suffix : {".weight", ".bias"}) {
    const std::string tensor = model.layers.back().name + suffix;
    add_rows(checkpoint.parameters, tensor, names.size(), old_rows, place);
    for (auto& [moment, tensors] : checkpoint.moments) add_rows(tensors, tensor, names.size(), old_rows, place + " (" + moment + ")");
  }
  checkpoint.class_names.insert(checkpoint.class_names.end(), names.begin(), names.end());
  checkpoint.personal_classes.insert(checkpoint.personal_classes.end(), names.begin(), names.end());
}

void imprint_rows(Network& network, int first_new, const std::vector<float>& features, const std::vector<int>& labels) {
  const int head = static_cast<int>(network.model().layers.size()) - 1;
  const ParameterInfo& weight_info = *network.layout().find(head, "weight");
  const ParameterInfo* bias_info = network.layout().find(head, "bias");
  const auto width = static_cast<std::size_t>(weight_info.shape[1]);
  const auto old_rows = static_cast<std::size_t>(first_new);
  Backend& backend = network.backend();
  std::vector<float> weight(weight_info.count), bias(static_cast<std::size_t>(weight_info.shape[0]), 0.0f);
  backend.copy_to_host(weight.data(), network.parameters() + weight_info.offset, weight.size() * sizeof(float));
  if (bias_info != nullptr) backend.copy_to_host(bias.data(), network.parameters() + bias_info->offset, bias.size() * sizeof(float));

  const auto mean_feature = [&](auto&& belongs) {
    std::vector<double> mean(width, 0.0);
    std::size_t photos = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (!belongs(labels[i])) continue;
      ++photos;
      for (std::size_t j = 0; j < width; ++j) mean[j] += static_cast<double>(features[i * width + j]);
    }
    for (double& value : mean) value /= static_cast<double>(std::max<std::size_t>(photos, 1));
    return mean;
  };
  const std::vector<double> old_mean = mean_feature([&](int label) { return label < first_new; });
  double row_norm = 0.0, old_logit = 0.0;
  for (std::size_t row = 0; row < old_rows; ++row) {
    row_norm += norm_of(&weight[row * width], width) / static_cast<double>(old_rows);
    old_logit += (dot(&weight[row * width], old_mean.data(), width) + static_cast<double>(bias[row])) / static_cast<double>(old_rows);
  }
  for (std::size_t row = old_rows; row < bias.size(); ++row) {
    const std::vector<double> mean = mean_feature([&](int label) { return label == static_cast<int>(row); });
    float* w = &weight[row * width];
    for (std::size_t j = 0; j < width; ++j) w[j] = static_cast<float>(mean[j] - old_mean[j]);
    const double length = norm_of(w, width);
    for (std::size_t j = 0; j < width; ++j) w[j] = static_cast<float>(static_cast<double>(w[j]) * row_norm / std::max(length, 1e-12));
    bias[row] = static_cast<float>(old_logit - dot(w, old_mean.data(), width));
  }
  backend.copy_to_device(network.parameters() + weight_info.offset, weight.data(), weight.size() * sizeof(float));
  if (bias_info != nullptr) backend.copy_to_device(network.parameters() + bias_info->offset, bias.data(), bias.size() * sizeof(float));
}

}  // namespace tsugi
