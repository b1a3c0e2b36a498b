#include "engine/perf/kernel_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/perf/statistics.h"
#include "kernels/api/error.h"
#include "kernels/api/philox.h"

namespace tsugi::perf {
namespace {

constexpr int kFarRounds = 3;    // enough to see that ...
constexpr double kFar = 1.25;    // ... a candidate is far behind: by this factor in each of them
constexpr double kFloor = 5e-4;  // no two medians are known better than this: clocks, alignment, the next process

/// Of logarithms of times: the middle difference, and between what the true one lies.
struct Difference {
  double median = 0.0, least = 0.0, most = 0.0;
};

/// The bounds are differences that were seen, so far from the middle that only z standard deviations of coin tosses put the true
/// median beyond them (the sign test turned round): no assumption on the noise, however many outliers there are. Too few differences
/// bound nothing.
Difference difference_of(std::vector<double> values, double z) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const double beyond = std::floor((n - z * std::sqrt(n)) / 2.0);
  if (beyond < 0.0) return {median(values), -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  const auto k = static_cast<std::size_t>(beyond);
  return {median(values), values[k], values[values.size() - 1 - k]};
}

class Search {
 public:
  Search(std::size_t count, const std::function<double(std::size_t)>& measure, const SearchOptions& options)
      : measure_(measure), options_(options), logs_(count), live_(count), failures_(count) {
    std::iota(live_.begin(), live_.end(), std::size_t{0});
  }

  SearchResult run() {
    for (int round = 0; round < options_.max_rounds && !decided_; ++round) {
      if (!take_turns(round)) break;
      if (round + 1 >= kFarRounds) drop_far(round + 1);
      decide();
    }
    return result();
  }

 private:
  /// One turn of everyone who is left, in an order drawn anew. False: the time is up, and the round does not count.
  bool take_turns(int round) {
    std::vector<std::size_t> order = live_;
    for (std::size_t i = order.size(); i > 1; --i) {
      const auto draw = philox(options_.seed, static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(i), 0, 0).v[0];
      std::swap(order[i - 1], order[draw % i]);
    }
    std::vector<double> times(logs_.size(), 0.0);
    for (const std::size_t i : order) {
      if (options_.out_of_time && options_.out_of_time()) return false;
      try {
        times[i] = std::log(std::max(measure_(i), 1e-12));
        ++turns_;
      } catch (const Error& error) {
        if (i == 0) throw;
        failures_[i] = error.what();
        drop(i);
      }
    }
    for (const std::size_t i : live_) logs_[i].push_back(times[i]);
    return true;
  }

  void drop(std::size_t i) { live_.erase(std::find(live_.begin(), live_.end(), i)); }

  /// Of a against b, over the rounds that both had: negative when a is faster.
  Difference difference(std::size_t a, std::size_t b, double z) const {
    std::vector<double> values(std::min(logs_[a].size(), logs_[b].size()));
    for (std::size_t r = 0; r < values.size(); ++r) values[r] = logs_[a][r] - logs_[b][r];
    return difference_of(values, z);
  }

  /// Of those that are left, by what each took more or less than the round's middle.
  std::size_t leader() const {
    const std::size_t rounds = logs_[live_.front()].size();
    std::vector<double> middle(rounds);
    for (std::size_t r = 0; r < rounds; ++r) {
      std::vector<double> values;
      for (const std::size_t i : live_) values.push_back(logs_[i][r]);
      middle[r] = median(values);
    }
    std::size_t best = live_.front();
    double least = 0.0;
    for (const std::size_t i : live_) {
      std::vector<double> values(rounds);
      for (std::size_t r = 0; r < rounds; ++r) values[r] = logs_[i][r] - middle[r];
      const double score = median(values);
      if (i != live_.front() && score >= least) continue;
      best = i;
      least = score;
    }
    return best;
  }

  void drop_far(int rounds) {
    const std::size_t first = leader();
    for (const std::size_t i : std::vector<std::size_t>(live_)) {
      bool far = i != first;
      for (int r = 0; r < rounds && far; ++r) {
        const auto round = static_cast<std::size_t>(r);
        far = logs_[i][round] - logs_[first][round] > std::log(kFar);
      }
      if (far) drop(i);
    }
  }

  /// Drops who is slower beyond the noise, and sees whether what is left matters.
  void decide() {
    const std::size_t first = leader();
    decided_ = true;
    for (const std::size_t i : std::vector<std::size_t>(live_)) {
      if (i == first) continue;
      if (difference(i, first, options_.z_drop).least > kFloor) {
        drop(i);
      } else if (difference(i, first, options_.z_replace).least < -options_.same) {
        decided_ = false;  // it may still be faster than the leader by something that matters
      }
    }
    // Whether the leader beats the default must be known, too.
    if (first != 0 && !replaces_default(first) && difference(first, 0, options_.z_replace).least < -options_.same) decided_ = false;
  }

  bool is_left(std::size_t i) const { return std::find(live_.begin(), live_.end(), i) != live_.end(); }

  /// Faster by what matters and beyond the noise; a default that lost its turns was slower beyond more than that.
  bool replaces_default(std::size_t i) const {
    if (i == 0 || !is_left(0)) return i != 0;
    const Difference gain = difference(i, 0, options_.z_replace);
    return gain.median < -options_.same && gain.most < -kFloor;
  }

  SearchResult result() const {
    SearchResult result;
    result.turns = turns_;
    for (std::size_t i = 0; i < logs_.size(); ++i) {
      std::vector<double> seconds;
      for (const double log : logs_[i]) seconds.push_back(std::exp(log));
      SearchedCandidate candidate;
      candidate.turns = static_cast<int>(seconds.size());
      candidate.failure = failures_[i];
      if (!seconds.empty()) candidate.seconds = median(seconds), candidate.deviation = median_deviation(seconds);
      result.candidates.push_back(candidate);
    }
    if (static_cast<int>(logs_[0].size()) < std::min(kFarRounds, options_.max_rounds)) return result;
    result.decided = decided_;
    const std::size_t first = leader();
    if (!replaces_default(first)) return result;
    result.chosen = first;
    result.ratio = std::exp(difference(first, 0, options_.z_replace).median);
    return result;
  }

  const std::function<double(std::size_t)>& measure_;
  const SearchOptions& options_;
  std::vector<std::vector<double>> logs_;  // [candidate][round]: logarithms of its times, as long as it was left
  std::vector<std::size_t> live_;
  std::vector<std::string> failures_;
  int turns_ = 0;
  bool decided_ = false;
};

}  // namespace

SearchResult find_fastest(std::size_t count, const std::function<double(std::size_t)>& measure, const SearchOptions& options) {
  return Search(count, measure, options).run();
}

}  // namespace tsugi::perf
