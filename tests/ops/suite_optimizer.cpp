// SGD, Adam, AdamW and the gradient norm of a backend against the reference, over several steps.
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

constexpr std::size_t kCounts[] = {1, 15, 16, 17, 1000, 70003};
constexpr int kSteps = 4;
constexpr float kEpsilon = 1e-8f;  // AdamUpdate's default

enum class Kind { sgd, sgd_nesterov, adam, adamw };

/// One optimizer run: settings, the start and one gradient a step.
struct Inputs {
  Kind kind;
  float momentum = 0.9f, weight_decay = 0.0f;
  bool moment = true;  ///< whether sgd has a moment, which it may lack without momentum
  std::size_t decayed = 0;
  bool compute = false;
  DType compute_dtype = DType::f32;
  float scale = 1.0f;
  const LossScale* loss_scale = nullptr;
  Values w;
  std::vector<Values> g;
};

/// What one step reads and writes.
struct State {
  Values w, m, v, compute;
};

StepState step_state(int step) {
  StepState state;
  state.step = static_cast<std::uint32_t>(step);
  state.lr = 0.01f * static_cast<float>(step + 1);
  state.adam_correction1 = static_cast<float>(1.0 - std::pow(0.9, step + 1));
  state.adam_correction2 = static_cast<float>(1.0 - std::pow(0.999, step + 1));
  return state;
}

void update(Backend& backend, const Inputs& in, int step, State& state) {
  Run run(backend, in.compute_dtype);
  UpdateBuffers buffers;
  buffers.count = in.w.size();
  buffers.decayed = in.decayed;
  buffers.step = run.in_raw(std::vector<StepState>{step_state(step)});
  buffers.scale = run.in_f32({in.scale});
  buffers.w = run.updated_f32(state.w);
  buffers.g = run.in_f32(in.g[static_cast<std::size_t>(step)]);
  buffers.compute = in.compute ? run.out(in.w.size()) : nullptr;
  buffers.compute_dtype = in.compute_dtype;
  if (in.loss_scale != nullptr) buffers.loss_scale = run.in_raw(std::vector<LossScale>{*in.loss_scale});
  float* m = state.m.empty() ? nullptr : run.updated_f32(state.m);
  float* v = nullptr;
  if (in.kind == Kind::sgd || in.kind == Kind::sgd_nesterov) {
    SgdUpdate op;
    op.buffers = buffers;
    op.momentum = in.momentum;
    op.nesterov = in.kind == Kind::sgd_nesterov;
    op.weight_decay = in.weight_decay;
    op.m = m;
    backend.sgd_update(op);
  } else {
    AdamUpdate op;
    op.buffers = buffers;
    op.weight_decay = in.weight_decay;
    op.decoupled = in.kind == Kind::adamw;
    op.m = m;
    op.v = v = run.updated_f32(state.v);
    backend.adam_update(op);
  }
  run.finish();
  state = {run.read_f32(buffers.w), run.read_f32(m), run.read_f32(v), run.read(buffers.compute)};
}

State start(const Inputs& in) {
  const Values zeros(in.w.size(), 0.0f);
  const bool adam = in.kind == Kind::adam || in.kind == Kind::adamw;
  return {in.w, in.moment ? zeros : Values(), adam ? zeros : Values(), {}};
}

