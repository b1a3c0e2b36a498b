// Softmax cross-entropy and softmax of a backend against the reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

enum class Gradient { separate, in_place, none };

struct Inputs {
  int n, classes;
  float smoothing, grad_scale;
  Values logits;
  std::vector<std::int32_t> labels;
  float loss_scale = 0.0f;  ///< 0: none
  Values teacher = {};      ///< empty: none
  Values distillation = {};
  int teacher_classes = 0;
  float temperature = 1.0f;
};

struct Loss {
  Values sample_loss, d_logits;
  std::vector<std::int32_t> predicted;
};

Loss softmax_cross_entropy(Backend& backend, DType dtype, const Inputs& in, Gradient gradient) {
  Run run(backend, dtype);
  SoftmaxCrossEntropy op;
  op.n = in.n;
  op.classes = in.classes;
  op.dtype = dtype;
  op.smoothing = in.smoothing;
  op.grad_scale = in.grad_scale;
  op.labels = run.in_raw(in.labels);
  op.sample_loss = run.out_f32(in.labels.size());
  if (gradient != Gradient::in_place) op.predicted = run.out_raw<std::int32_t>(in.labels.size());
  if (gradient == Gradient::separate) op.d_logits = run.out(in.logits.size());
  if (gradient == Gradient::in_place) op.logits = op.d_logits = run.updated(in.logits);
  if (gradient != Gradient::in_place) op.logits = run.in(in.logits);
  if (in.loss_scale != 0.0f) {
    LossScale scale;
    scale.scale = in.loss_scale;
    op.loss_scale = run.in_raw(std::vector<LossScale>{scale});
  }
  op.teacher = run.in_f32(in.teacher);
  op.distillation = run.in_f32(in.distillation);
  op.teacher_classes = in.teacher_classes;
  op.temperature = in.temperature;
  backend.softmax_cross_entropy(op);
  run.finish();
  return {run.read_f32(op.sample_loss), run.read(op.d_logits), run.read_raw(op.predicted)};
}

Values softmax(Backend& backend, DType dtype, const Inputs& in) {
  Run run(backend, dtype);
  Softmax op;
  op.n = in.n;
  op.classes = in.classes;
  op.dtype = dtype;
  op.logits = run.in(in.logits);
  op.probabilities = run.out_f32(in.logits.size());
  backend.softmax(op);
  run.finish();
  return run.read_f32(op.probabilities);
}

void check_case(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  // exp() turns an absolute error of its argument (a rounding of logits up to `largest`) into a relative one, and the
  // float32 exponential and logarithm themselves err by a few units in the last place.
  float largest = 1.0f;
  for (const float logit : in.logits) largest = std::max(largest, std::fabs(logit));
  const double relative = (16.0 + 4.0 * static_cast<double>(largest)) * kFloat32Roundoff;
  Values loss_magnitude(in.labels.size(), 1.0f + std::log(static_cast<float>(in.classes)));
  Values d_magnitude(in.logits.size(), in.grad_scale * (in.loss_scale != 0.0f ? in.loss_scale : 1.0f));
  const Values one(in.logits.size(), 1.0f);
  if (!in.teacher.empty()) {  // T^2 times differences of two log softmaxes at T; and its gradient, T times a difference
                              // of two softmaxes
    float distance = 2.0f * largest;
    for (const float logit : in.teacher)
      distance = std::isfinite(logit) ? std::max(distance, 2.0f * largest + 2.0f * std::fabs(logit)) : distance;
    for (float& magnitude : loss_magnitude)
      magnitude += in.temperature * in.temperature *
                   (std::log(static_cast<float>(in.teacher_classes)) + distance / in.temperature);
    for (float& magnitude : d_magnitude) magnitude *= 1.0f + in.temperature;
  }

  const Loss want = softmax_cross_entropy(reference, dtype, in, Gradient::separate);
  for (const Gradient gradient : {Gradient::separate, Gradient::in_place, Gradient::none}) {
    CAPTURE(static_cast<int>(gradient));
    const Loss got = softmax_cross_entropy(backend, dtype, in, gradient);
    expect_close("sample_loss", got.sample_loss, want.sample_loss, loss_magnitude, {DType::f32, relative});
    if (gradient != Gradient::in_place) expect_same("predicted", got.predicted, want.predicted);
    if (gradient == Gradient::none) continue;
    expect_close("d_logits", got.d_logits, want.d_logits, d_magnitude, {dtype, relative});
  }
  expect_close("probabilities", softmax(backend, dtype, in), softmax(reference, dtype, in), one,
               {DType::f32, relative});
}

