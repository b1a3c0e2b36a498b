// Mean features as rows.
#include "engine/handover/imprint.h"

#include <algorithm>
#include <cmath>

namespace tsugi {
namespace {

double length_of(const float* row, std::size_t width) {
  double squares = 0.0;
  for (std::size_t j = 0; j < width; ++j) squares += static_cast<double>(row[j]) * static_cast<double>(row[j]);
  return std::sqrt(squares);
}

/// Mean feature of the samples with `label`; zeros over none.
std::vector<float> mean_feature(const HeadSamples& samples, std::size_t width, int label) {
  std::vector<double> sum(width, 0.0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    if (samples.labels[i] != label) continue;
    ++count;
    for (std::size_t j = 0; j < width; ++j) sum[j] += static_cast<double>(samples.features[i * width + j]);
  }
  std::vector<float> mean;
  for (const double value : sum)
    mean.push_back(nearest_float(value / static_cast<double>(std::max<std::size_t>(count, 1))));
  return mean;
}

}  // namespace

void imprint_rows(HeadRows& head, int first_new, const HeadSamples& fresh) {
  check_samples(fresh, head.width, "imprint");
  const auto old_rows = static_cast<std::size_t>(first_new);
  double length = 0.0, bias = 0.0;
  for (std::size_t row = 0; row < old_rows; ++row) {
    length += length_of(&head.weight[row * head.width], head.width) / static_cast<double>(old_rows);
    bias += static_cast<double>(head.bias[row]) / static_cast<double>(old_rows);
  }
  for (std::size_t row = old_rows; row < head.rows; ++row) {
    const std::vector<float> mean = mean_feature(fresh, head.width, static_cast<int>(row));
    const double scale = length / std::max(length_of(mean.data(), head.width), 1e-12);
    for (std::size_t j = 0; j < head.width; ++j)
      head.weight[row * head.width + j] = nearest_float(static_cast<double>(mean[j]) * scale);
    head.bias[row] = nearest_float(bias);
  }
}

}  // namespace tsugi
