// What the server knows: statistics by their formulas, the way through a file, and files that are not believed.
#include "engine/handover/people_statistics.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr std::size_t kClasses = 3, kWidth = 4;

Model narrow_model() {
  return parse_model(R"({"name": "t", "input": [1, 1, 3], "layers": [{"type": "dense", "name": "fc", "units": 4},
      {"type": "dense", "name": "head", "units": "classes"}]})",
                     "t");
}

struct Samples {
  std::vector<float> features;
  std::vector<int> labels;
};

Samples draw_samples(std::size_t count, std::size_t width, float offset, std::mt19937_64& random) {
  Samples samples;
  std::normal_distribution<float> draw(0.0f, 1.0f);
  for (std::size_t i = 0; i < count; ++i) {
    samples.labels.push_back(static_cast<int>(i % (kClasses - 1)));  // nobody is of the last class
    float before = 0.0f;
    for (std::size_t j = 0; j < width; ++j) {
      before = 0.5f * before + draw(random);  // neighbours are correlated
      samples.features.push_back(offset * static_cast<float>(1 + samples.labels.back()) + before);
    }
  }
  return samples;
}

PeopleStatistics statistics_of(const Samples& samples, std::size_t width) {
  PeopleStatistics knowledge;
  FeatureStatistics statistics(kClasses, width, samples.features, samples.labels);
  statistics.add(samples.features, samples.labels);
  statistics.store(knowledge);
  return knowledge;
}

PeopleStatistics some_knowledge() {
  std::mt19937_64 random(7);
  PeopleStatistics knowledge = statistics_of(draw_samples(20, kWidth, 1.0f, random), kWidth);
  knowledge.logits = {0.5f, -1.25f, 3.0f, 1000.0f, 0.0f, -7.5f};  // of two photos; exact in float16
  knowledge.held_out_correct = 3.0f;
  knowledge.held_out_photos = 4.0f;
  for (std::size_t i = 0; i < kScoreQuantiles; ++i) knowledge.held_out_scores.push_back(0.01f * static_cast<float>(i));
  return knowledge;
}

/// A bundle of two training photos and a test photo with these arrays.
Bundle bundle_of(const SafetensorsFile& file) {
  Bundle bundle;
  bundle.checkpoint.class_names = {"a", "b", "c"};
  bundle.photos.resize(3);
  bundle.photos[1].test = true;
  bundle.tensors[kKnowledgeName] = file;
  return bundle;
}

template <typename Change>
std::string refusal(const Change& change) {
  SafetensorsFile file = write_people_statistics(some_knowledge());
  change(file);
  return error_of([&] { read_people_statistics(bundle_of(file), narrow_model(), "b.tar"); });
}

void set_value(SafetensorsFile& file, std::size_t tensor, std::size_t index, float value) {
  std::memcpy(file.tensors.at(tensor).data.data() + index * sizeof value, &value, sizeof value);
}

TEST_CASE("statistics of features are the means and the pooled covariance within classes, written down") {
  const auto seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  // 10000 times the spread: sums of squares without a shift would lose 8 of 16 digits, float32 ones everything.
  for (const float offset : {0.0f, 3.0f, 10000.0f}) {
    CAPTURE(offset);
    const std::size_t count = 50;
    const Samples samples = draw_samples(count, kWidth, offset, random);
    const PeopleStatistics knowledge = statistics_of(samples, kWidth);
    CHECK(knowledge.feature_count == std::vector<float>{25, 25, 0});
    std::vector<double> mean(kClasses * kWidth, 0.0), covariance(kWidth * kWidth, 0.0);
    const auto value = [&](std::size_t i, std::size_t j) {
      return static_cast<double>(samples.features[i * kWidth + j]);
    };
    const auto label = [&](std::size_t i) { return static_cast<std::size_t>(samples.labels[i]); };
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < kWidth; ++j) mean[label(i) * kWidth + j] += value(i, j) / 25.0;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < kWidth; ++j)
        for (std::size_t k = 0; k < kWidth; ++k)
          covariance[j * kWidth + k] += (value(i, j) - mean[label(i) * kWidth + j]) *
                                        (value(i, k) - mean[label(i) * kWidth + k]) / static_cast<double>(count - 2);
    // Stored as float32: half a last place, 6e-8 relative; the sums in double are far better.
    for (std::size_t i = 0; i < mean.size(); ++i)
      CHECK(std::abs(knowledge.feature_mean[i] - mean[i]) <= 1e-7 * (1.0 + std::abs(mean[i])));
    for (std::size_t i = 0; i < covariance.size(); ++i)
      CHECK(std::abs(knowledge.feature_covariance[i] - covariance[i]) <= 1e-6);
    for (std::size_t j = 0; j < kWidth; ++j)
      for (std::size_t k = 0; k < kWidth; ++k)
        CHECK(knowledge.feature_covariance[j * kWidth + k] == knowledge.feature_covariance[k * kWidth + j]);
  }
}

