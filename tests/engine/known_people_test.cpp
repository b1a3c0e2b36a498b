// Who is known and who is not: the score by its formula, the threshold, what personal people's scores are raised by.
#include "engine/handover/known_people.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/engine/drawn_server.h"

namespace tsugi::test {
namespace {

constexpr std::size_t kWide = DrawnServer::kFeatures;

using Numbers = std::vector<double>;

/// a'b in the space of S = 0.9 covariance + 0.1 mean variance: a' S^-1 b, by elimination.
double inner(const PeopleStatistics& known, const Numbers& a, Numbers b) {
  Numbers matrix(kWide * kWide);
  double mean = 0.0;
  for (std::size_t j = 0; j < kWide; ++j)
    mean += static_cast<double>(known.feature_covariance[j * kWide + j]) / static_cast<double>(kWide);
  for (std::size_t i = 0; i < kWide * kWide; ++i)
    matrix[i] = 0.9 * static_cast<double>(known.feature_covariance[i]) + (i / kWide == i % kWide ? 0.1 * mean : 0.0);
  for (std::size_t k = 0; k < kWide; ++k)
    for (std::size_t i = 0; i < kWide; ++i) {
      if (i == k) continue;
      const double factor = matrix[i * kWide + k] / matrix[k * kWide + k];
      for (std::size_t j = k; j < kWide; ++j) matrix[i * kWide + j] -= factor * matrix[k * kWide + j];
      b[i] -= factor * b[k];
    }
  double sum = 0.0;
  for (std::size_t j = 0; j < kWide; ++j) sum += a[j] * b[j] / matrix[j * kWide + j];
  return sum;
}

/// What lies between a feature and the centre of the server's people.
Numbers from_centre(const PeopleStatistics& known, const float* feature) {
  Numbers apart(feature, feature + kWide);
  for (std::size_t i = 0; i < known.feature_mean.size(); ++i)
    apart[i % kWide] -= static_cast<double>(known.feature_mean[i]) / static_cast<double>(DrawnServer::kPeople);
  return apart;
}

/// Test photos of the server's people, and what came of them: the score of each with the person it is of.
void look_at_tests(DrawnServer& server, std::uint64_t seed) {
  const KnownPeople known(server.known, 1.0);
  Numbers scores;
  for (std::size_t i = 0; i < 600; ++i) {
    const std::size_t person = i % DrawnServer::kPeople;
    const std::vector<float> photo = DrawnServer::drawn(seed, 500000 + i, &server.known.feature_mean[person * kWide]);
    scores.push_back(known.score(known.cosines(photo.data()), person));
  }
  server.known.held_out_scores = score_quantiles(scores);
}

TEST_CASE("a score is the cosine of photo and person, from the centre, in the space where people vary alike") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  server.add(seed, "new", 1, 1.0f);
  const std::vector<float> photo = DrawnServer::drawn(seed, 400000, &server.known.feature_mean[0]);
  const KnownPeople known(server.known, 0.95);
  const Numbers cosines = known.cosines(photo.data());
  REQUIRE(cosines.size() == DrawnServer::kPeople + 1);
  const Numbers x = from_centre(server.known, photo.data());
  for (std::size_t person = 0; person < cosines.size(); ++person) {
    const float* mean = person < DrawnServer::kPeople ? &server.known.feature_mean[person * kWide]
                                                      : server.known.personal[0].features.data();
    const Numbers m = from_centre(server.known, mean);
    const double expected =
        inner(server.known, m, x) / std::sqrt(inner(server.known, m, m) * inner(server.known, x, x));
    CHECK(std::abs(cosines[person] - expected) < 1e-9);  // double precision, condition about 100
    CHECK(known.score(cosines, person) == cosines[person]);
  }
  CHECK(std::max_element(cosines.begin(), cosines.end()) == cosines.begin());
}

TEST_CASE("the threshold accepts the share of the server's test photos that was asked for") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const std::size_t photos : {1u, 7u, 98u, 1001u}) {
    Numbers scores;
    for (std::size_t i = 0; i < photos; ++i) scores.push_back(std::uniform_real_distribution<>(-0.2, 0.9)(random));
    DrawnServer server(seed);
    CHECK_FALSE(KnownPeople(server.known, 0.5).threshold().has_value());
    server.known.held_out_scores = score_quantiles(scores);
    REQUIRE(server.known.held_out_scores.size() == kScoreQuantiles);
    for (const double accept : {0.0, 0.5, 0.9, 0.95, 1.0}) {
      CAPTURE(accept);
      const double threshold = KnownPeople(server.known, accept).threshold().value();
      const auto accepted = static_cast<double>(
          std::count_if(scores.begin(), scores.end(), [&](double score) { return score >= threshold; }));
      // Between two photos, the threshold takes the upper one of them.
      const double border = accept * static_cast<double>(photos - 1);
      CHECK(accepted >= border - 1e-6);
      CHECK(accepted <= border + 1.0 + 1e-6);
    }
  }
  CHECK(score_quantiles({}).empty());
}

