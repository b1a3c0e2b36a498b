// Activation, residual add, dropout and cast of a backend against the reference.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/ops/activations.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

/// Around the widths of vectors and of a thread's share; 0 elements is no work.
constexpr std::size_t kCounts[] = {0, 1, 7, 15, 16, 17, 31, 32, 33, 1000, 4097, 70001};

const std::vector<Activation> kRectifiers = {
    {}, {ActivationKind::relu, 0.0f}, {ActivationKind::leaky_relu, 0.0f}, {ActivationKind::leaky_relu, 0.3f}};

std::vector<Activation> all_activations() {
  std::vector<Activation> all = kRectifiers;
  for (const Activation& smooth : smooth_activations()) all.push_back(smooth);
  return all;
}

enum class Place { separate, in_place };

Values activation_forward(Backend& backend, DType dtype, const Activation& activation, const Values& x, Place place) {
  Run run(backend, dtype);
  ActivationForward op;
  op.count = x.size();
  op.dtype = dtype;
  op.activation = activation;
  op.y = place == Place::in_place ? run.updated(x) : run.out(x.size());
  op.x = place == Place::in_place ? op.y : run.in(x);
  backend.activation_forward(op);
  run.finish();
  return run.read(op.y);
}

struct Gradient {
  Activation activation;
  Write write;
  Place place;
  Values saved, d_y, old_d_x;  ///< saved: y of a dropout
};

Values activation_backward(Backend& backend, DType dtype, const Gradient& in) {
  Run run(backend, dtype);
  ActivationBackward op;
  op.count = in.d_y.size();
  op.dtype = dtype;
  op.activation = in.activation;
  op.saved = in.activation.kind == ActivationKind::none ? nullptr : run.in(in.saved);
  op.write = in.write;
  op.d_x = in.place == Place::in_place ? run.updated(in.d_y) : run.out(in.write, in.old_d_x);
  op.d_y = in.place == Place::in_place ? op.d_x : run.in(in.d_y);
  backend.activation_backward(op);
  run.finish();
  return run.read(op.d_x);
}

enum class Aliased { none, first, second };

Values add_forward(Backend& backend, DType dtype, const Activation& activation, const Values& a, const Values& b,
                   Aliased aliased, Values* saved = nullptr) {
  Run run(backend, dtype);
  AddForward op;
  op.count = a.size();
  op.dtype = dtype;
  op.activation = activation;
  if (aliased == Aliased::none) op.y = run.out(a.size());
  if (aliased == Aliased::first) op.a = op.y = run.updated(a);
  if (aliased == Aliased::second) op.b = op.y = run.updated(b);
  if (op.a == nullptr) op.a = run.in(a);
  if (op.b == nullptr) op.b = run.in(b);
  if (saved != nullptr) op.saved = run.out(a.size());
  backend.add_forward(op);
  run.finish();
  if (saved != nullptr) *saved = run.read(op.saved);
  return run.read(op.y);
}

struct Dropout {
  DropoutForward op;  ///< sizes and settings
  StepState step;
  std::vector<std::uint32_t> sample_ids;
  Values x;
};

struct Dropped {
  Values y;
  std::vector<std::uint8_t> mask;
};

Dropped dropout_forward(Backend& backend, const Dropout& in, Place place) {
  Run run(backend, in.op.dtype);
  DropoutForward op = in.op;
  op.step = run.in_raw(std::vector<StepState>{in.step});
  op.sample_ids = run.in_raw(in.sample_ids);
  op.y = place == Place::in_place ? run.updated(in.x) : run.out(in.x.size());
  op.x = place == Place::in_place ? op.y : run.in(in.x);
  op.mask = run.out_raw<std::uint8_t>(in.x.size());
  backend.dropout_forward(op);
  run.finish();
  return {run.read(op.y), run.read_raw(op.mask)};
}

Values dropout_backward(Backend& backend, DType dtype, float rate, const std::vector<std::uint8_t>& mask,
                        const Gradient& in) {
  Run run(backend, dtype);
  DropoutBackward op;
  op.count = in.d_y.size();
  op.dtype = dtype;
  op.rate = rate;
  op.mask = run.in_raw(mask);
  op.y = in.activation.kind == ActivationKind::none ? nullptr : run.in(in.saved);
  op.activation = in.activation;
  op.write = in.write;
  op.d_x = in.place == Place::in_place ? run.updated(in.d_y) : run.out(in.write, in.old_d_x);
  op.d_y = in.place == Place::in_place ? op.d_x : run.in(in.d_y);
  backend.dropout_backward(op);
  run.finish();
  return run.read(op.d_x);
}

Values sum_of_magnitudes(const Values& a, const Values& b) {
  Values sum = absolute(a);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += std::fabs(b[i]);
  return sum;
}

Values scaled(Values values, float factor) {
  for (float& value : values) value *= factor;
  return values;
}

}  // namespace

