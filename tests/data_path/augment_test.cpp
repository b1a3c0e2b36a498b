// Augmentation of the CPU backend beside the reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "kernels/api/augment_draw.h"
#include "kernels/api/backend.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::AugmentForward;
using tsugi::DType;

namespace {

constexpr int kPhotos = 5;

/// A batch with its memory: random photos, outputs filled with NaN.
struct Batch {
  Batch(int n, int photo_h, int photo_w, int h, int w, std::uint32_t seed) : random(seed) {
    op.n = n;
    op.photo_h = photo_h;
    op.photo_w = photo_w;
    op.h = h;
    op.w = w;
    op.variants = 9;
    photos.resize(static_cast<std::size_t>(kPhotos) * photo_h * photo_w * 3);
    for (std::uint8_t& value : photos) value = static_cast<std::uint8_t>(random());
    for (int i = 0; i < n; ++i) {
      photo_index.push_back(random() % kPhotos);
      sample_ids.push_back(photo_index.back() * 9 + random() % 9);
    }
    state.seed = random();
    state.epoch = random() % 100;
    for (int c = 0; c < 3; ++c) op.mean[c] = 0.3f + 0.1f * static_cast<float>(c);
    connect();
  }
  void connect() {
    op.step = &state;
    op.photos = photos.data();
    op.photo_index = photo_index.data();
    op.sample_ids = sample_ids.data();
    x.assign(static_cast<std::size_t>(op.n) * op.h * op.w * 3, std::numeric_limits<float>::quiet_NaN());
    op.x = x.data();
    workspace.assign(tsugi::cpu::augment_workspace_bytes(op) / 64 + 1, Line{});
    op.workspace = workspace.data();
  }
  std::size_t picture() const { return static_cast<std::size_t>(op.h) * op.w * 3; }

  struct alignas(64) Line {
    float values[16];
  };
  std::mt19937 random;
  AugmentForward op;
  tsugi::StepState state;
  std::vector<std::uint8_t> photos;
  std::vector<std::uint32_t> photo_index, sample_ids;
  std::vector<float> x;
  std::vector<Line> workspace;
};

std::vector<float> run(Batch batch, int threads) {
  batch.connect();
  tsugi::cpu::augment_forward(batch.op, threads);
  return batch.x;
}

std::vector<float> run_reference(Batch batch) {
  batch.connect();
  tsugi::reference::augment_forward<float>(batch.op);
  return batch.x;
}

/// How far production may be from the reference. A coordinate is the sum of three terms of up to 1.5 photo sides, each
/// rounded: 8 * 2^-24 * side pixels. Neighbouring pixels differ by 1 (full scale) at most, in x and in y. Ten more
/// roundings follow (blur, contrast, noise, normalisation) of values up to 3. All of it is multiplied by the contrast
/// (at most 1.2) and by inv_std.
double bound(const AugmentForward& op) {
  const double rounding = std::ldexp(1.0, -24);
  return (2.0 * 8.0 * std::max(op.photo_h, op.photo_w) + 10.0 * 3.0) * rounding * 1.2 * op.inv_std[0];
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = difference <= largest ? largest : difference;  // a NaN stays
  }
  return largest;
}

}  // namespace

TEST_CASE("augmentation equals the reference for many draws and ragged sizes") {
  const int sizes[][4] = {{72, 72, 64, 64}, {37, 41, 33, 29}, {16, 16, 16, 16}, {9, 7, 5, 6},    {2, 2, 1, 1},
                          {1, 1, 1, 1},     {1, 9, 1, 7},     {9, 1, 7, 1},     {19, 18, 17, 17}};
  std::uint32_t seed = 1;
  for (const auto& size : sizes) {
    for (int round = 0; round < 6; ++round) {
      CAPTURE(size[0]);
      CAPTURE(size[1]);
      CAPTURE(seed);
      Batch batch(23, size[0], size[1], size[2], size[3], seed++);
      batch.op.strength.blur_probability = batch.op.strength.noise_probability = round % 2 ? 0.9f : 0.3f;
      CHECK(largest_difference(run(batch, 1 + round % 3), run_reference(batch)) <= bound(batch.op));
    }
  }
}

