// The search for the fastest candidate, on made-up machines whose truth is known: noise, outliers, drift, and
// candidates that are close together.
#include "bench/tune/kernel_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

/// The whole of a search at once.
bench::SearchResult find_fastest(std::size_t count, const bench::Measure& measure,
                                 const bench::SearchOptions& options = {}) {
  bench::KernelSearch search(count, options);
  search.run(options.max_rounds, measure);
  return search.result();
}

/// A machine on which candidate i takes truth[i] seconds when nothing disturbs it.
class MadeUpMachine {
 public:
  explicit MadeUpMachine(std::uint64_t seed) : random_(seed) {
    const int count = 2 + static_cast<int>(random_() % 19);
    const double base = std::exp(uniform(std::log(10e-6), std::log(10e-3)));
    for (int i = 0; i < count; ++i) {
      // Half of them close together, as tiles of one kernel are; the others up to five times as slow.
      const bool close = uniform(0.0, 1.0) < 0.5;
      truth.push_back(base * (close ? 1.0 + uniform(0.0, 0.15) : std::exp(uniform(0.0, std::log(5.0)))));
    }
    sigma_ = std::exp(uniform(std::log(0.01), std::log(0.12)));
    outliers_ = uniform(0.0, 0.1);
    drift_ = uniform(0.0, 0.3);
    period_ = uniform(30.0, 1000.0);
    phase_ = uniform(0.0, 6.28);
  }

  double measure(std::size_t i) {
    const double drift = 1.0 + drift_ * (0.5 + 0.5 * std::sin(phase_ + 6.28 * turns_++ / period_));
    const double noise = std::exp(sigma_ * std::normal_distribution<>()(random_));
    const double outlier = uniform(0.0, 1.0) < outliers_ ? uniform(2.0, 5.0) : 1.0;
    return truth[i] * drift * noise * outlier;
  }

  double best() const { return *std::min_element(truth.begin(), truth.end()); }

  std::vector<double> truth;

 private:
  double uniform(double from, double to) { return std::uniform_real_distribution<>(from, to)(random_); }

  std::mt19937_64 random_;
  double sigma_ = 0.0, outliers_ = 0.0, drift_ = 0.0, period_ = 1.0, phase_ = 0.0;
  double turns_ = 0.0;
};

struct Outcome {
  int good = 0, slower = 0;
  double turns = 0.0, worst_slowdown = 1.0;
};

/// Runs the search on 1,000 machines. Turns are per candidate, in the mean.
Outcome search_all(const bench::SearchOptions& base) {
  constexpr int kProblems = 1000;
  Outcome outcome;
  for (int seed = 0; seed < kProblems; ++seed) {
    MadeUpMachine machine(static_cast<std::uint64_t>(seed));
    bench::SearchOptions options = base;
    options.seed = static_cast<std::uint64_t>(seed);
    const auto measure = [&](std::size_t i) { return machine.measure(i); };
    const bench::SearchResult found = find_fastest(machine.truth.size(), measure, options);
    const double chosen = machine.truth[found.chosen];
    outcome.good += chosen <= 1.03 * machine.best() ? 1 : 0;
    outcome.slower += chosen > machine.truth[0] ? 1 : 0;
    outcome.worst_slowdown = std::max(outcome.worst_slowdown, chosen / machine.truth[0]);
    outcome.turns += static_cast<double>(found.turns) / static_cast<double>(machine.truth.size()) / kProblems;
  }
  return outcome;
}

TEST_SUITE_BEGIN(
    "slow");  // statistics over a thousand searches: nothing that a sanitizer or qemu would see in the last only

TEST_CASE("the search finds the best of its candidates, or one within 3 %, on 95 % of 1,000 made-up machines") {
  const Outcome all = search_all({});
  MESSAGE("found: " << all.good / 10.0 << " %; " << all.slower << " of 1,000 slower than the default (by "
                    << 100.0 * (all.worst_slowdown - 1.0) << " % at most), " << all.turns << " turns a candidate");
  CHECK(all.good >= 950);
  CHECK(all.slower <= 10);
  CHECK(all.worst_slowdown < 1.03);
  // The problems are hard enough to need it: one turn each, the fastest wins.
  int lucky = 0;
  for (int seed = 0; seed < 1000; ++seed) {
    MadeUpMachine machine(static_cast<std::uint64_t>(seed));
    std::vector<double> once;
    for (std::size_t i = 0; i < machine.truth.size(); ++i) once.push_back(machine.measure(i));
    const auto first = static_cast<std::size_t>(std::min_element(once.begin(), once.end()) - once.begin());
    lucky += machine.truth[first] <= 1.03 * machine.best() ? 1 : 0;
  }
  MESSAGE("by one turn each: " << lucky / 10.0 << " %");
  CHECK(lucky < 900);
}

