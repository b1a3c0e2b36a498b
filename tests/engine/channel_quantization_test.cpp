// Activations as 8-bit levels: how far off they may be, and what happens at the ends.
#include "engine/handover/channel_quantization.h"

#include <cmath>
#include <limits>

#include "engine/handover/feature_source.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double value_of(const ChannelQuantization& quantization, std::size_t c, std::uint8_t level) {
  return static_cast<double>(quantization.offset[c]) + static_cast<double>(quantization.scale[c]) * level;
}

/// Values of channels that differ in range by many powers of ten: one-sided, two-sided, far from zero, constant.
std::vector<float> draw(std::size_t pixels, std::uint64_t seed, float stretch = 1.0f) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (std::size_t i = 0; i < pixels; ++i) {
    values.push_back(std::max(0.0f, normal(random)) * stretch);
    values.push_back(normal(random) * 1e6f);
    values.push_back(1000.0f + normal(random) * 1e-2f);
    values.push_back(normal(random) * 1e-30f);
    values.push_back(7.25f);
  }
  return values;
}
constexpr std::size_t kChannels = 5;

/// What rounding to a level may cost: half the distance of two levels, and float32's rounding of scale and offset
/// themselves, which the 255 steps multiply.
double bound(const ChannelQuantization& quantization, std::size_t c, double steps) {
  const double largest =
      std::fabs(static_cast<double>(quantization.offset[c])) + 255.0 * static_cast<double>(quantization.scale[c]);
  return static_cast<double>(quantization.scale[c]) * steps + 1e-7 * largest;
}

TEST_CASE("a value is off by half a level at most, and the least is met") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::vector<float> values = draw(4000, seed);
  const ChannelQuantization quantization = quantization_of(values.data(), values.size(), kChannels, "test");
  std::vector<std::uint8_t> rows(values.size());
  encode(values.data(), values.size(), quantization, rows.data());
  bool low[kChannels] = {}, high[kChannels] = {};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t c = i % kChannels;
    CHECK(std::fabs(value_of(quantization, c, rows[i]) - static_cast<double>(values[i])) <=
          bound(quantization, c, 0.5));
    low[c] = low[c] || rows[i] == 0;
    high[c] = high[c] || rows[i] == 255;
  }
  for (std::size_t c = 0; c + 1 < kChannels; ++c) CHECK((low[c] && high[c]));  // all levels are used
  CHECK(quantization.offset[0] == 0.0f);                                       // what a ReLU left: zero stays zero
  CHECK(quantization.scale[4] == 0.0f);
  CHECK(quantization.offset[4] == 7.25f);
}

TEST_CASE("levels that reach further cost half of their own distance more, and leave covered channels alone") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::vector<float> one = draw(2000, seed), two = draw(2000, seed + 1, 3.0f);
  const ChannelQuantization first = quantization_of(one.data(), one.size(), kChannels, "one"),
                            second = quantization_of(two.data(), two.size(), kChannels, "two");
  FeatureSet set;
  set.shape = {1, 1, static_cast<int>(kChannels)};
  std::vector<std::uint8_t> first_rows(one.size()), second_rows(two.size());
  encode(one.data(), one.size(), first, first_rows.data());
  encode(two.data(), two.size(), second, second_rows.data());
  set.append(first_rows, first);
  CHECK(set.rows == first_rows);
  CHECK(set.quantization.scale == first.scale);
  set.append(second_rows, second);
  REQUIRE(set.rows.size() == one.size() + two.size());
  CHECK(set.quantization.scale[0] > 2.0f * first.scale[0]);
  CHECK(set.quantization.scale[4] == 0.0f);
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    const std::size_t c = i % kChannels;
    const bool is_first = i < one.size();
    const double wanted = static_cast<double>(is_first ? one[i] : two[i - one.size()]);
    const double before = bound(is_first ? first : second, c, 0.5);
    CHECK(std::fabs(value_of(set.quantization, c, set.rows[i]) - wanted) <= before + bound(set.quantization, c, 0.5));
  }

  const std::vector<float> narrow = {0.5f, -1.0f}, wide = {1.0f, -2.0f, 0.0f, 2.0f};
  const ChannelQuantization inside = quantization_of(narrow.data(), 2, 1, "narrow"),
                            outside = quantization_of(wide.data(), 4, 1, "wide");
  CHECK(widened(inside, outside).scale == outside.scale);
  CHECK(widened(outside, inside).offset == outside.offset);
  CHECK(widened(ChannelQuantization(), inside).scale == inside.scale);
  CHECK(widened(inside, ChannelQuantization()).scale == inside.scale);
}

TEST_CASE("what is not finite has no level") {
  for (const float bad : {std::nanf(""), kInfinity, -kInfinity}) {
    const std::vector<float> values = {1.0f, 2.0f, 3.0f, bad};
    expect_parts(error_of([&] { quantization_of(values.data(), 4, 2, "photos"); }), {"photos", "channel 1", "finite"});
  }
  const std::vector<float> huge = {3e38f, -3e38f};
  const ChannelQuantization quantization =
      quantization_of(huge.data(), 2, 1, "photos");  // the range is larger than any float32, a level is not
  CHECK(std::isfinite(quantization.scale[0]));
  CHECK(quantization_of(huge.data(), 0, 1, "photos").channels() == 0);
}

TEST_CASE("levels so close that their distance underflows still make numbers") {
  const std::vector<float> tiny = {0.0f, 1e-44f};
  const ChannelQuantization quantization = quantization_of(tiny.data(), 2, 1, "tiny");
  std::vector<std::uint8_t> rows(2);
  encode(tiny.data(), 2, quantization, rows.data());
  for (std::size_t i = 0; i < 2; ++i) CHECK(std::isfinite(value_of(quantization, 0, rows[i])));
}

}  // namespace
}  // namespace tsugi::test
