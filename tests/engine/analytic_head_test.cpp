// The head that is computed: its formula, draws as hard as photos, what is foreseen, and that nothing degenerates.
#include "engine/handover/analytic_head.h"

#include <algorithm>
#include <cmath>

#include "engine/handover/head_draws.h"
#include "engine/handover/known_people.h"
#include "tests/engine/drawn_server.h"

namespace tsugi::test {
namespace {

HeadSamples photos_of(const PersonalPerson& person) {
  return {person.features, std::vector<int>(person.digests.size(), static_cast<int>(DrawnServer::kPeople))};
}

double share(const HeadRows& rows, const HeadSamples& samples) {
  const std::vector<int> predicted = predict_by_head(rows, samples);
  double right = 0.0;
  for (std::size_t i = 0; i < predicted.size(); ++i) right += predicted[i] == samples.labels[i];
  return right / static_cast<double>(predicted.size());
}

TEST_CASE("rows point from the centre to their person, equally long where people vary alike in every direction") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  server.add(seed, "new", 5, 1.0f);
  const HeadRows rows = analytic_head(server.known, 1.0).rows;
  REQUIRE(rows.rows == DrawnServer::kPeople + 1);
  const std::size_t width = rows.width;
  double trace = 0.0;
  for (std::size_t j = 0; j < width; ++j)
    trace += static_cast<double>(server.known.feature_covariance[j * width + j]) / static_cast<double>(width);
  // S w is parallel to the person's mean less the centre, and w' S w is the same for all.
  std::vector<double> centre(width, 0.0);
  for (std::size_t i = 0; i < DrawnServer::kPeople * width; ++i)
    centre[i % width] += static_cast<double>(server.known.feature_mean[i]) / static_cast<double>(DrawnServer::kPeople);
  double first_length = 0.0;
  for (std::size_t row = 0; row < rows.rows; ++row) {
    std::vector<double> mean(width, 0.0), image(width, 0.0);
    const float* w = &rows.weight[row * width];
    for (std::size_t j = 0; j < width; ++j) {
      if (row < DrawnServer::kPeople) mean[j] = static_cast<double>(server.known.feature_mean[row * width + j]);
      for (std::size_t i = 0; i < 5 && row == DrawnServer::kPeople; ++i)
        mean[j] += static_cast<double>(server.known.personal[0].features[i * width + j]) / 5.0;
      for (std::size_t k = 0; k < width; ++k)
        image[j] +=
            (0.9 * static_cast<double>(server.known.feature_covariance[j * width + k]) + (j == k ? 0.1 * trace : 0.0)) *
            static_cast<double>(w[k]);
    }
    double along = 0.0, image_squares = 0.0, squares = 0.0, length = 0.0,
           at_centre = static_cast<double>(rows.bias[row]);
    for (std::size_t j = 0; j < width; ++j) {
      const double apart = mean[j] - centre[j];
      along += image[j] * apart;
      image_squares += image[j] * image[j];
      squares += apart * apart;
      length += static_cast<double>(w[j]) * image[j];
      at_centre += static_cast<double>(w[j]) * centre[j];
    }
    CHECK(along / std::sqrt(image_squares * squares) == doctest::Approx(1.0).epsilon(1e-4));  // rows are float32
    if (row == 0) first_length = length;
    CHECK(length == doctest::Approx(first_length).epsilon(1e-4));
    if (row < DrawnServer::kPeople) CHECK(std::abs(at_centre) < 1e-4 * std::sqrt(length));
  }
}

TEST_CASE("draws are as hard to name as the server's test photos, and their softmax says how often it is right") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  for (const float right : {90.0f, 70.0f}) {
    server.known.held_out_correct = right;
    server.known.held_out_photos = 100.0f;
    const AnalyticHead head = analytic_head(server.known, 1.0);
    CHECK(head.spread > 1.0);
    const HeadSamples draws = HeadDraws(server.known, 1).samples(head.spread);
    // 720 draws: a draw is 0.0014; 0.5 and 1 are added to the counts
    CHECK(share(head.rows, draws) == doctest::Approx((right + 0.5) / 101.0).epsilon(0.01));
    double sure = 0.0;  // the mean probability of the person named
    for (std::size_t i = 0; i < draws.labels.size(); ++i) {
      double largest = -1e300, sum = 0.0;
      for (std::size_t row = 0; row < head.rows.rows; ++row)
        largest = std::max(largest, head.rows.logit(row, &draws.features[i * head.rows.width]));
      for (std::size_t row = 0; row < head.rows.rows; ++row)
        sum += std::exp(head.rows.logit(row, &draws.features[i * head.rows.width]) - largest);
      sure += 1.0 / sum / static_cast<double>(draws.labels.size());
    }
    CHECK(std::abs(sure - static_cast<double>(right) / 100.0) < 0.06);
  }
  server.known.held_out_photos = server.known.held_out_correct = 0.0f;
  CHECK(analytic_head(server.known, 1.0).spread == kUsualSpread);
}

