// Imprinting: the mean way by its formula, the fit by what it must reach, replayed old people by their statistics; and
// what is kept.
#include "engine/handover/imprint.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/handover/keep_best.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

/// The head alone: its features are the input, so that width is a multiple of three channels.
Model head_only(int width) {
  return parse_model(
      R"({"name": "t", "input": [1, )" + std::to_string(width / 3) +
          R"(, 3], "layers": [{"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"}]})",
      "t");
}

float* row_of(const Network& network, std::size_t row) {
  const ParameterInfo& weight = *network.layout().find(1, "weight");
  return network.parameters() + weight.offset + row * static_cast<std::size_t>(weight.shape[1]);
}

float& bias_of(const Network& network, std::size_t row) {
  return network.parameters()[network.layout().find(1, "bias")->offset + row];
}

TEST_CASE("without old people a row points at the mean feature, as long as the old rows are") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model model = head_only(3);
  Network network(*backend, model, {"a", "b", "c"});
  const float rows[] = {3, 0, 4, 0, 1, 0};  // norms 5 and 1: 3 in the mean
  std::copy(rows, rows + 6, row_of(network, 0));
  bias_of(network, 0) = 0.5f;
  bias_of(network, 1) = -1.5f;
  imprint_rows(network, 2, {}, {{0, 4, 3}, {2}});
  CHECK(std::equal(rows, rows + 6, row_of(network, 0)));
  CHECK(row_of(network, 2)[0] == doctest::Approx(0.0));
  CHECK(row_of(network, 2)[1] == doctest::Approx(3.0 * 4 / 5));
  CHECK(row_of(network, 2)[2] == doctest::Approx(3.0 * 3 / 5));
  CHECK(bias_of(network, 2) == doctest::Approx(-0.5));  // the mean old logit at 0
  CHECK(bias_of(network, 0) == 0.5f);
}

/// Two old people on the axes 0 and 1, whom the head knows, and new people on other axes; spread round each of
/// `deviation`.
struct People {
  static constexpr int kWidth = 6;
  HeadSamples old, fresh;
  PeopleStatistics knowledge;

  People(std::uint64_t seed, int added, float deviation) {
    std::uint32_t index = 0;
    const auto add = [&](HeadSamples& samples, int label) {
      std::vector<float> x(kWidth);
      fill_normal(seed, index++, deviation, x.data(), x.size());
      x[static_cast<std::size_t>(label)] += 2.0f;
      samples.features.insert(samples.features.end(), x.begin(), x.end());
      samples.labels.push_back(label);
    };
    for (int i = 0; i < 30; ++i)
      for (int label = 0; label < 2; ++label) add(old, label);
    for (int i = 0; i < 20; ++i)
      for (int label = 2; label < 2 + added; ++label) add(fresh, label);
    knowledge.classes = 2;
    knowledge.width = kWidth;
    knowledge.feature_mean = {2, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0};
    knowledge.feature_covariance.assign(kWidth * kWidth, 0.0f);
    for (std::size_t i = 0; i < kWidth; ++i) knowledge.feature_covariance[i * kWidth + i] = deviation * deviation;
    knowledge.feature_count = {30, 30};
  }
};

void know_two(Network& network) {
  row_of(network, 0)[0] = 3.0f;
  row_of(network, 1)[1] = 3.0f;
}

double recall(const Network& network, const HeadSamples& samples) {
  const std::vector<int> predicted = predict_by_head(network, samples);
  double correct = 0.0;
  for (std::size_t i = 0; i < predicted.size(); ++i) correct += predicted[i] == samples.labels[i];
  return correct / static_cast<double>(predicted.size());
}

TEST_CASE("fitted rows know the new people and leave the old ones theirs, from photos or from knowledge") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const int added : {1, 3}) {
    const People people(seed, added, 0.25f);
    for (const bool replayed : {false, true}) {
      CAPTURE(added);
      CAPTURE(replayed);
      std::vector<std::string> names = {"a", "b"};
      for (int i = 0; i < added; ++i) names.push_back("new" + std::to_string(i));
      const Model model = head_only(People::kWidth);
      Network network(*backend, model, names);
      know_two(network);
      imprint_rows(network, 2, replayed ? replay(people.knowledge, seed) : people.old, people.fresh);
      // 2 apart on an axis each, deviation 0.25: an error is an event of 5 deviations.
      CHECK(recall(network, people.old) == 1.0);
      CHECK(recall(network, people.fresh) == 1.0);
      CHECK(row_of(network, 0)[0] == 3.0f);
      CHECK(row_of(network, 1)[1] == 3.0f);
    }
  }
}

