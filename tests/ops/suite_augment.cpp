// Augmentation of a backend against the reference: ragged sizes, every part alone and all together, each picture by
// itself, and the photo that variant 0 leaves unchanged.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

constexpr int kPhotos = 3;

struct Inputs {
  AugmentForward op;  ///< sizes and settings
  StepState step;
  std::vector<std::uint8_t> photos;
  std::vector<std::uint32_t> photo_index, sample_ids;
};

Inputs draw(int n, int photo_h, int photo_w, int h, int w, Random& random) {
  Inputs in;
  in.op.n = n;
  in.op.photo_h = photo_h;
  in.op.photo_w = photo_w;
  in.op.h = h;
  in.op.w = w;
  in.op.variants = 9;
  for (int c = 0; c < 3; ++c) {
    in.op.mean[c] = 0.3f + 0.1f * static_cast<float>(c);
    in.op.inv_std[c] = 4.0f + static_cast<float>(c);
  }
  const std::size_t bytes = static_cast<std::size_t>(kPhotos) * photo_h * photo_w * 3;
  in.photos = random.integers<std::uint8_t>(bytes, 0, 255);
  in.photo_index = random.integers<std::uint32_t>(static_cast<std::size_t>(n), 0, kPhotos - 1);
  in.sample_ids = random.integers<std::uint32_t>(static_cast<std::size_t>(n), 0, 1 << 20);
  in.sample_ids[0] -= in.sample_ids[0] % 9;  // one picture that stays as it is
  in.step.seed = 0x123456789ABCDEFu + test_seed();
  in.step.epoch = random.integers<std::uint32_t>(1, 0, 99)[0];
  return in;
}

Values augment(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  AugmentForward op = in.op;
  op.dtype = dtype;
  op.step = run.in_raw(std::vector<StepState>{in.step});
  op.photos = run.in_raw(in.photos);
  op.photo_index = run.in_raw(in.photo_index);
  op.sample_ids = run.in_raw(in.sample_ids);
  op.x = run.out(static_cast<std::size_t>(op.n) * op.h * op.w * 3);
  op.workspace = run.workspace(backend.workspace_bytes(op));
  backend.augment_forward(op);
  run.finish();
  return run.read(op.x);
}

/// A coordinate is the sum of three terms of up to 1.5 photo sides, each rounded, with sine and cosine off by a unit or
/// two in the last place: 16 u of the side, in pixels, and neighbouring pixels differ by at most the full scale, in x
/// and in y. Ten more roundings follow of values up to 3. All of it is multiplied by the contrast (at most 1.4) and by
/// inv_std.
Values magnitude(const Inputs& in, std::size_t count) {
  const float inv_std = std::max({in.op.inv_std[0], in.op.inv_std[1], in.op.inv_std[2]});
  const float side = static_cast<float>(std::max(in.op.photo_h, in.op.photo_w));
  return Values(count, (2.0f * 16.0f * side + 30.0f) * 1.4f * inv_std);
}

void check_case(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const Values want = augment(reference, dtype, in), got = augment(backend, dtype, in);
  expect_close("x", got, want, magnitude(in, want.size()), {dtype, kFloat32Roundoff});
  expect_identical("x of a second call", augment(backend, dtype, in), got);
  // A picture depends on its own photo and draw only: the last one, alone in a batch, is the same bit for bit.
  Inputs alone = in;
  alone.op.n = 1;
  alone.photo_index = {in.photo_index.back()};
  alone.sample_ids = {in.sample_ids.back()};
  const Values last = augment(backend, dtype, alone);
  expect_identical("a picture alone", last, Values(got.end() - static_cast<std::ptrdiff_t>(last.size()), got.end()));
}

/// The strengths of one part, the others off.
AugmentStrength only(int part) {
  AugmentStrength strength = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  switch (part) {
    case 0:
      strength.mirror = 1.0f;
      break;
    case 1:
      strength.rotation = 30.0f;
      break;
    case 2:
      strength.scale = 0.3f;
      break;
    case 3:
      strength.shift = 0.2f;
      break;
    case 4:
      strength.brightness = 0.4f;
      break;
    case 5:
      strength.contrast = 0.2f;
      break;
    case 6:
      strength.blur_probability = 1.0f, strength.blur_sigma = 2.0f;
      break;
    default:
      strength.noise_probability = 1.0f, strength.noise_sigma = 0.1f;
      break;
  }
  return strength;
}

}  // namespace

void check_augment(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(11);
  const int sizes[][4] = {{37, 41, 33, 29}, {36, 70, 32, 64}, {16, 16, 16, 16}, {9, 7, 5, 6},
                          {2, 2, 1, 1},     {1, 1, 1, 1},     {1, 9, 1, 7},     {70, 4, 67, 3}};
  for (const auto& size : sizes) {
    for (const float chance : {0.3f, 0.9f}) {
      CAPTURE(size[0]);
      CAPTURE(size[1]);
      CAPTURE(chance);
      Inputs in = draw(5, size[0], size[1], size[2], size[3], random);
      in.op.strength.blur_probability = in.op.strength.noise_probability = chance;
      check_case(backend, *reference, dtype, in);
    }
  }
  for (int part = 0; part < 8; ++part) {
    CAPTURE(part);
    Inputs in = draw(4, 20, 22, 18, 17, random);
    in.op.strength = only(part);
    for (std::uint32_t& id : in.sample_ids) id += id % 9 == 0 ? 1 : 0;
    check_case(backend, *reference, dtype, in);
    const Values changed = augment(backend, dtype, in);
    in.op.strength = only(0);
    in.op.strength.mirror = 0.0f;
    const Values unchanged = augment(backend, dtype, in);
    float largest = 0.0f;
    for (std::size_t i = 0; i < changed.size(); ++i) largest = std::max(largest, std::fabs(changed[i] - unchanged[i]));
    CHECK_MESSAGE(largest > 0.05f, "the part changes the picture");
    in.op.variants = 1;
    expect_close("unchanged", unchanged, augment(*reference, dtype, in), magnitude(in, unchanged.size()),
                 {dtype, kFloat32Roundoff});
  }
}

}  // namespace test
}  // namespace tsugi