TEST_CASE("personal people's scores are raised by what their left-out photos lack beside the server's test photos") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  look_at_tests(server, seed);
  server.add(seed, "new", 8, 6.0f);  // whose photos have less in common than the server's people's
  const PersonalPerson person = server.known.personal[0];
  double own = 0.0;
  for (std::size_t i = 0; i < 8; ++i) {
    DrawnServer without(seed);
    without.known.personal = {person};
    auto& features = without.known.personal[0].features;
    const auto from = features.begin() + static_cast<std::ptrdiff_t>(i * kWide);
    features.erase(from, from + static_cast<std::ptrdiff_t>(kWide));
    without.known.personal[0].digests.pop_back();
    own += KnownPeople(without.known, 0.95).cosines(&person.features[i * kWide]).back() / 8.0;
  }
  const std::vector<float>& scores = server.known.held_out_scores;
  double mean = 0.0;
  for (std::size_t i = 0; i + 1 < scores.size(); ++i)
    mean += 0.5 * static_cast<double>(scores[i] + scores[i + 1]) / static_cast<double>(scores.size() - 1);
  const KnownPeople known(server.known, 0.95);
  const Numbers none(DrawnServer::kPeople + 1, 0.0);
  CHECK(mean > own + 0.1);
  CHECK(known.score(none, DrawnServer::kPeople) == doctest::Approx(kRaisedShare * (mean - own)).epsilon(1e-6));
  for (std::size_t i = 0; i < DrawnServer::kPeople; ++i) CHECK(known.score(none, i) == 0.0);
}

TEST_CASE("one photo, or many of one burst, raise and lower nothing") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  for (const std::size_t photos : {1u, 5u}) {
    DrawnServer server(seed);
    look_at_tests(server, seed);
    server.add(seed, "new", photos, photos == 1 ? 1.0f : 1e-3f);
    const KnownPeople known(server.known, 0.95);
    CHECK(known.score(Numbers(DrawnServer::kPeople + 1, 0.25), DrawnServer::kPeople) == 0.25);
  }
}

TEST_CASE("strangers are called unknown, and known people are not") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  DrawnServer server(seed);
  look_at_tests(server, seed);
  const KnownPeople known(server.known, 0.95);
  const auto best = [&](const std::vector<float>& photo) {
    const Numbers cosines = known.cosines(photo.data());
    return *std::max_element(cosines.begin(), cosines.end());
  };
  Numbers own, strange;
  for (std::size_t i = 0; i < 400; ++i) {
    own.push_back(best(DrawnServer::drawn(seed, 600000 + i, &server.known.feature_mean[i % 12 * kWide])));
    std::vector<float> mean(kWide);  // of a person each
    fill_normal(seed, static_cast<std::uint32_t>(700000 + i), 1.2f, mean.data(), kWide);
    strange.push_back(best(DrawnServer::drawn(seed, 800000 + i, mean.data())));
  }
  const auto accepted = [&](const Numbers& scores) {
    return std::count_if(scores.begin(), scores.end(), [&](double s) { return s >= known.threshold().value(); });
  };
  CHECK(accepted(own) > 360);  // 380 expected, their deviation 4.4
  CHECK(accepted(strange) < 200);
  CHECK(auroc(own, strange) > 0.9);
}

TEST_CASE("verification takes half of the best other's cosine off, and an area counts ties half") {
  CHECK(KnownPeople::verification({0.25, 0.75, 0.5}, 1) == 0.5);
  CHECK(KnownPeople::verification({0.25, 0.75, 0.5}, 2) == 0.125);
  CHECK(KnownPeople::verification({0.25, 0.75, -0.5}, 0) == -0.125);
  CHECK(auroc({1, 2}, {0, 1}) == 3.5 / 4.0);
  CHECK(auroc({3}, {0, 1}) == 1.0);
  CHECK(auroc({0}, {1, 2}) == 0.0);
  CHECK(std::isnan(auroc({}, {1})));
  CHECK(std::isnan(auroc({1}, {})));
}

}  // namespace
}  // namespace tsugi::test