TEST_CASE("replayed people have the mean and twice the covariance that are known of them") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  People people(seed, 1, 0.5f);
  people.knowledge.feature_covariance[1] = people.knowledge.feature_covariance[People::kWidth] =
      0.2f;  // of features 0 and 1
  double mean = 0.0, variance = 0.0, together = 0.0;
  std::size_t count = 0;
  for (std::uint64_t run = 0; run < 50; ++run) {
    const HeadSamples samples = replay(people.knowledge, seed + run);
    for (std::size_t i = 0; i < samples.labels.size(); ++i) {
      if (samples.labels[i] != 0) continue;
      const double x = static_cast<double>(samples.features[i * People::kWidth]) - 2.0,
                   y = static_cast<double>(samples.features[i * People::kWidth + 1]);
      mean += x;
      variance += x * x;
      together += x * y;
      ++count;
    }
  }
  const auto n = static_cast<double>(count);
  REQUIRE(count == 2000);
  // Deviations of the estimates over 2000 draws of variance 0.5: 0.016 of the mean, 0.016 of the variance, about 0.014
  // of the covariance; 5 of them.
  CHECK(mean / n == doctest::Approx(0.0).epsilon(0.08));
  CHECK(std::abs(variance / n - 0.5) < 0.08);
  CHECK(std::abs(together / n - 0.4) < 0.08);
  CHECK(replay(people.knowledge, seed).features == replay(people.knowledge, seed).features);
  people.knowledge.feature_count[0] = 0.0f;  // nobody ever saw this one
  const HeadSamples one = replay(people.knowledge, seed);
  CHECK(std::count(one.labels.begin(), one.labels.end(), 0) == 0);
}

/// What a server knows of 3 people with `photos` photos each, whose `width` features are `rank` numbers mixed, times
/// `scale`; a third of them dead.
PeopleStatistics known_of_few(std::uint64_t seed, std::size_t photos, std::size_t rank, float scale) {
  constexpr std::size_t kFeatures = 48;
  std::vector<float> mix(rank * kFeatures), drawn(rank), features;
  fill_normal(seed, 0, 1.0f, mix.data(), mix.size());
  std::vector<int> labels;
  for (std::size_t i = 0; i < 3 * photos; ++i) {
    fill_normal(seed, static_cast<std::uint32_t>(1 + i), scale, drawn.data(), rank);
    for (std::size_t j = 0; j < kFeatures; ++j) {
      float value = 0.0f;
      for (std::size_t k = 0; k < rank; ++k)
        value += j % 3 == 0 ? 0.0f : drawn[k] * mix[k * kFeatures + j] * std::pow(0.03f, static_cast<float>(k));
      features.push_back(value);
    }
    labels.push_back(static_cast<int>(i % 3));
  }
  FeatureStatistics statistics(3, kFeatures, features, labels);
  statistics.add(features, labels);
  PeopleStatistics knowledge;
  statistics.store(knowledge);
  return knowledge;
}