void check_case(Backend& backend, Backend& reference, const Inputs& in) {
  State got = start(in), want = start(in);
  Values moment(in.w.size()), weight(in.w.size()), ratio(in.w.size());
  for (int step = 0; step < kSteps; ++step) {
    CAPTURE(step);
    update(backend, in, step, got);
    update(reference, in, step, want);
    // Each step adds a few roundings to what the last one left; magnitudes are those of the terms that were summed.
    for (std::size_t i = 0; i < moment.size(); ++i) {
      const float g = std::fabs(in.g[static_cast<std::size_t>(step)][i] * in.scale);
      // Weight decay brings the error of the weight, which the last step left, into the gradient.
      moment[i] += g + in.weight_decay * std::max(std::fabs(want.w[i]), weight[i]);
      // Adam divides by the gradient's own size. Where gradient and weight decay cancel, what is left is small, the
      // rounding of the two is not, and the ratio, with it a step of lr, carries that error.
      if (!want.v.empty()) {
        const StepState s = step_state(step);
        ratio[i] += s.lr * 2.0f * moment[i] / (std::sqrt(want.v[i] / s.adam_correction2) + kEpsilon);
      }
      weight[i] = 1.0f + std::fabs(want.w[i]) + 0.1f * moment[i] + ratio[i];
    }
    const Bound bound{DType::f32, few_operations(8 * (step + 1))};
    expect_close("w", got.w, want.w, weight, bound);
    if (in.moment) expect_close("m", got.m, want.m, moment, bound);
    if (!want.v.empty()) {
      Values squares = moment;
      for (float& value : squares) value *= value;
      expect_close("v", got.v, want.v, squares, bound);
    }
    // The copy is a cast of the backend's own new weights.
    if (in.compute) expect_identical("compute", got.compute, rounded(got.w, in.compute_dtype));
  }
}

}  // namespace

void check_optimizer(Backend& backend) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(9);
  for (const Kind kind : {Kind::sgd, Kind::sgd_nesterov, Kind::adam, Kind::adamw}) {
    for (const std::size_t count : kCounts) {
      for (const DType compute_dtype : {DType::f32, DType::bf16, DType::f16}) {
        if (!backend.supports(compute_dtype)) continue;
        CAPTURE(static_cast<int>(kind));
        CAPTURE(count);
        INFO("compute_dtype ", std::string(name_of(compute_dtype)));
        Inputs in;
        in.kind = kind;
        in.compute_dtype = compute_dtype;
        in.w = random.normal(count, DType::f32);
        for (int step = 0; step < kSteps; ++step) in.g.push_back(random.normal(count, DType::f32));
        check_case(backend, *reference, in);
        in.weight_decay = 0.05f;
        in.decayed = count / 2 + 1 <= count ? count / 2 + 1 : count;
        in.scale = 0.25f;
        in.momentum = 0.0f;
        in.compute = true;
        check_case(backend, *reference, in);

        if (kind == Kind::sgd || kind == Kind::sgd_nesterov) {
          in.moment = false;
          check_case(backend, *reference, in);
          in.moment = true;
        }

        // With loss scaling a step is as it was, or nothing.
        in.compute = false;
        LossScale loss_scale;
        in.loss_scale = &loss_scale;
        State taken = start(in), left_out = start(in);
        check_case(backend, *reference, in);
        update(backend, in, 0, taken);
        left_out = taken;
        loss_scale.skip = 1;
        update(backend, in, 1, left_out);
        expect_identical("w of a step left out", left_out.w, taken.w);
        expect_identical("m of a step left out", left_out.m, taken.m);
        expect_identical("v of a step left out", left_out.v, taken.v);
      }
    }
  }
}

namespace {

struct Norm {
  float norm, scale;
  LossScale loss_scale;
};

Norm gradient_norm(Backend& backend, const Values& g, float max_norm, const LossScale* loss_scale = nullptr) {
  Run run(backend, DType::f32);
  GradientNorm op;
  op.count = g.size();
  op.g = run.in_f32(g);
  op.max_norm = max_norm;
  op.norm = run.out_f32(1);
  op.scale = run.out_f32(1);
  op.workspace = run.workspace(backend.workspace_bytes(op));
  if (loss_scale != nullptr) op.loss_scale = run.updated_raw(std::vector<LossScale>{*loss_scale});
  backend.gradient_norm(op);
  run.finish();
  const LossScale after = loss_scale != nullptr ? run.read_raw(op.loss_scale)[0] : LossScale();
  return {run.read_f32(op.norm)[0], run.read_f32(op.scale)[0], after};
}

/// The gradient comes multiplied by the scale; norm and clipping are those of the true one.
void check_loss_scale(Backend& backend, Random& random) {
  const Values g = random.normal(1000, DType::f32);
  const Norm plain = gradient_norm(backend, g, 1.0f);
  Values scaled = g;
  for (float& value : scaled) value *= 4096.0f;
  LossScale state;
  state.scale = 4096.0f;
  state.good_steps = kLossScaleInterval - 2;
  state.skipped = 3;
  const Norm once = gradient_norm(backend, scaled, 1.0f, &state);
  const Bound bound{DType::f32, few_operations(4)};
  expect_close("norm", {once.norm}, {plain.norm}, {plain.norm}, bound);
  expect_close("scale", {once.scale}, {plain.scale / 4096.0f}, {plain.scale / 4096.0f}, bound);
  CHECK(once.loss_scale.scale == 4096.0f);
  CHECK(once.loss_scale.good_steps == kLossScaleInterval - 1);
  CHECK(once.loss_scale.skip == 0);
  const Norm twice = gradient_norm(backend, scaled, 0.0f, &once.loss_scale);
  CHECK(twice.scale == 1.0f / 4096.0f);
  CHECK(twice.loss_scale.scale == 8192.0f);  // after so many good steps
  CHECK(twice.loss_scale.good_steps == 0);
  scaled[999] = std::numeric_limits<float>::infinity();
  state.good_steps = 7;
  const Norm overflow = gradient_norm(backend, scaled, 1.0f, &state);
  CHECK_FALSE(std::isfinite(overflow.norm));
  CHECK(overflow.loss_scale.scale == 2048.0f);
  CHECK(overflow.loss_scale.good_steps == 0);
  CHECK(overflow.loss_scale.skip == 1);
  CHECK(overflow.loss_scale.skipped == 4);
}

}  // namespace

