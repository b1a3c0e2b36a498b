// Sums of features and of their products, shifted by class means of a first look at them: what is left to sum is of the
// size of the spread, so the covariance loses no digits to the mean. Source: Chan, Golub, LeVeque, "Algorithms for
// computing the sample variance", 1983.
#include <algorithm>
#include <limits>

#include "engine/handover/people_statistics.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

void check_rows(const std::vector<float>& features, const std::vector<int>& labels, std::size_t classes,
                std::size_t width) {
  if (features.size() != labels.size() * width)
    throw Error("knowledge: there are " + std::to_string(features.size()) + " features, " +
                std::to_string(labels.size()) + " rows of " + std::to_string(width) + " expected");
  for (const int label : labels)
    if (label < 0 || static_cast<std::size_t>(label) >= classes)
      throw Error("knowledge: a sample has label " + std::to_string(label) + ", 0 to " + std::to_string(classes) +
                  " - 1 expected");
}

}  // namespace

std::vector<double> feature_sum(const PersonalPerson& person, std::size_t width) {
  std::vector<double> sum(width, 0.0);
  for (std::size_t i = 0; i < person.features.size(); ++i) sum[i % width] += static_cast<double>(person.features[i]);
  return sum;
}

std::vector<double> mean_without(const PersonalPerson& person, const std::vector<double>& sum, std::size_t photo) {
  const double others = static_cast<double>(std::max<std::size_t>(person.digests.size(), 2) - 1);
  std::vector<double> mean(sum.size());
  for (std::size_t j = 0; j < sum.size(); ++j)
    mean[j] = (sum[j] - static_cast<double>(person.features[photo * sum.size() + j])) / others;
  return mean;
}

FeatureStatistics::FeatureStatistics(std::size_t classes, std::size_t width, const std::vector<float>& features,
                                     const std::vector<int>& labels)
    : classes_(classes), width_(width), only_variances_(width > kLargestCovariance) {
  check_rows(features, labels, classes, width);
  shift_.assign(classes * width, 0.0);
  sum_.assign(classes * width, 0.0);
  products_.assign(only_variances_ ? width : width * width, 0.0);
  count_.assign(classes, 0.0);
  std::vector<double> seen(classes, 0.0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    ++seen[label];
    for (std::size_t j = 0; j < width; ++j) shift_[label * width + j] += static_cast<double>(features[i * width + j]);
  }
  for (std::size_t i = 0; i < shift_.size(); ++i) shift_[i] /= std::max(1.0, seen[i / width]);
}

void FeatureStatistics::add(const std::vector<float>& features, const std::vector<int>& labels) {
  check_rows(features, labels, classes_, width_);
  std::vector<double> apart(width_);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    ++count_[label];
    for (std::size_t j = 0; j < width_; ++j) {
      apart[j] = static_cast<double>(features[i * width_ + j]) - shift_[label * width_ + j];
      sum_[label * width_ + j] += apart[j];
    }
    for (std::size_t j = 0; j < width_; ++j) {
      if (only_variances_) {
        products_[j] += apart[j] * apart[j];
        continue;
      }
      double* row = &products_[j * width_];
      for (std::size_t k = j; k < width_; ++k) row[k] += apart[j] * apart[k];
    }
  }
}

void FeatureStatistics::store(PeopleStatistics& statistics) const {
  statistics.classes = classes_;
  statistics.width = width_;
  statistics.only_variances = only_variances_;
  statistics.feature_count.assign(count_.begin(), count_.end());
  statistics.feature_mean.resize(classes_ * width_);
  double freedom = 0.0;
  for (const double count : count_) freedom += count > 0.0 ? count - 1.0 : 0.0;
  freedom = std::max(1.0, freedom);
  // Around the shift, the products hold count * (mean - shift)^2 too much.
  std::vector<double> covariance = products_;
  for (std::size_t c = 0; c < classes_; ++c) {
    const double count = std::max(1.0, count_[c]);
    const double* sum = &sum_[c * width_];
    for (std::size_t j = 0; j < width_; ++j) {
      statistics.feature_mean[c * width_ + j] = static_cast<float>(shift_[c * width_ + j] + sum[j] / count);
      if (only_variances_) {
        covariance[j] -= sum[j] * sum[j] / count;
        continue;
      }
      for (std::size_t k = j; k < width_; ++k) covariance[j * width_ + k] -= sum[j] * sum[k] / count;
    }
  }
  constexpr double kMost = std::numeric_limits<float>::max();  // squares of large features leave float32
  statistics.feature_covariance.resize(covariance.size());
  for (std::size_t i = 0; i < covariance.size(); ++i) {
    const std::size_t row = i / width_, column = i % width_;
    const bool variance = only_variances_ || row == column;
    const double value =
        covariance[only_variances_ ? i : std::min(row, column) * width_ + std::max(row, column)] / freedom;
    statistics.feature_covariance[i] = static_cast<float>(std::clamp(value, variance ? 0.0 : -kMost, kMost));
  }
}

}  // namespace tsugi