/// Draws of `knowledge` and the row that is fitted to them and to one photo in their midst must be finite; the draws no
/// wider than it says.
void expect_finite_row(const PeopleStatistics& knowledge, std::uint64_t seed) {
  const HeadSamples old = replay(knowledge, seed);
  REQUIRE(old.features.size() == 3 * 40 * knowledge.width);
  for (std::size_t i = 0; i < old.features.size(); ++i) {
    const std::size_t j = i % knowledge.width, row = knowledge.only_variances ? j : j * knowledge.width + j;
    const auto person = static_cast<std::size_t>(old.labels[i / knowledge.width]);
    const double apart = static_cast<double>(old.features[i]) -
                         static_cast<double>(knowledge.feature_mean[person * knowledge.width + j]);
    const double deviation = std::sqrt(2.0 * static_cast<double>(knowledge.feature_covariance[row]));
    if (!(std::abs(apart) <=
          8.0 * deviation + 1e-6 * std::abs(static_cast<double>(old.features[i]))))  // 8 deviations: one in 10^15 draws
      FAIL("feature ", j, " was drawn ", apart, " from its mean, with a deviation of ", deviation);
  }
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model model = head_only(static_cast<int>(knowledge.width));
  Network network(*backend, model, {"a", "b", "c", "new"});
  fill_normal(seed, 1000, 1.0f, row_of(network, 0), 3 * knowledge.width);
  imprint_rows(
      network, 3, old,
      {{knowledge.feature_mean.begin(), knowledge.feature_mean.begin() + static_cast<std::ptrdiff_t>(knowledge.width)},
       {3}});
  for (std::size_t j = 0; j < knowledge.width; ++j) REQUIRE(std::isfinite(row_of(network, 3)[j]));
  REQUIRE(std::isfinite(bias_of(network, 3)));
}

TEST_CASE("whatever statistics degenerate to, the draws keep to them and the new row is finite") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  for (const float scale : {0.0f, 1e-30f, 1e-3f, 1.0f, 1e4f, 1e15f, 1e25f, 1e37f})
    for (const std::size_t rank : {1u, 2u, 3u, 6u, 40u})
      for (const std::size_t photos : {1u, 2u, 3u, 30u}) {
        CAPTURE(scale);
        CAPTURE(rank);
        CAPTURE(photos);
        expect_finite_row(known_of_few(seed, photos, rank, scale), seed);
      }
  // Of a stranger's bundle: no covariance at all, though symmetric and with variances.
  PeopleStatistics hostile = known_of_few(seed, 3, 3, 1.0f);
  for (const float beside : {5.0f, -1.0f, 1e30f}) {
    std::fill(hostile.feature_covariance.begin(), hostile.feature_covariance.end(), beside);
    for (std::size_t j = 0; j < hostile.width; ++j)
      hostile.feature_covariance[j * hostile.width + j] = j % 5 == 0 ? 0.0f : 1.0f + static_cast<float>(j);
    expect_finite_row(hostile, seed);
  }
}

TEST_CASE("what is not a number is nobody's, and no row is made of it") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model model = head_only(3);
  Network network(*backend, model, {"a", "b"});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t row : {0u, 1u}) {
    row_of(network, 0)[0] = row_of(network, 1)[0] = 1.0f;
    row_of(network, row)[1] = nan;
    CHECK(predict_by_head(network, {{1, 2, 3}, {0}}) == std::vector<int>{-1});
    row_of(network, row)[1] = 0.0f;
  }
  expect_parts(error_of([&] {
                 imprint_rows(network, 1, {}, {{1, nan, 2}, {1}});
               }),
               {"imprint", "feature 1 of sample 0", "nan"});
}

TEST_CASE("features of another width are an error with both numbers") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model model = head_only(3);
  Network network(*backend, model, {"a", "b"});
  expect_parts(error_of([&] {
                 imprint_rows(network, 1, {}, {{1, 2}, {1}});
               }),
               {"imprint", "2 features of 1", "reads 3"});
  expect_parts(error_of([&] { predict_by_head(network, {{1, 2, 3, 4}, {0}}); }), {"4 features of 1", "reads 3"});
}

TEST_CASE("what was learnt is better when the old people lose a point at most and both together lose nothing") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(is_better({0.9, 0.8}, {0.9, 0.8}));
  CHECK(is_better({0.9, 0.8}, {0.895, 0.9}));
  CHECK(is_better({0.9, 0.8}, {1.0, 0.75}));
  CHECK_FALSE(is_better({0.9, 0.8}, {0.88, 1.0}));
  CHECK_FALSE(is_better({0.9, 0.8}, {0.91, 0.7}));
  CHECK_FALSE(is_better({nan, 0.8}, {nan, 1.0}));
  CHECK_FALSE(is_better({0.9, 0.8}, {nan, 1.0}));
}

}  // namespace
}  // namespace tsugi::test