void check_edges(Backend& backend, Backend& reference, DType dtype) {
  const Inputs equal{2, 5, 0.0f, 1.0f, Values(10, 3.0f), {4, 0}};
  const Loss loss = softmax_cross_entropy(backend, dtype, equal, Gradient::separate);
  expect_same("predicted of equal logits: the first", loss.predicted, {0, 0});
  expect_close("loss of equal logits: log(classes)", loss.sample_loss, Values(2, std::log(5.0f)), Values(2, 1.0f),
               {DType::f32, 1e-6});
  // Neither overflow nor 0 * infinity.
  check_case(backend, reference, dtype, {2, 2, 0.0f, 1.0f, {30000.0f, 29000.0f, -30000.0f, -30000.0f}, {0, 1}});
  check_case(backend, reference, dtype, {1, 3, 0.1f, 1.0f, {30000.0f, -30000.0f, 0.0f}, {1}});

  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t where : {3u, 4u, 5u}) {
      CAPTURE(bad);
      CAPTURE(where);
      Inputs in{3, 3, 0.1f, 1.0f, Values(9, 1.0f), {0, 1, 2}};
      in.logits[where] = bad;
      const Loss spoilt = softmax_cross_entropy(backend, dtype, in, Gradient::separate);
      CHECK_MESSAGE(std::isnan(spoilt.sample_loss[1]), "a sample with a bad logit has a NaN loss");
      expect_same("predicted: nobody for the bad one", spoilt.predicted, {0, -1, 0});
      CHECK_MESSAGE(std::isfinite(spoilt.sample_loss[0]), "and its neighbours do not");
      CHECK_MESSAGE(std::isfinite(spoilt.sample_loss[2]), "and its neighbours do not");
    }
  }
}

/// A teacher for `in`: weights 0, 1 and between in turn. Nobody may read the teacher's row of a sample of weight 0.
void add_teacher(Random& random, int teacher_classes, float temperature, float deviation, Inputs& in) {
  in.teacher_classes = teacher_classes;
  in.temperature = temperature;
  in.teacher = random.normal(static_cast<std::size_t>(in.n) * static_cast<std::size_t>(teacher_classes), DType::f32,
                             0.0f, deviation);
  in.distillation.clear();
  const float weights[] = {0.3f, 0.0f, 1.0f, 0.75f};
  for (int i = 0; i < in.n; ++i) {
    in.distillation.push_back(weights[i % 4]);
    if (weights[i % 4] != 0.0f) continue;
    for (int j = 0; j < teacher_classes; ++j)
      in.teacher[static_cast<std::size_t>(i * teacher_classes + j)] = std::numeric_limits<float>::quiet_NaN();
  }
}

