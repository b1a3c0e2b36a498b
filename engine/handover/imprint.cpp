// Imprinting on the host: a few thousand features, a few rows.
#include "engine/handover/imprint.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tsugi {
namespace {

constexpr std::size_t kPersonDraws = 40;  // of each old person
constexpr double kSpread =
    2.0;  // of the draws' covariance: photos that were trained on lie closer to their mean than others
constexpr int kSteps = 300;
constexpr double kRate = 0.02;

/// The head's rows on the host: weight [rows, width] and bias [rows].
struct Head {
  std::size_t width = 0, rows = 0;
  std::vector<float> weight, bias;
  double logit(std::size_t row, const float* x) const {
    double sum = static_cast<double>(bias[row]);
    for (std::size_t j = 0; j < width; ++j)
      sum += static_cast<double>(weight[row * width + j]) * static_cast<double>(x[j]);
    return sum;
  }
};

const ParameterInfo* head_info(const Network& network, const char* name) {
  return network.layout().find(static_cast<int>(network.model().layers.size()) - 1, name);
}

Head fetch_head(const Network& network) {
  const ParameterInfo& weight = *head_info(network, "weight");
  const ParameterInfo* bias = head_info(network, "bias");
  Head head;
  head.rows = static_cast<std::size_t>(weight.shape[0]);
  head.width = static_cast<std::size_t>(weight.shape[1]);
  head.weight.resize(weight.count);
  head.bias.assign(head.rows, 0.0f);
  network.backend().copy_to_host(head.weight.data(), network.parameters() + weight.offset,
                                 weight.count * sizeof(float));
  if (bias != nullptr)
    network.backend().copy_to_host(head.bias.data(), network.parameters() + bias->offset, head.rows * sizeof(float));
  return head;
}

void store_head(Network& network, const Head& head) {
  const ParameterInfo* bias = head_info(network, "bias");
  network.backend().copy_to_device(network.parameters() + head_info(network, "weight")->offset, head.weight.data(),
                                   head.weight.size() * sizeof(float));
  if (bias != nullptr)
    network.backend().copy_to_device(network.parameters() + bias->offset, head.bias.data(), head.rows * sizeof(float));
}

/// Mean feature of the samples with `label`, or of all with -1; zeros over none.
std::vector<double> mean_feature(const HeadSamples& samples, std::size_t width, int label) {
  std::vector<double> mean(width, 0.0);
  std::size_t count = 0;
  for (std::size_t i = 0; i < samples.labels.size(); ++i) {
    if (label >= 0 && samples.labels[i] != label) continue;
    ++count;
    for (std::size_t j = 0; j < width; ++j) mean[j] += static_cast<double>(samples.features[i * width + j]);
  }
  for (double& value : mean) value /= static_cast<double>(std::max<std::size_t>(count, 1));
  return mean;
}

template <class T>
double dot(const float* a, const T* b, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// As near as float32 comes: never infinite.
float nearest_float(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMost, kMost));
}

void imprint_means(Head& head, std::size_t first_new, const HeadSamples& old, const HeadSamples& fresh) {
  const std::size_t width = head.width;
  const std::vector<double> old_mean = mean_feature(old, width, -1);
  double row_norm = 0.0, old_logit = 0.0;
  for (std::size_t row = 0; row < first_new; ++row) {
    const float* w = &head.weight[row * width];
    row_norm += std::sqrt(dot(w, w, width)) / static_cast<double>(first_new);
    old_logit +=
        (dot(w, old_mean.data(), width) + static_cast<double>(head.bias[row])) / static_cast<double>(first_new);
  }
  for (std::size_t row = first_new; row < head.rows; ++row) {
    std::vector<double> apart = mean_feature(fresh, width, static_cast<int>(row));
    double squares = 0.0;
    for (std::size_t j = 0; j < width; ++j) {
      apart[j] -= old_mean[j];
      squares += apart[j] * apart[j];
    }
    const double scale = row_norm / std::max(std::sqrt(squares), 1e-12);
    float* w = &head.weight[row * width];
    for (std::size_t j = 0; j < width; ++j) w[j] = nearest_float(apart[j] * scale);
    head.bias[row] = nearest_float(old_logit - dot(w, old_mean.data(), width));
  }
}

