// Orders of one person's photos by their features. Each is greedy, so its first k photos are its choice of k.
// Sources: M. Welling, "Herding dynamical weights to learn", ICML 2009; Rebuffi et al., "iCaRL: Incremental classifier
// and representation learning", CVPR 2017; T. Gonzalez, "Clustering to minimize the maximum intercluster distance",
// 1985; Sener & Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR 2018.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/handover/subset.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

// Rows of doubles: [count, width].
struct Rows {
  std::size_t count = 0, width = 0;
  std::vector<double> values;
  const double* operator[](std::size_t i) const { return &values[i * width]; }
  double* operator[](std::size_t i) { return &values[i * width]; }
};

double dot(const double* a, const double* b, std::size_t n) { return std::inner_product(a, a + n, b, 0.0); }

double squared_distance(const double* a, const double* b, std::size_t n) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// A row of zeros stays one.
void scale_to_length_1(Rows& rows) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    const double length = std::sqrt(dot(rows[i], rows[i], rows.width));
    for (std::size_t j = 0; j < rows.width && length > 0.0; ++j) rows[i][j] /= length;
  }
}

std::vector<double> mean_of(const Rows& rows) {
  std::vector<double> mean(rows.width, 0.0);
  for (std::size_t i = 0; i < rows.count; ++i)
    for (std::size_t j = 0; j < rows.width; ++j) mean[j] += rows[i][j] / static_cast<double>(rows.count);
  return mean;
}

std::vector<std::size_t> closest_first(const Rows& rows, const std::vector<double>& mean) {
  std::vector<double> distance(rows.count);
  for (std::size_t i = 0; i < rows.count; ++i) distance[i] = squared_distance(rows[i], mean.data(), rows.width);
  std::vector<std::size_t> order(rows.count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });
  return order;
}

// The k-th photo makes || k mean - (sum of the chosen and it) || least, which is iCaRL's distance of means times k.
// `wanted` is k mean - sum of the chosen: Welling's weights.
std::vector<std::size_t> herding_order(const Rows& rows, const std::vector<double>& mean) {
  std::vector<std::size_t> order;
  std::vector<bool> taken(rows.count, false);
  std::vector<double> wanted(rows.width, 0.0);
  while (order.size() < rows.count) {
    for (std::size_t j = 0; j < rows.width; ++j) wanted[j] += mean[j];
    std::size_t best = rows.count;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < rows.count; ++i) {
      if (taken[i]) continue;
      const double distance = squared_distance(rows[i], wanted.data(), rows.width);
      if (distance < least) least = distance, best = i;
    }
    for (std::size_t j = 0; j < rows.width; ++j) wanted[j] -= rows[best][j];
    taken[best] = true;
    order.push_back(best);
  }
  return order;
}

std::vector<std::size_t> farthest_first(const Rows& rows, std::size_t first) {
  std::vector<std::size_t> order{first};
  std::vector<bool> taken(rows.count, false);
  taken[first] = true;
  std::vector<double> nearest(rows.count, std::numeric_limits<double>::infinity());  // distance to the chosen
  while (order.size() < rows.count) {
    std::size_t best = rows.count;
    for (std::size_t i = 0; i < rows.count; ++i) {
      if (taken[i]) continue;
      nearest[i] = std::min(nearest[i], squared_distance(rows[i], rows[order.back()], rows.width));
      if (best == rows.count || nearest[i] > nearest[best]) best = i;
    }
    taken[best] = true;
    order.push_back(best);
  }
  return order;
}

}  // namespace

std::vector<std::size_t> order_by_features(SubsetStrategy strategy, const std::vector<float>& features,
                                           std::size_t width) {
  if (!needs_features(strategy))
    throw Error(std::string("subset: strategy is ") + name_of(strategy) + ", one that looks at features expected");
  if (width == 0 || features.size() % width != 0)
    throw Error("subset: there are " + std::to_string(features.size()) + " features, rows of " + std::to_string(width) +
                " expected");
  for (std::size_t i = 0; i < features.size(); ++i)
    if (!std::isfinite(features[i]))
      throw Error("subset: feature " + std::to_string(i % width) + " of photo " + std::to_string(i / width) + " is " +
                  std::to_string(features[i]) + ", a finite value expected");
  Rows rows{features.size() / width, width, {features.begin(), features.end()}};
  if (rows.count == 0) return {};
  if (strategy != SubsetStrategy::k_center) scale_to_length_1(rows);
  const std::vector<double> mean = mean_of(rows);
  if (strategy == SubsetStrategy::herding) return herding_order(rows, mean);
  const std::vector<std::size_t> order = closest_first(rows, mean);
  return strategy == SubsetStrategy::typical ? order : farthest_first(rows, order.front());
}

}  // namespace tsugi
