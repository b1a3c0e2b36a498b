#include "bench/tune/kernel_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "bench/measure/statistics.h"
#include "kernels/api/error.h"
#include "kernels/api/philox.h"

namespace tsugi::bench {
namespace {

constexpr int kFarRounds = 3;    // enough to see that ...
constexpr double kFar = 1.25;    // ... a candidate is far behind: by this factor in each of them
constexpr double kFloor = 5e-4;  // no two medians are known better than this: clocks, alignment, the next process

}  // namespace

/// Of logarithms of times: the middle difference, and between what the true one lies.
struct KernelSearch::Difference {
  double median = 0.0, least = 0.0, most = 0.0;

  /// The bounds are differences that were seen, so far from the middle that only z standard deviations of coin tosses
  /// put the true median beyond them (the sign test turned round): no assumption on the noise, however many outliers
  /// there are. Too few differences bound nothing.
  static Difference of(std::vector<double> values, double z) {
    std::sort(values.begin(), values.end());
    const auto n = static_cast<double>(values.size());
    const double beyond = std::floor((n - z * std::sqrt(n)) / 2.0);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (beyond < 0.0) return {bench::median(values), -kInfinity, kInfinity};
    const auto k = static_cast<std::size_t>(beyond);
    return {bench::median(values), values[k], values[values.size() - 1 - k]};
  }
};

KernelSearch::KernelSearch(std::size_t count, const SearchOptions& options)
    : options_(options), logs_(count), left_(count), failures_(count) {
  std::iota(left_.begin(), left_.end(), std::size_t{0});
}

void KernelSearch::run(int rounds, const Measure& measure) {
  for (int round = 0; round < rounds && open(); ++round) {
    if (!take_turns(measure)) return;
    ++rounds_;
    if (rounds_ >= kFarRounds) drop_far();
    decide();
  }
}

/// One turn of everyone who is left, in an order drawn anew. False: the time is up, and the round does not count.
bool KernelSearch::take_turns(const Measure& measure) {
  std::vector<std::size_t> order = left_;
  for (std::size_t i = order.size(); i > 1; --i) {
    const auto draw =
        philox(options_.seed, static_cast<std::uint32_t>(rounds_), static_cast<std::uint32_t>(i), 0, 0).v[0];
    std::swap(order[i - 1], order[draw % i]);
  }
  std::vector<double> times(logs_.size(), 0.0);
  for (const std::size_t i : order) {
    if (options_.out_of_time && options_.out_of_time()) return false;
    try {
      times[i] = std::log(std::max(measure(i), 1e-12));
      ++turns_;
    } catch (const Error& error) {
      if (i == 0) throw;
      failures_[i] = error.what();
      drop(i);
    }
  }
  for (const std::size_t i : left_) logs_[i].push_back(times[i]);
  return true;
}

void KernelSearch::drop(std::size_t i) { left_.erase(std::find(left_.begin(), left_.end(), i)); }

bool KernelSearch::is_left(std::size_t i) const { return std::find(left_.begin(), left_.end(), i) != left_.end(); }

/// Of a against b, over the rounds that both had: negative when a is faster.
KernelSearch::Difference KernelSearch::difference(std::size_t a, std::size_t b, double z) const {
  std::vector<double> values(std::min(logs_[a].size(), logs_[b].size()));
  for (std::size_t r = 0; r < values.size(); ++r) values[r] = logs_[a][r] - logs_[b][r];
  return Difference::of(std::move(values), z);
}

/// Of those that are left, by what each took more or less than the round's middle.
std::size_t KernelSearch::leader() const {
  const std::size_t rounds = logs_[left_.front()].size();
  std::vector<double> middle(rounds);
  for (std::size_t r = 0; r < rounds; ++r) {
    std::vector<double> values;
    for (const std::size_t i : left_) values.push_back(logs_[i][r]);
    middle[r] = median(values);
  }
  std::size_t best = left_.front();
  double least = 0.0;
  for (const std::size_t i : left_) {
    std::vector<double> values(rounds);
    for (std::size_t r = 0; r < rounds; ++r) values[r] = logs_[i][r] - middle[r];
    const double score = median(values);
    if (i != left_.front() && score >= least) continue;
    best = i;
    least = score;
  }
  return best;
}

void KernelSearch::drop_far() {
  const std::size_t first = leader();
  for (const std::size_t i : std::vector<std::size_t>(left_)) {
    bool far = i != first;
    for (std::size_t round = 0; round < logs_[i].size() && far; ++round)
      far = logs_[i][round] - logs_[first][round] > std::log(kFar);
    if (far) drop(i);
  }
}

/// Drops who is slower beyond the noise, and sees whether what is left matters.
void KernelSearch::decide() {
  const std::size_t first = leader();
  decided_ = true;
  for (const std::size_t i : std::vector<std::size_t>(left_)) {
    if (i == first) continue;
    if (difference(i, first, options_.z_drop).least > kFloor) {
      drop(i);
    } else if (difference(i, first, options_.z_replace).least < -options_.same) {
      decided_ = false;  // it may still be faster than the leader by something that matters
    }
  }
  // Whether the leader beats the default must be known, too.
  if (first != 0 && !replaces_default(first) && difference(first, 0, options_.z_replace).least < -options_.same)
    decided_ = false;
}

/// Faster by what matters and beyond the noise; a default that lost its turns was slower beyond more than that.
bool KernelSearch::replaces_default(std::size_t i) const {
  if (i == 0 || !is_left(0)) return i != 0;
  const Difference gain = difference(i, 0, options_.z_replace);
  return gain.median < -options_.same && gain.most < -kFloor;
}

SearchResult KernelSearch::result() const {
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
  if (rounds_ < std::min(kFarRounds, options_.max_rounds)) return result;
  result.decided = decided_;
  const std::size_t first = leader();
  if (!replaces_default(first)) return result;
  result.chosen = first;
  result.ratio = std::exp(difference(first, 0, options_.z_replace).median);
  return result;
}

}  // namespace tsugi::bench
