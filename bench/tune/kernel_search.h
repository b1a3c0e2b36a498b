// Finds the fastest of several candidates on a machine that does not hold still. Candidates take turns in rounds, and
// only times of the same round are compared, so that what slows a whole round down cancels. A candidate is dropped once
// it is slower than the leader beyond the noise; the default is replaced only by one that is faster beyond the noise.
// Related: "hwy/auto_tune.h" of google/highway on estimators; racing as in Maron and Moore, "Hoeffding Races" (NIPS
// 1993).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tsugi::bench {

struct SearchOptions {
  int max_rounds = 200;
  double same = 0.015;  ///< candidates closer than this share of their time are as good as each other
  double z_drop = 3.5;  ///< how sure it must be that a candidate is slower than the leader to cost it its turns,
  double z_replace =
      3.0;  ///< and that one is faster than the default to replace it: standard deviations; z squared rounds at least
  std::uint64_t seed = 1;             ///< of the order of turns within a round
  std::function<bool()> out_of_time;  ///< asked before every turn; empty = never
};

struct SearchedCandidate {
  double seconds = 0.0;    ///< of one call: median of its turns; 0 = it had none
  double deviation = 0.0;  ///< their median absolute deviation
  int turns = 0;
  std::string failure;  ///< what it threw
};

struct SearchResult {
  std::size_t chosen = 0;  ///< 0 is the default
  /// Median over the rounds that both had of (time of the chosen / time of the default); 1 when the default stays.
  double ratio = 1.0;
  int turns = 0;
  bool decided = false;  ///< the noise allowed an answer in the time that there was
  std::vector<SearchedCandidate> candidates;
};

/// Seconds of one call of candidate i. What it throws as Error drops the candidate, and is thrown on when it is the
/// default.
using Measure = std::function<double(std::size_t i)>;

/// A search that can be left and taken up again, between others.
class KernelSearch {
 public:
  /// count: at least 1.
  KernelSearch(std::size_t count, const SearchOptions& options);

  /// Up to `rounds` more rounds, as long as they can change anything.
  void run(int rounds, const Measure& measure);
  /// Whether more rounds can change anything: it is not decided, and max_rounds are not over.
  bool open() const { return !decided_ && rounds_ < options_.max_rounds; }
  SearchResult result() const;

 private:
  struct Difference;

  bool take_turns(const Measure& measure);
  void drop(std::size_t i);
  bool is_left(std::size_t i) const;
  Difference difference(std::size_t a, std::size_t b, double z) const;
  std::size_t leader() const;
  void drop_far();
  void decide();
  bool replaces_default(std::size_t i) const;

  SearchOptions options_;
  std::vector<std::vector<double>> logs_;  // [candidate][round]: logarithms of its times, as long as it was left
  std::vector<std::size_t> left_;
  std::vector<std::string> failures_;
  int rounds_ = 0, turns_ = 0;
  bool decided_ = false;
};

}  // namespace tsugi::bench