TEST_CASE("photos that nobody has seen are named: the new person's where they may cost, the others' where not") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  double personal = 0.0, old = 0.0;
  for (std::uint64_t i = 0; i < 5; ++i) {
    DrawnServer server(seed + i), unseen(seed + i);
    server.known.held_out_correct = 95.0f;
    server.known.held_out_photos = 100.0f;
    server.add(seed + i, "new", 6, 1.0f);
    unseen.add(seed + i, "new", 26, 1.0f);  // the same six, then twenty more
    std::vector<float>& features = unseen.known.personal[0].features;
    features.erase(features.begin(), features.begin() + 6 * static_cast<std::ptrdiff_t>(DrawnServer::kFeatures));
    const HeadSamples more{features, std::vector<int>(20, static_cast<int>(DrawnServer::kPeople))};
    personal += share(analytic_head(server.known, 15.0).rows, more) / 5.0;
    HeadSamples others;
    for (std::size_t photo = 0; photo < 240; ++photo) {
      const std::size_t person = photo % DrawnServer::kPeople;
      const std::vector<float> drawn =
          DrawnServer::drawn(seed + i, 200000 + photo, &server.known.feature_mean[person * DrawnServer::kFeatures]);
      others.features.insert(others.features.end(), drawn.begin(), drawn.end());
      others.labels.push_back(static_cast<int>(person));
    }
    old += share(analytic_head(server.known, 0.0).rows, others) / 5.0;
  }
  CHECK(personal > 0.8);
  CHECK(old > 0.95);
}

TEST_CASE("draws lie around their person's mean and vary as the covariance says, off its diagonal, too") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const DrawnServer server(seed);
  const double spread = 2.0;
  const HeadSamples draws = HeadDraws(server.known, seed).samples(spread);
  const std::size_t width = DrawnServer::kFeatures, count = draws.labels.size();
  REQUIRE(count == 12 * 60);
  const auto apart = [&](std::size_t i, std::size_t j) {
    const auto person = static_cast<std::size_t>(draws.labels[i]);
    return static_cast<double>(draws.features[i * width + j]) -
           static_cast<double>(server.known.feature_mean[person * width + j]);
  };
  const auto covariance = [&](std::size_t j, std::size_t k) {
    return static_cast<double>(server.known.feature_covariance[j * width + k]) * spread * spread;
  };
  // Of 720 draws: six standard errors.
  const double errors = 6.0 / std::sqrt(static_cast<double>(count));
  for (std::size_t j = 0; j < width; ++j) {
    double mean = 0.0;
    for (std::size_t i = 0; i < count; ++i) mean += apart(i, j) / static_cast<double>(count);
    CHECK(std::abs(mean) <= errors * std::sqrt(covariance(j, j)));
    for (std::size_t k = 0; k <= j; ++k) {
      double product = 0.0;
      for (std::size_t i = 0; i < count; ++i) product += apart(i, j) * apart(i, k) / static_cast<double>(count);
      const double variances = covariance(j, j) * covariance(k, k);
      CHECK(std::abs(product - covariance(j, k)) <=
            errors * std::sqrt(variances + covariance(j, k) * covariance(j, k)));
    }
  }
}

TEST_CASE("what may be lost of the old people is what new people win by") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  server.known.held_out_correct = 80.0f;
  server.known.held_out_photos = 100.0f;
  const HeadRows alone = analytic_head(server.known, 1.0).rows;
  server.add(seed, "new", 4, 1.0f);
  double before = -1.0;
  float bias = -1e30f;
  for (const double loss : {0.0, 1.5, 3.0, 15.0}) {
    CAPTURE(loss);
    const AnalyticHead head = analytic_head(server.known, loss);
    const HeadSamples draws = HeadDraws(server.known, 1).samples(head.spread);
    // Two thirds of it are foreseen (draws are kinder than photos). A draw of 720 is 0.14 points: one for rounding
    // down, one for that which lies on the border, where the spread was found.
    const double lost = 100.0 * (share(alone, draws) - share(head.rows, draws));
    CHECK(std::abs(lost - loss / 1.5) <= 0.29);
    CHECK(head.chosen.personal.accuracy() >= before);
    before = head.chosen.personal.accuracy();
    CHECK(head.rows.bias.back() > bias);
    bias = head.rows.bias.back();
  }
}

TEST_CASE("personal recall is foreseen of photos that did not teach the row that they are asked of") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  double taught = 0.0, left_out = 0.0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    DrawnServer server(seed + i);
    server.known.held_out_correct = 95.0f;
    server.known.held_out_photos = 100.0f;
    server.add(seed + i, "nobody", 6, 8.0f);  // six photos that have little in common
    const AnalyticHead head = analytic_head(server.known, 1.0);
    CHECK(head.chosen.personal.photos == 6);
    CHECK(head.curve.size() >= 3);
    taught += share(head.rows, photos_of(server.known.personal[0])) / 10.0;
    left_out += head.chosen.personal.accuracy() / 10.0;
  }
  // About 0.75 and 0.15 of 60 photos; each has a deviation of 0.06.
  CHECK(taught > left_out + 0.3);
  CHECK(left_out < 0.4);
  DrawnServer other(seed);
  other.add(seed, "one", 1, 1.0f);
  CHECK(analytic_head(other.known, 1.0).chosen.personal.photos == 0);  // nothing is left to know them by
}

