// Rows, then the operating point: spread of the draws, advantage of the personal people, temperature.
#include "engine/handover/analytic_head.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "engine/handover/head_draws.h"
#include "engine/handover/whitening.h"

namespace tsugi {
namespace {

using Vector = std::vector<double>;

constexpr std::uint64_t kDrawSeed = 1;      // fixed: the head is a function of the statistics
constexpr double kForeseenShare = 1 / 1.5;  // draws foresee 1.4 to 1.7 times too small a loss, whatever the photos
constexpr double kNobody = -100.0;          // the score of a person without samples; others' are a few deviations
constexpr double kCurve[] = {0.5, 1.0, 2.0, 4.0};

double dot(const Vector& row, const float* x) {
  double sum = 0.0;
  for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * static_cast<double>(x[j]);
  return sum;
}

/// Where `rises` turns from false to true between low and high, on a scale of factors.
double bisect(double low, double high, const std::function<bool(double)>& rises) {
  for (int i = 0; i < 25; ++i) {  // to a millionth, of a range of a million
    const double middle = std::sqrt(low * high);
    (rises(middle) ? high : low) = middle;
  }
  return low;
}

class HeadMaker {
 public:
  HeadMaker(const PeopleStatistics& statistics, bool bias)
      : statistics_(statistics), bias_(bias), width_(statistics.width), whitening_(statistics, bias) {
    for (std::size_t c = 0; c < statistics.classes; ++c) {
      const float* mean = &statistics.feature_mean[c * width_];
      if (statistics.feature_count[c] == 0.0f) {
        add(Vector(width_), kNobody);
      } else {
        add(whitening_.row(Vector(mean, mean + width_)), 0.0);
      }
    }
    for (const PersonalPerson& person : statistics.personal) {
      Vector mean = feature_sum(person, width_);
      for (double& value : mean) value /= static_cast<double>(std::max<std::size_t>(person.digests.size(), 1));
      add(whitening_.row(mean), 0.0);
    }
  }

  AnalyticHead make(double general_loss) {
    AnalyticHead head;
    const HeadDraws draws(statistics_, kDrawSeed);
    scores_ = draws.scores(rows_, biases_);
    labels_ = draws.labels();
    head.spread = spread_ = spread();
    for (std::size_t i = 0; i < labels_.size(); ++i)
      if (best_server(i) == label(i)) margins_.push_back(margin(i));
    std::sort(margins_.begin(), margins_.end());
    leave_out();
    head.chosen = trade(general_loss);
    if (!statistics_.personal.empty())
      for (const double loss : kCurve) head.curve.push_back(trade(loss));
    const double delta = advantage(general_loss);
    store(temperature(delta), delta, head.rows);
    return head;
  }

 private:
  void add(Vector row, double bias) {
    biases_.push_back(bias - whitening_.at_centre(row));
    rows_.push_back(std::move(row));
  }

  std::size_t label(std::size_t draw) const { return static_cast<std::size_t>(labels_[draw]); }
  double score(std::size_t draw, std::size_t row, double spread) const {
    return scores_.at_mean[label(draw) * rows_.size() + row] + spread * scores_.noise[draw * rows_.size() + row];
  }

  std::size_t best_server(std::size_t draw, double spread) const {
    std::size_t best = 0;
    for (std::size_t row = 1; row < statistics_.classes; ++row)
      if (score(draw, row, spread) > score(draw, best, spread)) best = row;
    return best;
  }
  std::size_t best_server(std::size_t draw) const { return best_server(draw, spread_); }

  /// By how much the best personal person may be favoured before the draw is lost to them.
  double margin(std::size_t draw) const {
    double personal = -std::numeric_limits<double>::infinity();
    for (std::size_t row = statistics_.classes; row < rows_.size(); ++row)
      personal = std::max(personal, score(draw, row, spread_));
    return score(draw, best_server(draw), spread_) - personal;
  }