/// L [n, n] with L L' = covariance: of pivots, the largest variance left first. Few photos make a singular covariance,
/// and what rounding left of it may even have negative eigenvalues: no pivot is taken from rounding errors, and an
/// entry never takes more than its row has left, so that a row's squares sum to its variance at most, whatever the
/// matrix is. Source: Higham, "Analysis of the Cholesky decomposition of a semi-definite matrix", 1990.
std::vector<double> cholesky(const std::vector<float>& covariance, std::size_t n) {
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

/// Fits rows first_new.. by Adam over all samples at once. The old rows' logits never change: their log-sum-exp is an
/// offset.
class RowFit {
 public:
  RowFit(Head& head, std::size_t first_new, const HeadSamples& old, const HeadSamples& fresh)
      : head_(head), first_new_(first_new) {
    const std::size_t people = head.rows;
    std::vector<double> count(people, 0.0);
    for (const HeadSamples* samples : {&old, &fresh})
      for (const int label : samples->labels) count[static_cast<std::size_t>(label)] += 1.0;
    const auto present =
        static_cast<double>(std::count_if(count.begin(), count.end(), [](double c) { return c > 0.0; }));
    for (const HeadSamples* samples : {&old, &fresh})
      for (std::size_t i = 0; i < samples->labels.size(); ++i) {
        const auto label = static_cast<std::size_t>(samples->labels[i]);
        const float* x = &samples->features[i * head.width];
        samples_.push_back({x, label, 1.0 / (count[label] * present), old_log_sum(x)});
      }
  }

  void run() {
    const std::size_t fresh = head_.rows - first_new_, unknowns = fresh * (head_.width + 1);
    std::vector<double> gradient(unknowns), m(unknowns, 0.0), v(unknowns, 0.0);
    for (int step = 1; step <= kSteps; ++step) {
      evaluate(gradient);
      const double rate = kRate * 0.5 * (1.0 + std::cos(3.14159265358979323846 * step / kSteps));
      for (std::size_t k = 0; k < unknowns; ++k) {
        m[k] = 0.9 * m[k] + 0.1 * gradient[k];
        v[k] = 0.999 * v[k] + 0.001 * gradient[k] * gradient[k];
        const double change =
            rate * m[k] / (1.0 - std::pow(0.9, step)) / (std::sqrt(v[k] / (1.0 - std::pow(0.999, step))) + 1e-8);
        float& value = unknown(k);
        value = nearest_float(static_cast<double>(value) - change);
      }
    }
  }

 private:
  struct Sample {
    const float* x;
    std::size_t label;
    double weight, old_log_sum;
  };

  double old_log_sum(const float* x) const {
    std::vector<double> logits(first_new_);
    for (std::size_t row = 0; row < first_new_; ++row) logits[row] = head_.logit(row, x);
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    for (const double logit : logits) sum += std::exp(logit - largest);
    return largest + std::log(sum);
  }

  float& unknown(std::size_t k) {
    const std::size_t row = first_new_ + k / (head_.width + 1), column = k % (head_.width + 1);
    return column < head_.width ? head_.weight[row * head_.width + column] : head_.bias[row];
  }

  void evaluate(std::vector<double>& gradient) const {
    std::fill(gradient.begin(), gradient.end(), 0.0);
    const std::size_t fresh = head_.rows - first_new_, width = head_.width;
    std::vector<double> logits(fresh);
    for (const Sample& sample : samples_) {
      double largest = sample.old_log_sum, sum = 0.0;
      for (std::size_t r = 0; r < fresh; ++r)
        largest = std::max(largest, logits[r] = head_.logit(first_new_ + r, sample.x));
      for (const double logit : logits) sum += std::exp(logit - largest);
      sum += std::exp(sample.old_log_sum - largest);
      for (std::size_t r = 0; r < fresh; ++r) {
        const double error =
            sample.weight * (std::exp(logits[r] - largest) / sum - (sample.label == first_new_ + r ? 1.0 : 0.0));
        double* row = &gradient[r * (width + 1)];
        for (std::size_t j = 0; j < width; ++j) row[j] += error * static_cast<double>(sample.x[j]);
        row[width] += error;
      }
    }
  }

  Head& head_;
  std::size_t first_new_;
  std::vector<Sample> samples_;
};

void check(const HeadSamples& samples, const Head& head) {
  if (samples.features.size() != samples.labels.size() * head.width)
    throw Error("imprint: " + std::to_string(samples.features.size()) + " features of " +
                std::to_string(samples.labels.size()) + " samples, the head reads " + std::to_string(head.width) +
                " of each");
  for (std::size_t i = 0; i < samples.features.size(); ++i)
    if (!std::isfinite(samples.features[i]))
      throw Error("imprint: feature " + std::to_string(i % head.width) + " of sample " +
                  std::to_string(i / head.width) + " is " + std::to_string(samples.features[i]) +
                  ", a finite number expected");
}

}  // namespace

HeadSamples replay(const PeopleStatistics& statistics, std::uint64_t seed) {
  const std::size_t width = statistics.width;
  const std::vector<double> factor =
      statistics.only_variances ? std::vector<double>() : cholesky(statistics.feature_covariance, width);
  HeadSamples old;
  std::vector<float> normal(width);
  for (std::size_t person = 0; person < statistics.classes; ++person) {
    if (statistics.feature_count[person] == 0.0f) continue;
    for (std::size_t draw = 0; draw < kPersonDraws; ++draw) {
      fill_normal(seed, static_cast<std::uint32_t>(person * kPersonDraws + draw),
                  static_cast<float>(std::sqrt(kSpread)), normal.data(), width);
      old.labels.push_back(static_cast<int>(person));
      for (std::size_t j = 0; j < width; ++j) {
        double value = static_cast<double>(statistics.feature_mean[person * width + j]);
        if (statistics.only_variances) {
          value += std::sqrt(static_cast<double>(statistics.feature_covariance[j])) * static_cast<double>(normal[j]);
        } else {
          for (std::size_t k = 0; k < width; ++k) value += factor[j * width + k] * static_cast<double>(normal[k]);
        }
        old.features.push_back(nearest_float(value));
      }
    }
  }
  return old;
}

void imprint_rows(Network& network, int first_new, const HeadSamples& old, const HeadSamples& fresh) {
  Head head = fetch_head(network);
  check(old, head);
  check(fresh, head);
  imprint_means(head, static_cast<std::size_t>(first_new), old, fresh);
  if (!old.labels.empty()) RowFit(head, static_cast<std::size_t>(first_new), old, fresh).run();
  store_head(network, head);
}

std::vector<int> predict_by_head(const Network& network, const HeadSamples& samples) {
  const Head head = fetch_head(network);
  check(samples, head);
  std::vector<int> predicted(samples.labels.size(), -1);
  std::vector<double> logits(head.rows);
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    for (std::size_t row = 0; row < head.rows; ++row) logits[row] = head.logit(row, &samples.features[i * head.width]);
    if (std::all_of(logits.begin(), logits.end(), [](double logit) { return std::isfinite(logit); }))
      predicted[i] = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  return predicted;
}

}  // namespace tsugi
