// Pooling, activation, dropout and softmax cross-entropy: the reference's backward passes against central differences.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/reference.h"
#include "tests/ops/activations.h"
#include "tests/ops/gradient_check.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

const std::vector<Activation> kRectifiers = {{}, {ActivationKind::relu, 0.0f}, {ActivationKind::leaky_relu, 0.25f}};

/// The values 0.01, 0.02, ... and their negatives in random order: no two are closer than many steps, so no maximum and
/// no sign changes within a step.
Doubles well_separated(std::size_t count, Random& random) {
  Doubles values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = (static_cast<double>(i / 2) + 1.0) * (i % 2 == 0 ? 0.01 : -0.01);
    std::swap(values[i], values[random.below(i + 1)]);
  }
  return values;
}

void check_pool(const PoolShape& shape, const Activation& activation, Random& random) {
  Doubles z = well_separated(shape.x_count(), random), x, y(shape.y_count());
  Doubles d_y = random.normal_doubles(y.size());
  std::vector<std::uint8_t> argmax(y.size());
  const auto loss = [&] {  // pool(activation(z))
    x = activated(activation, z);
    PoolForward op;
    op.shape = shape;
    op.x = x.data();
    op.y = y.data();
    op.argmax = argmax.data();
    reference::pool_forward<double>(op);
    return weighted_sum(y, d_y);
  };
  loss();
  Doubles d_z(z.size());
  PoolBackward op;
  op.shape = shape;
  op.d_y = d_y.data();
  op.argmax = argmax.data();
  op.y = y.data();
  op.x = x.data();
  op.activation = activation;
  op.d_x = d_z.data();
  reference::pool_backward<double>(op);
  expect_gradient("d_x", z, d_z, random, loss);
}

/// The loss of smoothed labels, written down once more: -sum_j t_j (logit_j - log sum_k exp logit_k).
double cross_entropy(const Doubles& logits, const std::vector<std::int32_t>& labels, double smoothing) {
  const std::size_t classes = logits.size() / labels.size();
  double loss = 0.0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const double* row = logits.data() + n * classes;
    double sum = 0.0;
    for (std::size_t j = 0; j < classes; ++j) sum += std::exp(row[j]);
    for (std::size_t j = 0; j < classes; ++j) {
      const double hot = static_cast<std::int32_t>(j) == labels[n] ? 1.0 - smoothing : 0.0;
      loss -= (hot + smoothing / static_cast<double>(classes)) * (row[j] - std::log(sum));
    }
  }
  return loss;
}

/// The teacher's loss, written down once more: w T^2 sum_j p_j log(p_j / q_j) over the teacher's classes, added to 1 -
/// w of the label's.
double distilled_loss(const SoftmaxCrossEntropy& op, const Doubles& logits, const std::vector<std::int32_t>& labels) {
  const auto classes = static_cast<std::size_t>(op.classes), taught = static_cast<std::size_t>(op.teacher_classes);
  const double t = static_cast<double>(op.temperature);
  double loss = 0.0;
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const Doubles row(logits.begin() + static_cast<std::ptrdiff_t>(n * classes),
                      logits.begin() + static_cast<std::ptrdiff_t>((n + 1) * classes));
    const double w = static_cast<double>(op.distillation[n]);
    loss += (1.0 - w) * cross_entropy(row, {labels[n]}, static_cast<double>(op.smoothing));
    if (w == 0.0) continue;
    double p_sum = 0.0, q_sum = 0.0;
    for (std::size_t j = 0; j < taught; ++j) {
      p_sum += std::exp(static_cast<double>(op.teacher[n * taught + j]) / t);
      q_sum += std::exp(row[j] / t);
    }
    for (std::size_t j = 0; j < taught; ++j) {
      const double p = std::exp(static_cast<double>(op.teacher[n * taught + j]) / t) / p_sum,
                   q = std::exp(row[j] / t) / q_sum;
      loss += w * t * t * p * std::log(p / q);
    }
  }
  return loss;
}

}  // namespace

TEST_CASE("pool gradients equal central differences") {
  Random random(111);
  for (const PoolCase& test_case : pool_cases()) {
    for (const Activation& activation : kRectifiers) {
      CAPTURE(test_case.why);
      CAPTURE(static_cast<int>(activation.kind));
      check_pool(test_case.shape, activation, random);
    }
  }
}

TEST_CASE("activation gradients equal central differences") {
  Random random(112);
  std::vector<Activation> activations = smooth_activations();
  activations.insert(activations.end(), kRectifiers.begin(), kRectifiers.end());
  for (const Activation& activation : activations) {
    CAPTURE(static_cast<int>(activation.kind));
    Doubles x = away_from_kinks(random.normal_doubles(37)), y, d_x(x.size());
    const Doubles d_y = random.normal_doubles(x.size());
    const auto loss = [&] { return weighted_sum(y = activated(activation, x), d_y); };
    loss();
    ActivationBackward op;
    op.count = x.size();
    op.activation = activation;
    op.saved = saves_input(activation.kind) ? x.data() : y.data();
    op.d_y = d_y.data();
    op.d_x = d_x.data();
    reference::activation_backward<double>(op);
    expect_gradient("d_x", x, d_x, random, loss);
  }
}