  /// What makes the draws as hard to name as the server's test photos.
  double spread() const {
    constexpr double kLeast = 1.0, kMost = 20.0;
    if (statistics_.held_out_photos == 0.0f || labels_.empty()) return kUsualSpread;
    // One more photo, half of it right: few photos, all of them right, do not say that nobody is ever mistaken.
    const double right = (static_cast<double>(statistics_.held_out_correct) + 0.5) /
                         (static_cast<double>(statistics_.held_out_photos) + 1.0);
    return bisect(kLeast, kMost, [&](double spread) {
      std::size_t correct = 0;
      for (std::size_t i = 0; i < labels_.size(); ++i) correct += best_server(i, spread) == label(i);
      return static_cast<double>(correct) < right * static_cast<double>(labels_.size());
    });
  }

  /// delta: the largest that loses no more than so many points.
  double advantage(double general_loss) const {
    if (margins_.empty() || statistics_.personal.empty() || !bias_) return 0.0;
    const double lost = kForeseenShare * general_loss / 100.0 * static_cast<double>(labels_.size());
    return margins_[std::min(static_cast<std::size_t>(lost), margins_.size() - 1)];
  }

  /// Of each personal photo the advantage from which on its person is named; infinity where another personal person is.
  void leave_out() {
    for (std::size_t p = 0; p < statistics_.personal.size(); ++p) {
      const PersonalPerson& person = statistics_.personal[p];
      const std::size_t photos = person.digests.size();
      if (photos < 2) continue;
      const Vector sum = feature_sum(person, width_);
      for (std::size_t i = 0; i < photos; ++i) {
        const float* x = &person.features[i * width_];
        const Vector own_row = whitening_.row(mean_without(person, sum, i));
        const double own = dot(own_row, x) - whitening_.at_centre(own_row);
        double server = -std::numeric_limits<double>::infinity();
        bool beaten = false;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
          if (row == statistics_.classes + p) continue;
          const double other = dot(rows_[row], x) + biases_[row];
          if (row < statistics_.classes) {
            server = std::max(server, other);
          } else {
            beaten = beaten || other > own;
          }
        }
        needed_.push_back(beaten ? std::numeric_limits<double>::infinity() : server - own);
      }
    }
  }

  HeadTrade trade(double general_loss) const {
    HeadTrade trade{general_loss, {}};
    const double delta = advantage(general_loss);
    trade.personal.photos = needed_.size();
    for (const double needed : needed_) trade.personal.correct += delta > needed;
    return trade;
  }

  /// What all logits are multiplied by: their softmax then loses least on the draws. The loss is convex in it.
  double temperature(double delta) const {
    constexpr double kLeast = 1e-3, kMost = 1e3;
    if (labels_.empty()) return 1.0;
    Vector logits(rows_.size());
    return bisect(kLeast, kMost, [&](double temperature) {
      double slope = 0.0;
      for (std::size_t i = 0; i < labels_.size(); ++i) {
        for (std::size_t row = 0; row < rows_.size(); ++row)
          logits[row] = score(i, row, spread_) + (row >= statistics_.classes ? delta : 0.0);
        const double largest = *std::max_element(logits.begin(), logits.end());
        double sum = 0.0, mean = 0.0;
        for (const double logit : logits) {
          const double share = std::exp(temperature * (logit - largest));
          sum += share;
          mean += share * (logit - largest);
        }
        slope += mean / sum - (logits[label(i)] - largest);
      }
      return slope > 0.0;
    });
  }

  void store(double temperature, double delta, HeadRows& head) const {
    head.rows = rows_.size();
    head.width = width_;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      for (const double value : rows_[row]) head.weight.push_back(nearest_float(temperature * value));
      head.bias.push_back(nearest_float(temperature * (biases_[row] + (row >= statistics_.classes ? delta : 0.0))));
    }
  }

  const PeopleStatistics& statistics_;
  bool bias_;
  std::size_t width_;
  Whitening whitening_;
  std::vector<Vector> rows_;  // of the server's people, then the personal ones
  Vector biases_;
  HeadDraws::Scores scores_;
  std::vector<int> labels_;
  double spread_ = 1.0;
  Vector margins_;  // of the draws that are named right without personal people, ascending
  Vector needed_;   // of the personal photos
};

}  // namespace

AnalyticHead analytic_head(const PeopleStatistics& statistics, double general_loss, bool bias) {
  return HeadMaker(statistics, bias).make(general_loss);
}

}  // namespace tsugi