void check_pointwise(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(5);
  for (const std::size_t count : kCounts) {
    CAPTURE(count);
    for (const Activation& activation : all_activations()) {
      CAPTURE(static_cast<int>(activation.kind));
      CAPTURE(activation.slope);
      const bool smooth = saves_input(activation.kind);
      const Bound bound{dtype, few_operations(4) + (smooth ? kActivationError : 0.0)};
      Values a = random.normal(count, dtype);
      const Values b = random.normal(count, dtype), old = random.normal(count, dtype);
      for (std::size_t i = 0; i < count; i += 5) a[i] = 0.0f;  // the kink itself counts as not positive
      Values total = absolute(a);
      for (std::size_t i = 0; i < count; ++i) total[i] += std::fabs(b[i]) + std::fabs(old[i]);

      const Values y = activation_forward(*reference, dtype, activation, a, Place::separate);
      expect_close("y", activation_forward(backend, dtype, activation, a, Place::separate), y, total, bound);
      expect_close("y in place", activation_forward(backend, dtype, activation, a, Place::in_place), y, total, bound);
      Gradient gradient{activation, Write::overwrite, Place::separate, a, b, old};
      const auto check = [&](const char* what) {
        const Values want = activation_backward(*reference, dtype, gradient);
        expect_close(what, activation_backward(backend, dtype, gradient), want, total, bound);
      };
      check("d_x");
      gradient.place = Place::in_place;
      check("d_x in place");
      gradient.place = Place::separate;
      gradient.write = Write::accumulate;
      check("d_x accumulated");
      for (const Aliased aliased : {Aliased::none, Aliased::first, Aliased::second}) {
        const Values sum = add_forward(*reference, dtype, activation, a, b, Aliased::none);
        expect_close("a + b", add_forward(backend, dtype, activation, a, b, aliased), sum, total, bound);
        if (!smooth) continue;
        Values saved;
        expect_close("a + b, saved too", add_forward(backend, dtype, activation, a, b, aliased, &saved), sum, total,
                     bound);
        expect_close("saved", saved, add_forward(*reference, dtype, {}, a, b, Aliased::none), total, bound);
      }
    }
  }
}

void check_dropout(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  const Bound bound{dtype, few_operations(4)};
  Random random(6);
  const struct {
    std::size_t per_sample;
    int n;
    float rate;
  } cases[] = {{1, 1, 0.5f},    {17, 3, 0.5f}, {16, 2, 0.1f}, {1023, 5, 0.3f},
               {256, 64, 0.5f}, {33, 2, 0.0f}, {35, 2, 0.99f}};
  for (const auto& test_case : cases) {
    CAPTURE(test_case.n);
    CAPTURE(test_case.per_sample);
    CAPTURE(test_case.rate);
    Dropout in;
    in.op.n = test_case.n;
    in.op.per_sample = test_case.per_sample;
    in.op.dtype = dtype;
    in.op.rate = test_case.rate;
    in.op.draw_purpose = 1000 + static_cast<std::uint32_t>(test_case.n);
    in.step.seed = 0x123456789ABCDEFu + test_seed();
    in.step.epoch = 3;
    const std::size_t count = static_cast<std::size_t>(test_case.n) * test_case.per_sample;
    in.sample_ids = random.integers<std::uint32_t>(static_cast<std::size_t>(test_case.n), 0, 1 << 30);
    in.x = random.normal(count, dtype);

    const Dropped want = dropout_forward(*reference, in, Place::separate);
    const Values magnitude = scaled(absolute(in.x), 1.0f / (1.0f - test_case.rate));
    for (const Place place : {Place::separate, Place::in_place}) {
      const Dropped got = dropout_forward(backend, in, place);
      expect_same("mask", got.mask, want.mask);
      expect_close("y", got.y, want.y, magnitude, bound);
    }
    for (const Activation& activation : kRectifiers) {
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        Gradient gradient{
            activation, write, Place::separate, want.y, random.normal(count, dtype), random.normal(count, dtype)};
        const Values terms = sum_of_magnitudes(scaled(gradient.d_y, 1.0f / (1.0f - test_case.rate)), gradient.old_d_x);
        const Values d_x = dropout_backward(*reference, dtype, test_case.rate, want.mask, gradient);
        const Values got = dropout_backward(backend, dtype, test_case.rate, want.mask, gradient);
        expect_close("d_x", got, d_x, terms, bound);
        if (write == Write::accumulate) continue;
        gradient.place = Place::in_place;
        const Values in_place = dropout_backward(backend, dtype, test_case.rate, want.mask, gradient);
        expect_close("d_x in place", in_place, d_x, terms, bound);
      }
    }
  }
}

void check_cast(Backend& backend) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(7);
  const float infinity = std::numeric_limits<float>::infinity();
  // Ties to even both ways, the carry into the exponent, the overflow to infinity, the largest that does not,
  // the smallest normal number, zeros.
  const Values edges = {1.00390625f, 1.01171875f,     1.9999f, 3.4028235e38f, 3.3895314e38f, infinity,
                        -infinity,   1.17549435e-38f, -0.0f,   0.0f,          1.0039063f,    -1.00390625f};
  const auto cast = [](Backend& on, DType from, DType to, const Values& values) {
    Run source(on, from), target(on, to);
    Cast op;
    op.count = values.size();
    op.from_dtype = from;
    op.to_dtype = to;
    op.from = source.in(values);
    op.to = target.out(values.size());
    on.cast(op);
    source.finish();
    target.finish();
    return target.read(op.to);
  };
  std::vector<DType> types = {DType::f32};
  for (const DType dtype : {DType::bf16, DType::f16}) {
    if (backend.supports(dtype)) types.push_back(dtype);
  }
  for (const DType from : types) {
    for (const DType to : types) {
      INFO("from ", std::string(name_of(from)));
      INFO("to ", std::string(name_of(to)));
      expect_identical("edges", cast(backend, from, to, edges), rounded(rounded(edges, from), to));
      for (const std::size_t count : kCounts) {
        CAPTURE(count);
        const Values values = random.normal(count, from);
        expect_identical("values", cast(backend, from, to, values), rounded(values, to));
      }
      const Values nan = cast(backend, from, to, Values(19, std::numeric_limits<float>::quiet_NaN()));
      for (const float value : nan) CHECK(std::isnan(value));
    }
  }
}

}  // namespace test
}  // namespace tsugi