TEST_CASE("dropout gradients equal central differences at a fixed draw") {
  Random random(113);
  const std::vector<std::uint32_t> sample_ids = {7, 1000000007, 3};
  StepState step;
  step.seed = test_seed();
  for (const Activation& activation : kRectifiers) {
    CAPTURE(static_cast<int>(activation.kind));
    Doubles z = away_from_kinks(random.normal_doubles(3 * 29)), x, y(z.size()), d_z(z.size());
    const Doubles d_y = random.normal_doubles(z.size());
    std::vector<std::uint8_t> mask(z.size());
    const auto loss = [&] {  // dropout(activation(z))
      x = activated(activation, z);
      DropoutForward op;
      op.n = 3;
      op.per_sample = 29;
      op.rate = 0.375f;
      op.draw_purpose = 1001;
      op.step = &step;
      op.sample_ids = sample_ids.data();
      op.x = x.data();
      op.y = y.data();
      op.mask = mask.data();
      reference::dropout_forward<double>(op);
      return weighted_sum(y, d_y);
    };
    loss();
    DropoutBackward op;
    op.count = z.size();
    op.rate = 0.375f;
    op.mask = mask.data();
    op.y = y.data();
    op.activation = activation;
    op.d_y = d_y.data();
    op.d_x = d_z.data();
    reference::dropout_backward<double>(op);
    expect_gradient("d_x", z, d_z, random, loss);
  }
}

TEST_CASE("dropout keeps its share of elements, by sample and epoch and not by place in the batch") {
  StepState step;
  step.seed = test_seed();
  const std::vector<std::uint32_t> ids = {5, 9}, swapped = {9, 5};
  constexpr std::size_t kElements = 20000;
  const std::vector<double> x(2 * kElements, 1.0);
  const auto dropped = [&](const std::vector<std::uint32_t>& sample_ids) {
    std::vector<double> y(x.size());
    std::vector<std::uint8_t> mask(x.size());
    DropoutForward op;
    op.n = 2;
    op.per_sample = kElements;
    op.rate = 0.25f;
    op.draw_purpose = 1000;
    op.step = &step;
    op.sample_ids = sample_ids.data();
    op.x = x.data();
    op.y = y.data();
    op.mask = mask.data();
    reference::dropout_forward<double>(op);
    return y;
  };
  const std::vector<double> y = dropped(ids), other_order = dropped(swapped);
  CHECK(std::equal(y.begin(), y.begin() + kElements, other_order.begin() + kElements));
  CHECK(std::equal(y.begin() + kElements, y.end(), other_order.begin()));
  CHECK_FALSE(std::equal(y.begin(), y.begin() + kElements, y.begin() + kElements));
  double sum = 0.0;
  for (const double value : y) sum += value;
  // The mean of 40,000 elements, each 4/3 with probability 3/4: deviation sqrt(1/3) / 200 = 0.0029, allowed six.
  CHECK(std::fabs(sum / static_cast<double>(y.size()) - 1.0) < 0.0174);
  step.epoch = 1;
  CHECK(dropped(ids) != y);
}

TEST_CASE("softmax_cross_entropy gradients equal central differences, with and without smoothing") {
  Random random(114);
  for (const float smoothing : {0.0f, 0.1f, 0.9f}) {
    for (const int classes : {2, 9, 33}) {
      CAPTURE(smoothing);
      CAPTURE(classes);
      Doubles logits = random.normal_doubles(5 * static_cast<std::size_t>(classes)), d_logits(logits.size());
      const std::vector<std::int32_t> labels = random.integers<std::int32_t>(5, 0, classes - 1);
      Values sample_loss(5);
      SoftmaxCrossEntropy op;
      op.n = 5;
      op.classes = classes;
      op.smoothing = smoothing;
      op.grad_scale = 0.5f;
      op.logits = logits.data();
      op.labels = labels.data();
      op.sample_loss = sample_loss.data();
      op.d_logits = d_logits.data();
      reference::softmax_cross_entropy<double>(op);
      const auto loss = [&] { return 0.5 * cross_entropy(logits, labels, static_cast<double>(smoothing)); };
      expect_gradient("d_logits", logits, d_logits, random, loss);
      double total = 0.0;
      for (const float value : sample_loss) total += 0.5 * static_cast<double>(value);
      CHECK(std::fabs(total - loss()) <= 1e-6 * total);  // five float32 roundings
    }
  }
}

TEST_CASE("softmax_cross_entropy gradients equal central differences with a teacher") {
  Random random(115);
  for (const float temperature : {1.0f, 2.0f, 5.0f}) {
    for (const int classes : {2, 9, 33}) {
      CAPTURE(temperature);
      CAPTURE(classes);
      const int taught = classes == 9 ? 9 : classes - 1;
      Doubles logits = random.normal_doubles(5 * static_cast<std::size_t>(classes)), d_logits(logits.size());
      const std::vector<std::int32_t> labels = random.integers<std::int32_t>(5, 0, classes - 1);
      const Values teacher = random.normal(5 * static_cast<std::size_t>(taught), DType::f32);
      const Values distillation = {0.5f, 0.0f, 1.0f, 0.25f, 0.9f};
      Values sample_loss(5);
      SoftmaxCrossEntropy op;
      op.n = 5;
      op.classes = classes;
      op.smoothing = 0.1f;
      op.grad_scale = 0.5f;
      op.logits = logits.data();
      op.labels = labels.data();
      op.sample_loss = sample_loss.data();
      op.d_logits = d_logits.data();
      op.teacher = teacher.data();
      op.distillation = distillation.data();
      op.teacher_classes = taught;
      op.temperature = temperature;
      reference::softmax_cross_entropy<double>(op);
      const auto loss = [&] { return 0.5 * distilled_loss(op, logits, labels); };
      expect_gradient("d_logits", logits, d_logits, random, loss);
      double total = 0.0;
      for (const float value : sample_loss) total += 0.5 * static_cast<double>(value);
      CHECK(std::fabs(total - loss()) <= 1e-6 * total);  // five float32 roundings
    }
  }
}

}  // namespace test
}  // namespace tsugi
