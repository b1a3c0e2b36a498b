// What compact checkpoints keep, how exactly, and how small they are.
#include "engine/formats/quantize.h"

#include <cmath>

#include "kernels/api/half.h"
#include "tests/formats/support.h"

using tsugi::Checkpoint;
using tsugi::CheckpointKind;
using tsugi::make_tensor;
using tsugi::NamedTensor;
using tsugi::values_of;
using tsugi::test::contains;
using tsugi::test::error_of;

namespace {

Checkpoint round_trip(const Checkpoint& checkpoint, CheckpointKind kind) {
  const auto bytes = encode_checkpoint(checkpoint, kind);
  return tsugi::decode_checkpoint(bytes.data(), bytes.size(), "file");
}

float rounded_to_half(float value) { return tsugi::half_to_float(tsugi::float_to_half(value)); }

}  // namespace

TEST_CASE("a compact checkpoint keeps what eval, predict, bundle and resume need, and drops the rest") {
  std::mt19937_64 random(1);
  const Checkpoint out = tsugi::test::small_checkpoint(random);
  for (const auto kind : {CheckpointKind::fp16, CheckpointKind::int8}) {
    const Checkpoint in = round_trip(out, kind);
    CHECK(in.kind == kind);
    CHECK(in.model == out.model);
    CHECK(in.class_names == out.class_names);
    CHECK(in.personal_classes == out.personal_classes);
    CHECK(in.preprocessing == out.preprocessing);
    CHECK(in.settings == out.settings);
    CHECK(in.provenance == out.provenance);
    CHECK(in.progress.seed == out.progress.seed);
    CHECK(in.progress.step == out.progress.step);
    CHECK(in.metrics == "{}");
    CHECK(in.test_photos.empty());
    CHECK(in.moments.empty());
    REQUIRE(in.parameters.size() == out.parameters.size());
    for (std::size_t i = 0; i < in.parameters.size(); ++i) {
      CHECK(in.parameters[i].name == out.parameters[i].name);
      CHECK(in.parameters[i].shape == out.parameters[i].shape);
    }
  }
}

TEST_CASE("fp16 stores the nearest float16 of every value") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const Checkpoint out = tsugi::test::small_checkpoint(random);
  const Checkpoint in = round_trip(out, CheckpointKind::fp16);
  const auto check = [](const NamedTensor& stored, const NamedTensor& original) {
    const auto a = values_of(stored), b = values_of(original);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == rounded_to_half(b[i]));
  };
  for (std::size_t i = 0; i < in.parameters.size(); ++i) check(in.parameters[i], out.parameters[i]);
  check(in.statistics[0], out.statistics[0]);
  CHECK(tsugi::test::same(in.people, out.people));  // as they are in every kind
}

TEST_CASE("int8 is off by at most half a step of its channel's scale, and zero channels stay zero") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    const std::size_t channels = 6, each = 27;
    std::vector<float> values(channels * each);
    const float spreads[channels] = {1.0f, 1e-3f, 0.0f, 30.0f, 1e-7f, 1e-30f};  // the last ones: scales beyond float16
    std::normal_distribution<float> draw;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = draw(random) * spreads[i / each];
    const auto parts = tsugi::to_int8(make_tensor("w", {6, 3, 3, 3}, values.data()));
    REQUIRE(parts.size() == 2);
    CHECK(parts[0].dtype == tsugi::DType::i8);
    CHECK(parts[1].name == "w.scale");
    const auto back = values_of(tsugi::from_int8(parts[0], parts[1], "file"));
    for (std::size_t k = 0; k < channels; ++k) {
      float largest = 0.0f;
      for (std::size_t i = 0; i < each; ++i) largest = std::max(largest, std::fabs(values[k * each + i]));
      for (std::size_t i = 0; i < each; ++i) {
        // Half a step, 1/16 of a step where the float16 scale is rounded down (127 * 2^-11), a little for float32.
        const float bound = largest / 127.0f * 0.57f;
        CHECK(std::fabs(back[k * each + i] - values[k * each + i]) <= bound);
      }
    }
  }
}

TEST_CASE("quantising what was dequantised changes nothing") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const float spread : {1e-6f, 0.05f, 7.0f, 1e5f})
    for (int round = 0; round < 20; ++round) {
      const NamedTensor tensor = tsugi::test::random_tensor("w", {16, 3, 3, 8}, random, spread);
      const auto once = tsugi::to_int8(tensor);
      const NamedTensor back = tsugi::from_int8(once[0], once[1], "file");
      const auto twice = tsugi::to_int8(back);
      CHECK(tsugi::test::same(once, twice));
    }
}

TEST_CASE("int8 is for matrices and convolution weights, vectors and depthwise-sized rows stay float16") {
  std::mt19937_64 random(1);
  CHECK(tsugi::wants_int8(tsugi::test::random_tensor("w", {4, 8}, random)));
  CHECK(tsugi::wants_int8(tsugi::test::random_tensor("w", {4, 3, 3, 1}, random)));
  CHECK_FALSE(tsugi::wants_int8(tsugi::test::random_tensor("w", {4, 7}, random)));
  CHECK_FALSE(tsugi::wants_int8(tsugi::test::random_tensor("w", {400}, random)));
  CHECK_FALSE(tsugi::wants_int8(tsugi::test::random_tensor("w", {0, 8}, random)));
  CHECK_FALSE(tsugi::wants_int8(tsugi::test::random_tensor("w", {}, random)));
}

TEST_CASE("a tensor beyond float16's range stays float32, bit for bit") {
  const float values[] = {65519.0f, 65520.0f, -1e30f, 1e-30f};
  const NamedTensor fits = make_tensor("a", {1}, values);
  const NamedTensor large = make_tensor("a", {4}, values);
  CHECK(tsugi::to_half(fits).dtype == tsugi::DType::f16);
  CHECK(tsugi::to_half(large).dtype == tsugi::DType::f32);
  Checkpoint checkpoint;
  checkpoint.statistics = {make_tensor("bn1.running_var", {4}, values)};
  for (const auto kind : {CheckpointKind::fp16, CheckpointKind::int8})
    CHECK(tsugi::test::same(round_trip(checkpoint, kind).statistics, checkpoint.statistics));
}

TEST_CASE("an int8 tensor without its own scale is refused") {
  const NamedTensor integers{"w", tsugi::DType::i8, {2, 8}, std::vector<std::uint8_t>(16, 1)};
  const float ones[] = {1, 1, 1};
  CHECK(contains(error_of([&] { tsugi::from_int8(integers, make_tensor("v.scale", {2}, ones), "file"); }),
                 "tensor \"w\" is followed by \"v.scale\", its scale expected"));
  CHECK(contains(error_of([&] { tsugi::from_int8(integers, make_tensor("w.scale", {3}, ones), "file"); }),
                 "differ in their first extent"));
  CHECK(values_of(tsugi::from_int8(integers, make_tensor("w.scale", {2}, ones), "file"))[15] == 1.0f);
}
