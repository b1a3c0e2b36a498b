#include "engine/state/subset.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/state/support.h"

using tsugi::choose_subset;
using tsugi::SubsetStrategy;

namespace {

// People with 1 to 60 photos each, in random order.
std::vector<std::int32_t> random_labels(std::mt19937_64& random) {
  std::vector<std::int32_t> labels;
  const auto people = 1 + random() % 40;
  for (std::size_t person = 0; person < people; ++person)
    labels.insert(labels.end(), 1 + random() % 60, static_cast<std::int32_t>(person));
  std::shuffle(labels.begin(), labels.end(), random);
  return labels;
}

std::map<std::int32_t, std::size_t> by_person(const std::vector<std::int32_t>& labels,
                                              const std::vector<std::size_t>& chosen) {
  std::map<std::int32_t, std::size_t> counts;
  for (const auto photo : chosen) ++counts[labels[photo]];
  return counts;
}

std::size_t rounded(double fraction, std::size_t photos) {
  return static_cast<std::size_t>(std::llround(fraction * static_cast<double>(photos)));
}

constexpr SubsetStrategy kStrategies[] = {SubsetStrategy::stratified, SubsetStrategy::random};

}  // namespace

TEST_CASE("a stratified subset leaves nobody out and keeps everyone's share") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 100; ++round) {
    const auto labels = random_labels(random);
    const auto all = by_person(labels, choose_subset(labels, 1.0, SubsetStrategy::stratified, seed));
    for (const double fraction : {1e-9, 0.05, 0.1, 0.3, 0.37, 0.5, 0.9, 1.0}) {
      CAPTURE(fraction);
      const auto chosen = choose_subset(labels, fraction, SubsetStrategy::stratified, seed);
      CHECK(chosen.size() == std::max(rounded(fraction, labels.size()), all.size()));
      const auto counts = by_person(labels, chosen);
      REQUIRE(counts.size() == all.size());
      // Shares are proportional up to a photo; where everyone's first photo takes more than a share, others give way.
      const bool roomy = fraction >= 0.5;
      for (const auto& [person, count] : counts) {
        const double share = fraction * static_cast<double>(all.at(person));
        CHECK(static_cast<double>(count) <= std::max(1.0, share + 2.0));
        if (roomy) CHECK(static_cast<double>(count) >= share - 2.0);
      }
    }
  }
}

TEST_CASE("people with equally many photos get equally many, up to one") {
  std::vector<std::int32_t> labels;
  for (std::int32_t person = 0; person < 32; ++person) labels.insert(labels.end(), 24, person);
  for (int percent = 10; percent <= 100; percent += 10) {
    const auto chosen = choose_subset(labels, percent / 100.0, SubsetStrategy::stratified, 1);
    CHECK(chosen.size() == rounded(percent / 100.0, labels.size()));
    std::size_t least = labels.size(), most = 0;
    for (const auto& [person, count] : by_person(labels, chosen)) {
      least = std::min(least, count);
      most = std::max(most, count);
    }
    CHECK(most - least <= 1);
  }
}

TEST_CASE("subsets are ascending, without repeats, and a larger fraction contains a smaller one") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    const auto labels = random_labels(random);
    for (const auto strategy : kStrategies) {
      std::vector<std::size_t> before;
      for (int percent = 0; percent <= 100; ++percent) {
        const auto chosen = choose_subset(labels, percent / 100.0, strategy, seed);
        CHECK(std::adjacent_find(chosen.begin(), chosen.end(), std::greater_equal<>()) == chosen.end());
        CHECK(std::includes(chosen.begin(), chosen.end(), before.begin(), before.end()));
        before = chosen;
      }
      CHECK(before.size() == labels.size());
    }
  }
}

TEST_CASE("a random subset has the rounded number of photos and every photo the same chance") {
  const std::vector<std::int32_t> labels{0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  std::vector<int> hits(labels.size());
  constexpr int kDraws = 4000;
  for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
    const auto chosen = choose_subset(labels, 0.3, SubsetStrategy::random, seed);
    REQUIRE(chosen.size() == 3);
    for (const auto photo : chosen) ++hits[photo];
  }
  // Binomial with p = 0.3: standard deviation 29, so five of them bound a fixed set of seeds generously.
  for (const int hit : hits) CHECK(std::abs(hit - 1200) < 145);
}

TEST_CASE("a subset depends on its seed and on nothing else") {
  std::vector<std::int32_t> labels(200);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 7);
  for (const auto strategy : kStrategies) {
    CHECK(choose_subset(labels, 0.3, strategy, 5) == choose_subset(labels, 0.3, strategy, 5));
    CHECK(choose_subset(labels, 0.3, strategy, 5) != choose_subset(labels, 0.3, strategy, 6));
    CHECK(choose_subset(labels, 0.3, strategy, 5) != choose_subset(labels, 0.3, strategy, 5 + (1ull << 32)));
  }
}

TEST_CASE("fraction 0 and no photos give an empty subset") {
  for (const auto strategy : kStrategies) {
    CHECK(choose_subset({0, 1, 2}, 0.0, strategy, 1).empty());
    CHECK(choose_subset({}, 0.5, strategy, 1).empty());
  }
}

TEST_CASE("a fraction outside 0 to 1, a negative label and an unknown strategy are errors") {
  using tsugi::test::error_of;
  for (const double fraction : {-0.01, 1.01, static_cast<double>(NAN), static_cast<double>(INFINITY)})
    CHECK(tsugi::test::contains(error_of([&] {
                                  choose_subset({0, 1}, fraction, SubsetStrategy::stratified, 1);
                                }),
                                "0 to 1 expected"));
  CHECK(error_of([] {
          choose_subset({0, -3}, 0.5, SubsetStrategy::random, 1);
        }) == "subset: label of photo 1 is -3, at least 0 expected");
  CHECK(tsugi::subset_strategy("stratified") == SubsetStrategy::stratified);
  CHECK(tsugi::subset_strategy("random") == SubsetStrategy::random);
  CHECK(error_of([] { tsugi::subset_strategy("best"); }) ==
        "subset: strategy is \"best\", stratified or random expected");
}