TEST_CASE("people and photos may come in any order, and twice") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer at_once(seed), one_by_one(seed);
  for (const char* name : {"a", "b", "c"}) at_once.add(seed + static_cast<std::uint64_t>(name[0]), name, 3, 1.0f);
  for (const char* name : {"c", "a", "b", "a"})
    one_by_one.add(seed + static_cast<std::uint64_t>(name[0]), name, 3, 1.0f);
  const AnalyticHead a = analytic_head(at_once.known, 1.0), b = analytic_head(one_by_one.known, 1.0);
  CHECK(a.rows.weight == b.rows.weight);
  CHECK(a.rows.bias == b.rows.bias);
  CHECK(one_by_one.known.personal.size() == 3);
}

/// What a server knows of 3 people with `photos` photos each, whose 48 features are `rank` numbers mixed, times
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
  PeopleStatistics known;
  statistics.store(known);
  return known;
}

/// Draws of `known` must keep to its variances, and its head with a person in the midst of the others must be finite.
void expect_finite(PeopleStatistics known, std::uint64_t seed) {
  const HeadSamples draws = HeadDraws(known, seed).samples(1.5);
  REQUIRE(draws.features.size() == 3 * 60 * known.width);
  for (std::size_t i = 0; i < draws.features.size(); ++i) {
    const std::size_t j = i % known.width, row = known.only_variances ? j : j * known.width + j;
    const auto person = static_cast<std::size_t>(draws.labels[i / known.width]);
    const double mean = static_cast<double>(known.feature_mean[person * known.width + j]);
    const double apart = static_cast<double>(draws.features[i]) - mean;
    const double deviation = 1.5 * std::sqrt(static_cast<double>(known.feature_covariance[row]));
    if (!(std::abs(apart) <= 8.0 * deviation + 1e-6 * std::abs(mean)))  // 8 deviations: one in 10^15 draws
      FAIL("feature ", j, " was drawn ", apart, " from its mean, with a deviation of ", deviation);
  }
  const auto width = static_cast<std::ptrdiff_t>(known.width);
  const std::vector<float> first(known.feature_mean.begin(), known.feature_mean.begin() + width);
  known.personal = {{"new", {std::string(64, 'a')}, first}};
  for (const bool bias : {true, false}) {
    const HeadRows rows = analytic_head(known, 1.0, bias).rows;
    REQUIRE(rows.weight.size() == 4 * known.width);
    for (const float value : rows.weight) REQUIRE(std::isfinite(value));
    for (const float value : rows.bias) REQUIRE(std::isfinite(value));
    for (const double cosine : KnownPeople(known, 0.95, bias).cosines(&draws.features[0]))
      REQUIRE(std::abs(cosine) <= 1.0 + 1e-9);  // what rounding adds; NaN is no less
  }
}

TEST_CASE("whatever statistics degenerate to, the draws keep to them and the head is finite") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  for (const float scale : {0.0f, 1e-30f, 1e-3f, 1.0f, 1e4f, 1e15f, 1e25f, 1e37f})
    for (const std::size_t rank : {1u, 2u, 6u, 40u})
      for (const std::size_t photos : {1u, 2u, 30u}) {
        CAPTURE(scale);
        CAPTURE(rank);
        CAPTURE(photos);
        expect_finite(known_of_few(seed, photos, rank, scale), seed);
      }
  // Of a stranger's bundle: no covariance at all, though symmetric and with variances.
  PeopleStatistics hostile = known_of_few(seed, 3, 3, 1.0f);
  for (const float beside : {5.0f, -1.0f, 1e30f}) {
    std::fill(hostile.feature_covariance.begin(), hostile.feature_covariance.end(), beside);
    for (std::size_t j = 0; j < hostile.width; ++j)
      hostile.feature_covariance[j * hostile.width + j] = j % 5 == 0 ? 0.0f : 1.0f + static_cast<float>(j);
    expect_finite(hostile, seed);
  }
}

TEST_CASE("a person of whom the server had no photo is nobody's name") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  const auto begin = server.known.feature_mean.begin();
  std::fill(begin, begin + static_cast<std::ptrdiff_t>(DrawnServer::kFeatures), 0.0f);
  server.known.feature_count[0] = 0.0f;
  const HeadDraws draws(server.known, seed);
  CHECK(std::count(draws.labels().begin(), draws.labels().end(), 0) == 0);
  const std::vector<int> predicted = predict_by_head(analytic_head(server.known, 1.0).rows, draws.samples(3.0));
  CHECK(std::count(predicted.begin(), predicted.end(), 0) == 0);
}

TEST_CASE("without biases rows start at zero, and are as good on features that lie around it") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const DrawnServer server(seed);
  const AnalyticHead head = analytic_head(server.known, 1.0, false);
  CHECK(std::all_of(head.rows.bias.begin(), head.rows.bias.end(), [](float bias) { return bias == 0.0f; }));
  CHECK(share(head.rows, HeadDraws(server.known, 2).samples(1.0)) > 0.95);
}

}  // namespace
}  // namespace tsugi::test