TEST_CASE("samples of another look move the means by their share") {
  // The first look at 1 and 3; then both again, and a draw of each at 2 and 6.
  FeatureStatistics statistics(1, 1, {1, 3}, {0, 0});
  statistics.add({1, 3}, {0, 0});
  statistics.add({2, 6}, {0, 0});
  PeopleStatistics knowledge;
  statistics.store(knowledge);
  CHECK(knowledge.feature_count == std::vector<float>{4});
  CHECK(knowledge.feature_mean.at(0) == doctest::Approx(3.0));
  CHECK(knowledge.feature_covariance.at(0) == doctest::Approx((4.0 + 0.0 + 1.0 + 9.0) / 3.0));
}

TEST_CASE("wide features keep their variances only") {
  const std::size_t width = kLargestCovariance + 1;
  const Samples samples = [&] {
    std::mt19937_64 random(3);
    return draw_samples(30, width, 2.0f, random);
  }();
  const PeopleStatistics wide = statistics_of(samples, width);
  CHECK(wide.only_variances);
  REQUIRE(wide.feature_covariance.size() == width);
  Samples first;  // the first feature alone
  first.labels = samples.labels;
  for (std::size_t i = 0; i < samples.labels.size(); ++i) first.features.push_back(samples.features[i * width]);
  CHECK(wide.feature_covariance[0] == statistics_of(first, 1).feature_covariance[0]);
  const SafetensorsFile file = write_people_statistics(wide);
  CHECK(find_tensor(file.tensors, "feature_covariance")->shape ==
        std::vector<std::int64_t>{static_cast<std::int64_t>(width)});
}

TEST_CASE("no sample, or one a class, gives a covariance of zeros") {
  const PeopleStatistics none = statistics_of({}, 2);
  CHECK(none.feature_count == std::vector<float>{0, 0, 0});
  CHECK(none.feature_mean == std::vector<float>(6, 0.0f));
  CHECK(none.feature_covariance == std::vector<float>(4, 0.0f));
  const PeopleStatistics one = statistics_of({{1, 2, 3, 4}, {0, 2}}, 2);
  CHECK(one.feature_mean == std::vector<float>{1, 2, 0, 0, 3, 4});
  CHECK(one.feature_covariance == std::vector<float>(4, 0.0f));
}

TEST_CASE("features and labels that do not fit are errors with both values") {
  expect_parts(error_of([] { FeatureStatistics(2, 2, {1, 2, 3}, {0}); }), {"3 features", "1 rows of 2"});
  FeatureStatistics statistics(2, 1, {1, 2}, {0, 1});
  expect_parts(error_of([&] { statistics.add({1}, {2}); }), {"label 2", "0 to 2 - 1"});
  expect_parts(error_of([&] { statistics.add({1}, {-1}); }), {"label -1"});
}

TEST_CASE("knowledge comes back from its arrays") {
  const PeopleStatistics out = some_knowledge();
  const std::optional<PeopleStatistics> in =
      read_people_statistics(bundle_of(write_people_statistics(out)), narrow_model(), "b.tar");
  REQUIRE(in.has_value());
  CHECK(in->classes == kClasses);
  CHECK(in->width == kWidth);
  CHECK(in->logits == out.logits);
  CHECK(in->feature_mean == out.feature_mean);
  CHECK(in->feature_covariance == out.feature_covariance);
  CHECK(in->feature_count == out.feature_count);
  CHECK(in->held_out_correct == 3.0f);
  CHECK(in->held_out_photos == 4.0f);
  CHECK(in->held_out_scores == out.held_out_scores);
  CHECK_FALSE(in->only_variances);
  SafetensorsFile older = write_people_statistics(out);
  older.tensors.pop_back();
  CHECK(read_people_statistics(bundle_of(older), narrow_model(), "b.tar")->held_out_photos == 4.0f);
  CHECK(read_people_statistics(bundle_of(older), narrow_model(), "b.tar")->held_out_scores.empty());
  older.tensors.pop_back();
  CHECK(read_people_statistics(bundle_of(older), narrow_model(), "b.tar")->held_out_photos == 0.0f);
  Bundle without = bundle_of({});
  without.tensors.clear();
  CHECK_FALSE(read_people_statistics(without, narrow_model(), "b.tar").has_value());
}