void check_distillation(Backend& backend, Backend& reference, DType dtype) {
  Random random(81);
  for (const int n : {1, 5, 66}) {
    for (const int classes : {1, 2, 16, 33, 301}) {
      for (const int teacher_classes : {1, classes - 1, classes}) {
        if (teacher_classes < 1) continue;
        for (const float temperature : {0.5f, 1.0f, 2.0f, 4.0f}) {
          CAPTURE(n);
          CAPTURE(classes);
          CAPTURE(teacher_classes);
          CAPTURE(temperature);
          const float deviation = temperature == 4.0f ? 30.0f : 1.0f;
          Inputs in{n, classes, 0.1f, 1.0f / static_cast<float>(n), {}, {}};
          in.logits =
              random.normal(static_cast<std::size_t>(n) * static_cast<std::size_t>(classes), dtype, 0.0f, deviation);
          in.labels = random.integers<std::int32_t>(static_cast<std::size_t>(n), 0, classes - 1);
          add_teacher(random, teacher_classes, temperature, deviation, in);
          check_case(backend, reference, dtype, in);
        }
      }
    }
  }
  // Samples without a teacher have the loss and the gradient of an op without one, bit for bit.
  Inputs plain{5, 17, 0.1f, 1.0f, random.normal(5 * 17, dtype), random.integers<std::int32_t>(5, 0, 16)},
      unused = plain;
  add_teacher(random, 16, 2.0f, 1.0f, unused);
  std::fill(unused.distillation.begin(), unused.distillation.end(), 0.0f);
  const Loss got = softmax_cross_entropy(backend, dtype, unused, Gradient::separate);
  const Loss want = softmax_cross_entropy(backend, dtype, plain, Gradient::separate);
  expect_identical("sample_loss without a teacher", got.sample_loss, want.sample_loss);
  expect_identical("d_logits without a teacher", got.d_logits, want.d_logits);

  // Neither overflow nor 0 * infinity; and a bad teacher spoils its own sample only.
  check_case(backend, reference, dtype,
             {2,
              2,
              0.0f,
              1.0f,
              {30000.0f, 29000.0f, -30000.0f, -30000.0f},
              {0, 1},
              0.0f,
              {-30000.0f, 30000.0f, 0.0f, 30000.0f},
              {0.5f, 1.0f},
              2,
              2.0f});
  Inputs bad{3, 3, 0.1f, 1.0f, Values(9, 1.0f), {0, 1, 2}, 0.0f, Values(6, 1.0f), Values(3, 0.5f), 2, 2.0f};
  bad.teacher[3] = std::numeric_limits<float>::quiet_NaN();
  const Loss spoilt = softmax_cross_entropy(backend, dtype, bad, Gradient::separate);
  CHECK(std::isnan(spoilt.sample_loss[1]));
  CHECK(std::isfinite(spoilt.sample_loss[0]));
  CHECK(std::isfinite(spoilt.sample_loss[2]));

  // Loss scaling multiplies this gradient too. 16 keeps it in float16's range.
  Inputs scaled{5, 17, 0.1f, 1.0f, random.normal(5 * 17, dtype), random.integers<std::int32_t>(5, 0, 16)};
  add_teacher(random, 16, 2.0f, 1.0f, scaled);
  scaled.loss_scale = 16.0f;
  check_case(backend, reference, dtype, scaled);
}

}  // namespace

void check_loss(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(8);
  const float deviations[] = {1.0f, 30.0f};  // the second has probabilities of 0 and 1 in float32
  for (const int n : {1, 3, 64}) {
    for (const int classes : {1, 2, 15, 16, 17, 33, 1001}) {
      for (const float deviation : deviations) {
        CAPTURE(n);
        CAPTURE(classes);
        CAPTURE(deviation);
        const std::size_t samples = static_cast<std::size_t>(n);
        Inputs in{n, classes, deviation > 1.0f ? 0.0f : 0.1f, 1.0f / static_cast<float>(n), {}, {}};
        in.logits = random.normal(samples * static_cast<std::size_t>(classes), dtype, 0.0f, deviation);
        in.labels = random.integers<std::int32_t>(samples, 0, classes - 1);
        check_case(backend, *reference, dtype, in);
      }
    }
  }
  check_edges(backend, *reference, dtype);
  check_distillation(backend, *reference, dtype);
  // Loss scaling multiplies the gradient and nothing else. 64 keeps it in float16's range, undivided by a batch.
  Inputs in{5, 17, 0.1f, 1.0f, random.normal(5 * 17, dtype), random.integers<std::int32_t>(5, 0, 16)};
  const Loss plain = softmax_cross_entropy(backend, dtype, in, Gradient::separate);
  in.loss_scale = 64.0f;
  const Loss scaled = softmax_cross_entropy(backend, dtype, in, Gradient::separate);
  expect_identical("sample_loss", scaled.sample_loss, plain.sample_loss);
  Values want = plain.d_logits;
  for (float& d : want) d *= 64.0f;
  // A power of two changes no digit, except those of plain float16 gradients below 2^-14, which are cut off.
  expect_close("d_logits", scaled.d_logits, want, Values(want.size(), 64.0f), {dtype, few_operations(4)});
}

}  // namespace test
}  // namespace tsugi