void check_gradient_norm(Backend& backend) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(10);
  for (const std::size_t count : {1u, 15u, 16u, 17u, 1000u, 70003u, 300007u}) {
    CAPTURE(count);
    Values g = random.normal(count, DType::f32);
    // A long sum of squares: at most 1e-6 * sqrt(K) relative, which blocked sums stay far below.
    const Bound bound{DType::f32, 1e-6 * std::sqrt(static_cast<double>(count))};
    const float norm = gradient_norm(*reference, g, 0.0f).norm;
    for (const float max_norm : {0.0f, norm / 3.0f, norm * 3.0f}) {
      CAPTURE(max_norm);
      const Norm got = gradient_norm(backend, g, max_norm), again = gradient_norm(backend, g, max_norm);
      const Norm want = gradient_norm(*reference, g, max_norm);
      expect_close("norm", {got.norm}, {want.norm}, {want.norm}, bound);
      expect_close("scale", {got.scale}, {want.scale}, {want.scale}, bound);
      expect_identical("norm of a second call", {again.norm}, {got.norm});
    }
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
      for (const std::size_t where : {std::size_t{0}, count / 2, count - 1}) {
        const float kept = g[where];
        g[where] = bad;
        const Norm got = gradient_norm(backend, g, 1.0f);
        CHECK_FALSE(std::isfinite(got.norm));
        CHECK(got.scale == 1.0f);
        g[where] = kept;
      }
    }
  }
  check_loss_scale(backend, random);
  const Norm zero = gradient_norm(backend, Values(33, 0.0f), 1.0f);
  CHECK(zero.norm == 0.0f);
  CHECK(zero.scale == 1.0f);
}

void check_memory(Backend& backend) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{100000}}) {
    CAPTURE(bytes);
    void* memory = backend.allocate(bytes);
    void* other = backend.allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0);
    CHECK(memory != other);
    const std::vector<unsigned char> sent(bytes, 0x5A);
    std::vector<unsigned char> received(bytes);
    backend.copy_to_device(memory, sent.data(), bytes);
    backend.fill_zero(other, bytes);
    backend.synchronize();
    backend.copy_to_host(received.data(), memory, bytes);
    backend.synchronize();
    CHECK(received == sent);
    backend.copy_to_host(received.data(), other, bytes);
    backend.synchronize();
    CHECK(received == std::vector<unsigned char>(bytes, 0));
    backend.release(memory);
    backend.release(other);
  }
  backend.release(nullptr);
  const std::size_t impossible = std::numeric_limits<std::size_t>::max() - 4096;
  try {
    backend.release(backend.allocate(impossible));
    FAIL_CHECK("impossible memory was allocated");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MESSAGE(message.find(std::to_string(impossible)) != std::string::npos, message);
  }
}

}  // namespace test
}  // namespace tsugi
