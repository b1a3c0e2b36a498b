// The choice of the photos that are sent.
#include "engine/handover/subset.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/formats/support.h"

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

constexpr SubsetStrategy kDrawn[] = {SubsetStrategy::stratified, SubsetStrategy::random};
constexpr SubsetStrategy kByFeatures[] = {SubsetStrategy::herding, SubsetStrategy::k_center, SubsetStrategy::typical};
constexpr SubsetStrategy kStrategies[] = {SubsetStrategy::stratified, SubsetStrategy::random, SubsetStrategy::herding,
                                          SubsetStrategy::k_center, SubsetStrategy::typical};

std::vector<float> random_features(std::size_t photos, std::size_t width, std::mt19937_64& random) {
  std::vector<float> features(photos * width);
  std::normal_distribution<float> draw(1.0f, 1.0f);
  for (float& value : features) value = draw(random);
  return features;
}

std::vector<float> row(const std::vector<float>& features, std::size_t width, std::size_t i) {
  const auto begin = features.begin() + static_cast<std::ptrdiff_t>(i * width);
  return {begin, begin + static_cast<std::ptrdiff_t>(width)};
}

std::vector<double> unit(const std::vector<float>& values) {
  double length = 0.0;
  for (const float value : values) length += static_cast<double>(value) * static_cast<double>(value);
  std::vector<double> scaled;
  for (const float value : values) scaled.push_back(static_cast<double>(value) / std::sqrt(length));
  return scaled;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(sum);
}

