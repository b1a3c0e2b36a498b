// A Cholesky factor of the shrunk covariance.
#include "engine/handover/whitening.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tsugi {
namespace {

using Vector = std::vector<double>;

constexpr double kShrinkage = 0.1;  // 0.05 to 0.3 do the same within chance; less is worse

}  // namespace

Whitening::Whitening(const PeopleStatistics& statistics, bool centred)
    : width_(statistics.width), diagonal_(statistics.only_variances), centre_(width_, 0.0) {
  double people = 0.0;
  for (std::size_t c = 0; c < statistics.classes && centred; ++c) {
    if (statistics.feature_count[c] == 0.0f) continue;
    ++people;
    for (std::size_t j = 0; j < width_; ++j) centre_[j] += static_cast<double>(statistics.feature_mean[c * width_ + j]);
  }
  for (double& value : centre_) value /= std::max(people, 1.0);
  // What is no covariance, as of a stranger's file, may not have a root: its mean variance alone always has.
  if (!factorise(statistics, kShrinkage)) (void)factorise(statistics, 1.0);
}

Vector Whitening::row(const Vector& mean) const {
  const Vector apart = apart_from_centre(mean);
  Vector row = solve(apart);
  const double length = std::sqrt(std::max(std::inner_product(apart.begin(), apart.end(), row.begin(), 0.0), 0.0));
  for (double& value : row) value = length > 0.0 ? value / length : 0.0;
  return row;
}

Vector Whitening::direction(const Vector& feature) const {
  Vector direction = whitened(apart_from_centre(feature));
  const double length = std::sqrt(std::inner_product(direction.begin(), direction.end(), direction.begin(), 0.0));
  for (double& value : direction) value = length > 0.0 ? value / length : 0.0;
  return direction;
}

/// Scaled, its largest entry 1, so that no square overflows: nobody asks for its length.
Vector Whitening::apart_from_centre(const Vector& feature) const {
  Vector apart(width_);
  double largest = 0.0;
  for (std::size_t j = 0; j < width_; ++j) largest = std::max(largest, std::abs(apart[j] = feature[j] - centre_[j]));
  for (double& value : apart) value = largest > 0.0 ? value / largest : 0.0;
  return apart;
}

double Whitening::at_centre(const Vector& row) const {
  return std::inner_product(row.begin(), row.end(), centre_.begin(), 0.0);
}

/// False where S has no root.
bool Whitening::factorise(const PeopleStatistics& statistics, double shrinkage) {
  const std::vector<float>& covariance = statistics.feature_covariance;
  double trace = 0.0;
  for (std::size_t j = 0; j < width_; ++j) trace += static_cast<double>(covariance[diagonal_ ? j : j * width_ + j]);
  const double mean = trace > 0.0 ? trace / static_cast<double>(width_) : 1.0;  // no variance: lengths as they are
  const double share = trace > 0.0 ? shrinkage : 1.0;
  if (diagonal_) {
    root_.resize(width_);
    for (std::size_t j = 0; j < width_; ++j)
      root_[j] = std::sqrt((1.0 - share) * static_cast<double>(covariance[j]) + share * mean);
    return true;
  }
  root_.assign(width_ * width_, 0.0);
  for (std::size_t i = 0; i < width_; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double entry =
          (1.0 - share) * static_cast<double>(covariance[i * width_ + j]) + (i == j ? share * mean : 0.0);
      const double left =
          entry - std::inner_product(&root_[i * width_], &root_[i * width_] + j, &root_[j * width_], 0.0);
      if (i == j && !(left > 1e-9 * mean)) return false;
      root_[i * width_ + j] = i == j ? std::sqrt(left) : left / root_[j * width_ + j];
    }
  return true;
}

/// root^-1 x.
Vector Whitening::whitened(Vector x) const {
  for (std::size_t i = 0; i < width_; ++i)
    x[i] = diagonal_ ? x[i] / root_[i]
                     : (x[i] - std::inner_product(&root_[i * width_], &root_[i * width_] + i, x.begin(), 0.0)) /
                           root_[i * width_ + i];
  return x;
}

/// S^-1 x.
Vector Whitening::solve(Vector x) const {
  if (diagonal_) {
    for (std::size_t j = 0; j < width_; ++j) x[j] /= root_[j] * root_[j];
    return x;
  }
  x = whitened(std::move(x));
  for (std::size_t i = width_; i-- > 0;) {
    for (std::size_t k = i + 1; k < width_; ++k) x[i] -= root_[k * width_ + i] * x[k];
    x[i] /= root_[i * width_ + i];
  }
  return x;
}

}  // namespace tsugi
