// Gaussians of the pooled covariance.
#include "engine/handover/head_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tsugi {
namespace {

constexpr std::size_t kPersonDraws = 60, kDraws = 6000, kFewestDraws = 4;  // of a person; of all, about; of a person

/// L [n, n] with L L' = covariance: of pivots, the largest variance left first. Few photos make a singular covariance,
/// and what rounding left of it may even have negative eigenvalues: no pivot is taken from rounding errors, and an
/// entry never takes more than its row has left, so that a row's squares sum to its variance at most, whatever the
/// matrix is.
std::vector<double> factor_of(const std::vector<float>& covariance, std::size_t n) {
  std::vector<double> l(n * n, 0.0), left(n);
  for (std::size_t i = 0; i < n; ++i) left[i] = static_cast<double>(covariance[i * n + i]);
  const double largest = n == 0 ? 0.0 : *std::max_element(left.begin(), left.end());
  const double rounding = largest * static_cast<double>(n) * static_cast<double>(std::numeric_limits<float>::epsilon());
  for (std::size_t k = 0; k < n; ++k) {
    const auto pivot = static_cast<std::size_t>(std::max_element(left.begin(), left.end()) - left.begin());
    if (left[pivot] <= rounding) break;
    const double root = std::sqrt(left[pivot]);
    const double* pivot_row = &l[pivot * n];
    for (std::size_t i = 0; i < n; ++i) {
      if (left[i] <= 0.0) continue;
      double sum = static_cast<double>(covariance[i * n + pivot]);
      for (std::size_t j = 0; j < k; ++j) sum -= l[i * n + j] * pivot_row[j];
      const double most = std::sqrt(left[i]);
      const double entry = i == pivot ? root : std::clamp(sum / root, -most, most);
      l[i * n + k] = entry;
      left[i] = std::max(0.0, left[i] - entry * entry);
    }
    left[pivot] = 0.0;
  }
  return l;
}

}  // namespace

HeadDraws::HeadDraws(const PeopleStatistics& statistics, std::uint64_t seed) : statistics_(statistics) {
  const std::size_t width = statistics.width;
  if (statistics.only_variances) {
    for (const float variance : statistics.feature_covariance)
      factor_.push_back(std::sqrt(static_cast<double>(variance)));
  } else {
    factor_ = factor_of(statistics.feature_covariance, width);
  }
  const std::size_t each =
      std::clamp(kDraws / std::max<std::size_t>(statistics.classes, 1), kFewestDraws, kPersonDraws);
  for (std::size_t person = 0; person < statistics.classes; ++person) {
    if (statistics.feature_count[person] == 0.0f) continue;
    for (std::size_t draw = 0; draw < each; ++draw) {
      normal_.resize(normal_.size() + width);
      fill_normal(seed, static_cast<std::uint32_t>(person * each + draw), 1.0f, normal_.data() + normal_.size() - width,
                  width);
      labels_.push_back(static_cast<int>(person));
    }
  }
}

HeadSamples HeadDraws::samples(double spread) const {
  const std::size_t width = statistics_.width;
  HeadSamples samples;
  samples.labels = labels_;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const float* normal = &normal_[i * width];
    const float* mean = &statistics_.feature_mean[static_cast<std::size_t>(labels_[i]) * width];
    for (std::size_t j = 0; j < width; ++j) {
      double apart = 0.0;
      if (statistics_.only_variances) {
        apart = factor_[j] * static_cast<double>(normal[j]);
      } else {
        for (std::size_t k = 0; k < width; ++k) apart += factor_[j * width + k] * static_cast<double>(normal[k]);
      }
      samples.features.push_back(nearest_float(static_cast<double>(mean[j]) + spread * apart));
    }
  }
  return samples;
}

HeadDraws::Scores HeadDraws::scores(const std::vector<std::vector<double>>& rows,
                                    const std::vector<double>& bias) const {
  const std::size_t width = statistics_.width, count = rows.size();
  Scores scores;
  scores.at_mean.resize(statistics_.classes * count);
  scores.noise.resize(labels_.size() * count);
  std::vector<double> direction(width);  // the row in the space of the normals
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t person = 0; person < statistics_.classes; ++person) {
      double sum = bias[row];
      for (std::size_t j = 0; j < width; ++j)
        sum += rows[row][j] * static_cast<double>(statistics_.feature_mean[person * width + j]);
      scores.at_mean[person * count + row] = sum;
    }
    std::fill(direction.begin(), direction.end(), 0.0);
    for (std::size_t j = 0; j < width; ++j) {
      if (statistics_.only_variances) {
        direction[j] = rows[row][j] * factor_[j];
        continue;
      }
      for (std::size_t k = 0; k < width; ++k) direction[k] += rows[row][j] * factor_[j * width + k];
    }
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      double sum = 0.0;
      for (std::size_t j = 0; j < width; ++j) sum += direction[j] * static_cast<double>(normal_[i * width + j]);
      scores.noise[i * count + row] = sum;
    }
  }
  return scores;
}

}  // namespace tsugi
