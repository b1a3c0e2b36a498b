// Finds the fastest of several candidates on a machine that does not hold still. Candidates take turns in rounds, and only times
// of the same round are compared, so that what slows a whole round down cancels. A candidate is dropped once it is slower than
// the leader beyond the noise; the default is replaced only by one that is faster beyond the noise.
// Related: "hwy/auto_tune.h" of google/highway on estimators; racing as in Maron and Moore, "Hoeffding Races" (NIPS 1993).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tsugi::perf {

struct SearchOptions {
  int max_rounds = 200;
  double same = 0.015;     ///< candidates closer than this share of their time are as good as each other
  double z_drop = 3.5;     ///< how sure it must be that a candidate is slower than the leader to cost it its turns,
  double z_replace = 3.0;  ///< and that one is faster than the default to replace it: standard deviations; z squared rounds at least
  std::uint64_t seed = 1;   ///< of the order of turns within a round
  std::function<bool()> out_of_time;  ///< asked before every turn; empty = never
};

struct SearchedCandidate {
  double seconds = 0.0;    ///< of one call: median of its turns; 0 = it had none
  double deviation = 0.0;  ///< their median absolute deviation
  int turns = 0;
  std::string failure;     ///< what it threw
};

struct SearchResult {
  std::size_t chosen = 0;  ///< 0 is the default
  /// Median over the rounds that both had of (time of the chosen / time of the default); 1 when the default stays.
  double ratio = 1.0;
  int turns = 0;
  bool decided = false;    ///< the noise allowed an answer in the time that there was
  std::vector<SearchedCandidate> candidates;
};

/// measure(i): seconds of one call of candidate i; what it throws as Error drops the candidate, and is thrown on when it is
/// the default. count: at least 1.
SearchResult find_fastest(std::size_t count, const std::function<double(std::size_t)>& measure, const SearchOptions& options = {});

}  // namespace tsugi::perf