TEST_CASE("each part of the augmentation alone equals the reference and changes the picture") {
  const tsugi::AugmentStrength off = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (int part = 0; part < 8; ++part) {
    Batch batch(31, 40, 36, 32, 30, 100 + part);
    tsugi::AugmentStrength only = off;
    const tsugi::AugmentStrength strong = {1.0f, 30.0f, 0.3f, 0.2f, 0.4f, 0.2f, 1.0f, 2.0f, 1.0f, 0.1f};
    switch (part) {
      case 0:
        only.mirror = strong.mirror;
        break;
      case 1:
        only.rotation = strong.rotation;
        break;
      case 2:
        only.scale = strong.scale;
        break;
      case 3:
        only.shift = strong.shift;
        break;
      case 4:
        only.brightness = strong.brightness;
        break;
      case 5:
        only.contrast = strong.contrast;
        break;
      case 6:
        only.blur_probability = 1.0f, only.blur_sigma = strong.blur_sigma;
        break;
      default:
        only.noise_probability = 1.0f, only.noise_sigma = strong.noise_sigma;
        break;
    }
    batch.op.strength = only;
    const std::vector<float> changed = run(batch, 2);
    CAPTURE(part);
    CHECK(largest_difference(changed, run_reference(batch)) <= bound(batch.op));
    batch.op.strength = off;
    const std::vector<float> unchanged = run(batch, 2);
    batch.op.variants = 1;
    CHECK(largest_difference(unchanged, run(batch, 2)) <= bound(batch.op));
    CHECK(largest_difference(changed, unchanged) > 0.05);
  }
}

TEST_CASE("variant 0 is exactly the photo's centre") {
  for (const std::uint32_t variants : {1u, 9u}) {
    Batch batch(7, 19, 22, 16, 16, 3);
    batch.op.variants = variants;
    for (int i = 0; i < 7; ++i) batch.sample_ids[i] = batch.photo_index[i] * variants;
    for (int c = 0; c < 3; ++c) batch.op.mean[c] = 0.0f, batch.op.inv_std[c] = 255.0f;
    const std::vector<float> x = run(batch, 2);
    for (int i = 0; i < 7; ++i) {
      for (int y = 0; y < 16; ++y) {
        for (int e = 0; e < 48; ++e) {
          const std::size_t row = batch.photo_index[i] * 19 + 1 + y;  // margins (19-16)/2 = 1 and (22-16)/2 = 3
          const float value = x[i * batch.picture() + y * 48 + e];
          CHECK(std::abs(value - batch.photos[(row * 22 + 3) * 3 + e]) <= 255.0f * 1.2e-7f * 2.0f);
        }
      }
    }
  }
}

TEST_CASE("a mirrored picture is the photo read from right to left") {
  Batch batch(1, 20, 20, 16, 16, 5);
  batch.op.strength = {1.0f, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  batch.sample_ids[0] = 4;
  const std::vector<float> mirrored = run(batch, 1);
  batch.op.variants = 1;
  const std::vector<float> plain = run(batch, 1);
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) {
      for (int c = 0; c < 3; ++c) {
        CHECK(std::abs(mirrored[(y * 16 + x) * 3 + c] - plain[(y * 16 + 15 - x) * 3 + c]) <= bound(batch.op));
      }
    }
  }
}

TEST_CASE("the pictures depend on neither thread count nor batch order nor batch size, bit for bit") {
  Batch batch(41, 40, 40, 36, 36, 11);
  batch.op.strength.noise_probability = 0.5f;
  const std::vector<float> x = run(batch, 1);
  for (const int threads : {2, 3, 7, 100}) CHECK(run(batch, threads) == x);
  Batch reversed = batch;
  std::reverse(reversed.photo_index.begin(), reversed.photo_index.end());
  std::reverse(reversed.sample_ids.begin(), reversed.sample_ids.end());
  const std::vector<float> backwards = run(reversed, 2);
  Batch alone = batch;
  alone.op.n = 1;
  for (int i = 0; i < 41; ++i) {
    const std::size_t bytes = batch.picture() * sizeof(float);
    CHECK(std::memcmp(&x[i * batch.picture()], &backwards[(40 - i) * batch.picture()], bytes) == 0);
    alone.photo_index = {batch.photo_index[i]};
    alone.sample_ids = {batch.sample_ids[i]};
    CHECK(std::memcmp(run(alone, 1).data(), &x[i * batch.picture()], bytes) == 0);
  }
}

TEST_CASE("bf16 output is the float32 output, rounded to nearest even") {
  Batch batch(12, 24, 24, 21, 21, 17);
  const std::vector<float> x = run(batch, 1);
  std::vector<std::uint16_t> half(x.size(), 0x7FC0);
  batch.connect();
  batch.op.dtype = DType::bf16;
  batch.op.x = half.data();
  tsugi::cpu::augment_forward(batch.op, 2);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(half[i] == tsugi::reference::Bfloat16(x[i]).bits);
}