TEST_CASE("logits are stored as float16, and no more finely than that") {
  PeopleStatistics knowledge = some_knowledge();
  knowledge.logits[0] = 1.0f + 0x1p-11f + 0x1p-20f;  // above the middle between two float16
  const SafetensorsFile file = write_people_statistics(knowledge);
  CHECK(find_tensor(file.tensors, "logits")->dtype == DType::f16);
  CHECK(read_people_statistics(bundle_of(file), narrow_model(), "b.tar")->logits[0] == 1.0f + 0x1p-10f);
}

TEST_CASE("knowledge that does not fit its bundle is refused with both values") {
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors.erase(f.tensors.begin()); }),
               {"b.tar: knowledge: has no array logits"});
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors[3].name = "x"; }), {"has no array feature_count"});
  expect_parts(
      refusal([](SafetensorsFile& f) { f.tensors.push_back(make_tensor("x", {}, std::vector<float>{1}.data())); }),
      {"has 7 arrays, 6 expected"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 f.tensors[0].shape = {3, 2};
               }),
               {"logits has shape [3, 2], [2, 3] expected"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 f.tensors[1].shape = {4, 3};
               }),
               {"feature_mean has shape [4, 3], [3, 4] expected"});
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors[2].shape = {16}; }),
               {"feature_covariance has shape [16], [4, 4] expected"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 f.tensors[3].shape = {3, 1};
               }),
               {"feature_count has shape [3, 1], [3] expected"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 f.tensors[5].shape = {3, 7};
               }),
               {"held_out_scores has shape [3, 7], [21] expected"});
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors[0].dtype = DType::bf16; }),
               {"logits has type bf16, f16 or f32 expected"});
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors[1].dtype = DType::f16; }),
               {"feature_mean has type f16, f32 expected"});
  Bundle fewer = bundle_of(write_people_statistics(some_knowledge()));
  fewer.photos.pop_back();
  expect_parts(error_of([&] { read_people_statistics(fewer, narrow_model(), "b.tar"); }),
               {"logits has shape [2, 3], [1, 3] expected"});
}

TEST_CASE("knowledge with impossible values is refused with the place and the value") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 1, 5, kNan); }),
               {"feature_mean holds", "nan", "index 5"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 2, 3, kInfinity); }),
               {"feature_covariance holds", "inf", "index 3"});
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors[0].data = {0, 0x7c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }),
               {"logits holds", "inf", "index 0"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 2, 5, -1.0f); }), {"variance -1", "feature 1"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 2, 6, 9.0f); }),
               {"not symmetric", "[1, 2]", "[2, 1]", "9"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 3, 2, -1.0f); }), {"feature_count of class 2 is -1"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 3, 0, 0.5f); }), {"feature_count of class 0 is 0.5"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 4, 0, 5.0f); }), {"held_out says 5", "of 4"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 5, 3, 0.5f); }),
               {"held_out_scores has 0.04", "after 0.5"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 5, 20, 1.5f); }), {"held_out_scores has 1.5", "cosines"});
  expect_parts(refusal([&](SafetensorsFile& f) { set_value(f, 5, 0, -1.5f); }), {"held_out_scores has -1.5"});
}

TEST_CASE("knowledge that no reader would accept is not written") {
  const auto written = [](const auto& change) {
    PeopleStatistics knowledge = some_knowledge();
    change(knowledge);
    return error_of([&] { write_people_statistics(knowledge); });
  };
  expect_parts(written([](PeopleStatistics& k) { k.logits.pop_back(); }), {"logits has 5 values, rows of 3"});
  expect_parts(written([](PeopleStatistics& k) { k.feature_mean.pop_back(); }),
               {"feature_mean has 11 values, 12 expected"});
  expect_parts(written([](PeopleStatistics& k) { k.feature_count.push_back(1); }),
               {"feature_count has 4 values, 3 expected"});
  expect_parts(written([](PeopleStatistics& k) { k.feature_mean[0] = NAN; }), {"feature_mean", "finite"});
  expect_parts(written([](PeopleStatistics& k) { k.logits[0] = INFINITY; }), {"logits", "finite"});
}

}  // namespace
}  // namespace tsugi::test