using Order = std::vector<std::size_t>;

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
  for (int round = 0; round < 10; ++round) {
    const auto labels = random_labels(random);
    const auto features = random_features(labels.size(), 3, random);
    for (const auto strategy : kStrategies) {
      std::vector<std::size_t> before;
      for (int percent = 0; percent <= 100; ++percent) {
        const auto chosen = choose_subset(labels, percent / 100.0, strategy, seed, features);
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
  for (const auto strategy : kDrawn) {
    CHECK(choose_subset(labels, 0.3, strategy, 5) == choose_subset(labels, 0.3, strategy, 5));
    CHECK(choose_subset(labels, 0.3, strategy, 5) != choose_subset(labels, 0.3, strategy, 6));
    CHECK(choose_subset(labels, 0.3, strategy, 5) != choose_subset(labels, 0.3, strategy, 5 + (1ull << 32)));
  }
}

TEST_CASE("fraction 0 and no photos give an empty subset") {
  for (const auto strategy : kStrategies) {
    CHECK(choose_subset({0, 1, 2}, 0.0, strategy, 1, {1, 2, 3}).empty());
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
  CHECK(tsugi::subset_strategy_names() ==
        std::vector<std::string>{"stratified", "random", "herding", "k-center", "typical"});
  for (const auto strategy : kStrategies) CHECK(tsugi::subset_strategy(tsugi::name_of(strategy)) == strategy);
  CHECK(error_of([] { tsugi::subset_strategy("best"); }) ==
        "subset: strategy is \"best\", stratified, random, herding, k-center or typical expected");
}

TEST_CASE("strategies that look at features keep everyone's share as stratified does") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 10; ++round) {
    const auto labels = random_labels(random);
    const auto features = random_features(labels.size(), 4, random);
    for (const double fraction : {1e-9, 0.05, 0.1, 0.37, 0.9, 1.0}) {
      const auto drawn = by_person(labels, choose_subset(labels, fraction, SubsetStrategy::stratified, seed));
      for (const auto strategy : kByFeatures) {
        const auto chosen = choose_subset(labels, fraction, strategy, seed, features);
        CHECK(chosen.size() == choose_subset(labels, fraction, SubsetStrategy::stratified, seed).size());
        const auto counts = by_person(labels, chosen);
        REQUIRE(counts.size() == drawn.size());
        // People with equally many photos may swap the last one: whose comes first is drawn by the photo.
        for (const auto& [person, count] : counts)
          CHECK(std::max(count, drawn.at(person)) - std::min(count, drawn.at(person)) <= 1);
      }
    }
  }
}

TEST_CASE("each person's photos are chosen in the order of their own features") {
  // Person 1's photos lie at 0, 1, ... on a line, person 0's photo far away between them.
  const std::vector<std::int32_t> labels{1, 1, 0, 1, 1, 1};
  const std::vector<float> features{0, 1, 100, 2, 3, 10};
  // Two photos: one of each. Person 1's mean is 3.2: photo 4 (at 3) is closest, photo 5 (at 10) farthest from it.
  CHECK(choose_subset(labels, 2.0 / 6, SubsetStrategy::k_center, 7, features) == Order{2, 4});
  CHECK(choose_subset(labels, 3.0 / 6, SubsetStrategy::k_center, 7, features) == Order{2, 4, 5});
}

TEST_CASE("k-center takes the photo closest to the mean, then always the one farthest from those chosen") {
  // On a line the order is known: 4 (mean 4.5), 10 (6 away), 0 (4 away), 7 (3 away), 2 (2 away), then ties by index.
  const std::vector<float> line{0, 2, 4, 7, 10, 4};
  CHECK(tsugi::order_by_features(SubsetStrategy::k_center, line, 1) == Order{2, 4, 0, 3, 1, 5});
  // Lengths count: scaled to length 1 these would be two points.
  CHECK(tsugi::order_by_features(SubsetStrategy::k_center, {1, 0, 2, 0, 9, 0, 0, 1}, 2) == Order{1, 2, 3, 0});
}

TEST_CASE("k-center covers within twice the best radius") {  // Gonzalez, theorem 2.2
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::size_t photos = 9, width = 2;
  for (int round = 0; round < 20; ++round) {
    const auto features = random_features(photos, width, random);
    const auto radius = [&](const Order& centers) {
      double largest = 0.0;
      for (std::size_t i = 0; i < photos; ++i) {
        double nearest = 1e9;
        for (const auto center : centers) {
          const auto a = row(features, width, i), b = row(features, width, center);
          nearest = std::min(nearest, distance({a.begin(), a.end()}, {b.begin(), b.end()}));
        }
        largest = std::max(largest, nearest);
      }
      return largest;
    };
    const auto order = tsugi::order_by_features(SubsetStrategy::k_center, features, width);
    double best = 1e9;
    for (std::size_t a = 0; a < photos; ++a)
      for (std::size_t b = 0; b < a; ++b)
        for (std::size_t c = 0; c < b; ++c) best = std::min(best, radius({a, b, c}));
    CHECK(radius({order[0], order[1], order[2]}) <= 2.0 * best + 1e-9);
  }
}

TEST_CASE("typical takes the photos closest to the mean first, whatever their length") {
  // Directions 0, 90, 40 and 50 degrees: the mean points at 45; lengths do not count. Ties by index.
  const auto at = [](double degrees, double length) {
    const double radians = degrees * std::acos(-1.0) / 180.0;
    return std::vector<float>{static_cast<float>(length * std::cos(radians)),
                              static_cast<float>(length * std::sin(radians))};
  };
  std::vector<float> features;
  for (const auto& [degrees, length] : {std::pair{0.0, 5.0}, {90.0, 1.0}, {41.0, 100.0}, {47.0, 0.01}}) {
    const auto photo = at(degrees, length);
    features.insert(features.end(), photo.begin(), photo.end());
  }
  CHECK(tsugi::order_by_features(SubsetStrategy::typical, features, 2) == Order{3, 2, 0, 1});
  CHECK(tsugi::order_by_features(SubsetStrategy::typical, {0, 0, 0, 0, 0, 0}, 2) == Order{0, 1, 2});
}

TEST_CASE("herding keeps the mean of what it chose as close to the person's as one more photo can") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::size_t photos = 12, width = 5;
  for (int round = 0; round < 20; ++round) {
    const auto features = random_features(photos, width, random);
    std::vector<std::vector<double>> units;
    std::vector<double> mean(width, 0.0), sum(width, 0.0);
    for (std::size_t i = 0; i < photos; ++i) {
      units.push_back(unit(row(features, width, i)));
      for (std::size_t j = 0; j < width; ++j) mean[j] += units[i][j] / static_cast<double>(photos);
    }
    // iCaRL's algorithm 4, written down: p_k = argmin || mean - (x + sum of p_1 .. p_k-1) / k ||.
    const auto order = tsugi::order_by_features(SubsetStrategy::herding, features, width);
    Order left(photos);
    for (std::size_t i = 0; i < photos; ++i) left[i] = i;
    for (std::size_t k = 1; k <= photos; ++k) {
      const auto distance_with = [&](std::size_t photo) {
        std::vector<double> together(width);
        for (std::size_t j = 0; j < width; ++j) together[j] = (sum[j] + units[photo][j]) / static_cast<double>(k);
        return distance(mean, together);
      };
      const auto best = *std::min_element(
          left.begin(), left.end(), [&](std::size_t a, std::size_t b) { return distance_with(a) < distance_with(b); });
      CHECK(distance_with(order[k - 1]) <= distance_with(best) + 1e-12);
      for (std::size_t j = 0; j < width; ++j) sum[j] += units[order[k - 1]][j];
      left.erase(std::find(left.begin(), left.end(), order[k - 1]));
    }
    CHECK(left.empty());
  }
}

TEST_CASE("features that are missing, not one row a photo, or not finite are errors with both values") {
  using tsugi::test::contains;
  using tsugi::test::error_of;
  for (const auto strategy : kByFeatures) {
    CHECK(contains(error_of([&] {
                     choose_subset({0, 1, 1}, 0.5, strategy, 1);
                   }),
                   "has 0 features, a row for each of 3 photos expected"));
    CHECK(contains(error_of([&] {
                     choose_subset({0, 1, 1}, 0.5, strategy, 1, {1, 2, 3, 4});
                   }),
                   "has 4 features, a row for each of 3 photos expected"));
    for (const float bad : {NAN, INFINITY})
      CHECK(contains(error_of([&] {
                       tsugi::order_by_features(strategy, {1, 2, 3, bad}, 2);
                     }),
                     "feature 1 of photo 1 is"));
    CHECK(contains(error_of([&] { tsugi::order_by_features(strategy, {1, 2, 3}, 2); }), "rows of 2 expected"));
    CHECK(contains(error_of([&] { tsugi::order_by_features(strategy, {1}, 0); }), "rows of 0 expected"));
    CHECK(tsugi::order_by_features(strategy, {}, 2).empty());
  }
  CHECK(contains(error_of([] { tsugi::order_by_features(SubsetStrategy::random, {1}, 1); }), "strategy is random"));
}