TEST_CASE("draws stay within the strengths, and the chances are as asked for") {
  AugmentForward op;
  op.photo_h = op.photo_w = 72;
  op.h = op.w = 64;
  op.variants = 9;
  const tsugi::AugmentStrength& strength = op.strength;
  REQUIRE(strength.blur_probability > 0.0f);
  REQUIRE(strength.noise_probability > 0.0f);
  int drawn = 0, mirrored = 0, blurred = 0, noisy = 0;
  for (std::uint32_t sample = 0; sample < 9000; ++sample) {
    const tsugi::AugmentDraw draw = augment_draw(op, 3, 1, sample);
    REQUIRE(draw.identity == (sample % 9 == 0));
    if (draw.identity) continue;
    ++drawn;
    const float determinant = draw.m00 * draw.m11 - draw.m01 * draw.m10;
    mirrored += determinant < 0.0f;
    const float zoom = 1.0f / std::sqrt(std::abs(determinant));
    CHECK(std::abs(zoom - 1.0f) <= strength.scale + 1e-5f);
    CHECK(std::abs(std::atan2(-draw.m01, draw.m11)) <= strength.rotation * 0.0174534f + 1e-5f);
    CHECK(std::abs(draw.center_x - 35.5f) <= strength.shift * 64 + 1e-4f);
    CHECK(std::abs(draw.center_y - 35.5f) <= strength.shift * 64 + 1e-4f);
    CHECK(std::abs(draw.gain - 1.0f) <= strength.contrast + 1e-6f);
    CHECK(std::abs(draw.offset + 0.5f * draw.gain - 0.5f) <= strength.brightness + 1e-6f);
    blurred += draw.blur;
    if (draw.blur) CHECK(std::abs(draw.tap0 + 2.0f * (draw.tap1 + draw.tap2) - 1.0f) <= 1e-6f);
    noisy += draw.noise_sigma > 0.0f;
    CHECK(draw.noise_sigma <= strength.noise_sigma);
  }
  const auto near = [&](int count, float chance) {  // within six standard deviations of the binomial
    return std::abs(count - drawn * chance) <= 6.0f * std::sqrt(drawn * chance * (1.0f - chance));
  };
  CHECK(near(mirrored, strength.mirror));
  CHECK(near(blurred, strength.blur_probability));
  CHECK(near(noisy, strength.noise_probability));
}

TEST_CASE("noise has mean 0 and variance 1") {
  double sum = 0.0, squares = 0.0;
  const int count = 100000;
  for (int i = 0; i < count / 4; ++i) {
    const tsugi::Philox4 words = tsugi::philox(1, 2, 3, tsugi::purpose::kNoise, static_cast<std::uint32_t>(i));
    for (const std::uint32_t word : words.v) {
      const double value = tsugi::augment_noise(word);
      sum += value;
      squares += value * value;
    }
  }
  CHECK(std::abs(sum / count) < 6.0 / std::sqrt(count));
  CHECK(std::abs(squares / count - 1.0) < 6.0 * std::sqrt(1.7 / count));  // var(v^2) = kurtosis - 1 = 2.7 - 1
}

TEST_CASE("augmentation refuses what it cannot compute, with both values") {
  const auto backend = tsugi::make_cpu_backend(1);
  if (backend->name() != "cpu") return;  // the reference computes in more types and needs no workspace
  Batch batch(2, 20, 20, 16, 16, 1);
  const auto error = [&](void (*change)(AugmentForward*)) {
    AugmentForward op = batch.op;
    change(&op);
    return error_of([&] { backend->augment_forward(op); });
  };
  CHECK(holds_all(error([](AugmentForward* op) { op->photo_h = 15; }), {"augment", "15", "16"}));
  CHECK(holds_all(error([](AugmentForward* op) { op->dtype = DType::f16; }), {"augment", "f16", "bf16"}));
  CHECK(holds_all(error([](AugmentForward* op) { op->workspace = nullptr; }), {"augment", "workspace"}));
  CHECK(holds_all(error([](AugmentForward* op) { op->n = 0; }), {"augment", "n is 0"}));
  CHECK(holds_all(error([](AugmentForward* op) { op->variants = 0; }), {"augment", "variants is 0"}));
  CHECK(holds_all(error([](AugmentForward* op) { op->strength.mirror = 2.0f; }), {"augment", "mirror"}));
}