TEST_CASE("candidates that are all alike do not replace the default") {
  int replaced = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    MadeUpMachine machine(seed);
    std::fill(machine.truth.begin(), machine.truth.end(), 1e-3);
    replaced +=
        find_fastest(machine.truth.size(), [&](std::size_t i) { return machine.measure(i); }).chosen != 0 ? 1 : 0;
  }
  MESSAGE("replaced: " << replaced << " of 1,000");
  CHECK(replaced <= 20);
}

TEST_SUITE_END();

TEST_CASE("a search without noise is short, and drops who is far behind after three rounds") {
  const std::vector<double> truth = {2.0, 1.0, 5.0};
  int asked = 0;
  const bench::SearchResult found = find_fastest(3, [&](std::size_t i) { return ++asked, truth[i]; });
  CHECK(found.chosen == 1);
  CHECK(found.ratio == doctest::Approx(0.5));
  CHECK(found.decided);
  CHECK(found.candidates[2].turns == 3);
  CHECK(found.candidates[2].seconds == doctest::Approx(5.0));
  CHECK(found.turns == asked);
  CHECK(asked <= 3 * 3 + 2 * 2);
}

TEST_CASE("the same seed asks in the same order and answers the same") {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<std::size_t> orders[2];
    bench::SearchResult found[2];
    for (int time = 0; time < 2; ++time) {
      MadeUpMachine machine(seed);
      found[time] = find_fastest(machine.truth.size(),
                                 [&](std::size_t i) { return orders[time].push_back(i), machine.measure(i); });
    }
    CHECK(orders[0] == orders[1]);
    CHECK(found[0].chosen == found[1].chosen);
    CHECK(found[0].ratio == found[1].ratio);
  }
}

TEST_CASE("a search that is left and taken up again ends as one that was not") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    MadeUpMachine machine(seed), same(seed);
    const bench::SearchResult whole =
        find_fastest(machine.truth.size(), [&](std::size_t i) { return machine.measure(i); });
    bench::KernelSearch search(same.truth.size(), {});
    int visits = 0;
    for (; search.open(); ++visits) search.run(7, [&](std::size_t i) { return same.measure(i); });
    const bench::SearchResult parts = search.result();
    CHECK(visits >= 1);
    CHECK(parts.chosen == whole.chosen);
    CHECK(parts.ratio == whole.ratio);
    CHECK(parts.turns == whole.turns);
    CHECK(parts.decided == whole.decided);
    search.run(7, [](std::size_t) -> double { throw Error("asked again"); });  // nothing is open
  }
}

TEST_CASE("a candidate that fails is left out, a default that fails ends the search") {
  const auto measure = [](std::size_t i) {
    if (i == 1) throw Error("row 1: no memory");
    return 1.0 + static_cast<double>(i);
  };
  const bench::SearchResult found = find_fastest(3, measure);
  CHECK(found.chosen == 0);
  CHECK(found.candidates[1].failure == "row 1: no memory");
  CHECK(found.candidates[1].turns == 0);
  CHECK_THROWS_AS(find_fastest(2, [](std::size_t) -> double { throw Error("broken"); }), Error);
}

TEST_CASE("without time for three rounds the default stays") {
  int left = 0;
  bench::SearchOptions options;
  options.out_of_time = [&] { return left-- == 0; };
  for (const int turns : {0, 1, 3, 5}) {
    left = turns;
    const bench::SearchResult found = find_fastest(
        2, [](std::size_t i) { return i == 0 ? 9.0 : 1.0; }, options);
    CHECK(found.chosen == 0);
    CHECK_FALSE(found.decided);
    CHECK(found.turns == turns);
  }
  left = 7;
  CHECK(find_fastest(
            2, [](std::size_t i) { return i == 0 ? 9.0 : 1.0; }, options)
            .chosen == 1);
}

}  // namespace
}  // namespace tsugi::test
