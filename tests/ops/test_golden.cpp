// The reference and the CPU backend against values that PyTorch computed (tests/data/make_ops_golden.py): what the
// gradient checks cannot see is whether the forward passes are the ops that everyone means by these names.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/data/ops_golden.h"
#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

Values floats(const std::vector<double>& numbers) { return Values(numbers.begin(), numbers.end()); }

/// A dozen terms of about 1, in float32: 1e-5 is far above their rounding and far below any mistake.
void expect_golden(const std::string& what, const Values& got, const std::vector<double>& want) {
  expect_close(what, got, floats(want), Values(got.size(), 1.0f), {DType::f32, 1e-5});
}

/// Runs a check on the reference and on the CPU backend.
template <typename Check>
void on_both(Check check) {
  for (const auto& backend : {make_reference_backend(), make_cpu_backend(2)}) {
    CAPTURE(backend->name());
    check(*backend);
  }
}

struct Conv2dGolden {
  Conv2dShape shape;
  const std::vector<double>&x, &w, &bias, &y, &d_y, &d_x, &d_w, &d_bias;
};

void check_conv2d_golden(Backend& backend, const Conv2dGolden& golden) {
  Run run(backend, DType::f32);
  Conv2dForward forward;
  forward.shape = golden.shape;
  forward.x = run.in(floats(golden.x));
  forward.w = run.in(floats(golden.w));
  forward.bias = run.in_f32(floats(golden.bias));
  forward.y = run.out(golden.y.size());
  forward.workspace = run.workspace(backend.workspace_bytes(golden.shape, DType::f32));
  backend.conv2d_forward(forward);
  Conv2dBackwardData data;
  data.shape = golden.shape;
  data.d_y = run.in(floats(golden.d_y));
  data.w = forward.w;
  data.d_x = run.out(golden.d_x.size());
  data.workspace = forward.workspace;
  backend.conv2d_backward_data(data);
  Conv2dBackwardWeight weight;
  weight.shape = golden.shape;
  weight.x = forward.x;
  weight.d_y = data.d_y;
  weight.d_w = run.out_f32(golden.d_w.size());
  weight.d_bias = run.out_f32(golden.d_bias.size());
  weight.workspace = forward.workspace;
  backend.conv2d_backward_weight(weight);
  run.finish();
  expect_golden("y", run.read(forward.y), golden.y);
  expect_golden("d_x", run.read(data.d_x), golden.d_x);
  expect_golden("d_w", run.read_f32(weight.d_w), golden.d_w);
  expect_golden("d_bias", run.read_f32(weight.d_bias), golden.d_bias);
}

void check_pool_golden(Backend& backend, PoolKind kind, const std::vector<double>& x, const std::vector<double>& y,
                       const std::vector<double>& d_y, const std::vector<double>& d_x) {
  Run run(backend, DType::f32);
  const PoolShape shape{1, 5, 4, 2, 3, 3, 2, 1, 1, 1, kind};
  PoolForward forward;
  forward.shape = shape;
  forward.x = run.in(floats(x));
  forward.y = run.out(y.size());
  forward.argmax = kind == PoolKind::max ? run.out_raw<std::uint8_t>(y.size()) : nullptr;
  backend.pool_forward(forward);
  PoolBackward backward;
  backward.shape = shape;
  backward.d_y = run.in(floats(d_y));
  backward.argmax = forward.argmax;
  backward.d_x = run.out(x.size());
  backend.pool_backward(backward);
  run.finish();
  expect_golden("y", run.read(forward.y), y);
  expect_golden("d_x", run.read(backward.d_x), d_x);
}

/// Five steps of an optimizer: `update` fills its own fields around the shared buffers and calls the backend.
template <typename Update>
void check_steps(Backend& backend, const std::vector<double>& w, const std::vector<double>& g,
                 const std::vector<double>& new_w, Update update) {
  const std::size_t count = w.size();
  Values weights = floats(w), m(count, 0.0f), v(count, 0.0f), got;
  for (std::size_t step = 0; step < 5; ++step) {
    const auto from = g.begin() + static_cast<std::ptrdiff_t>(step * count);
    StepState state;
    state.lr = static_cast<float>(0.1 - 0.01 * static_cast<double>(step));
    state.adam_correction1 = static_cast<float>(1.0 - std::pow(0.9, static_cast<double>(step + 1)));
    state.adam_correction2 = static_cast<float>(1.0 - std::pow(0.999, static_cast<double>(step + 1)));
    Run run(backend, DType::f32);
    UpdateBuffers buffers;
    buffers.count = count;
    buffers.decayed = 3;
    buffers.step = run.in_raw(std::vector<StepState>{state});
    buffers.scale = run.in_f32({1.0f});
    buffers.w = run.updated_f32(weights);
    buffers.g = run.in_f32(floats(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(count))));
    float* new_m = run.updated_f32(m);
    float* new_v = run.updated_f32(v);
    update(buffers, new_m, new_v);
    run.finish();
    weights = run.read_f32(buffers.w);
    m = run.read_f32(new_m);
    v = run.read_f32(new_v);
    got.insert(got.end(), weights.begin(), weights.end());
  }
  expect_golden("weights of five steps", got, new_w);
}

}  // namespace

TEST_CASE("conv2d gives PyTorch's values, in groups and depthwise") {
  on_both([](Backend& backend) {
    using namespace golden;
    check_conv2d_golden(backend, {{2, 4, 5, 4, 6, 3, 2, 2, 1, 1, 1, 2},
                                  kConv2dX,
                                  kConv2dW,
                                  kConv2dBias,
                                  kConv2dY,
                                  kConv2dDY,
                                  kConv2dDX,
                                  kConv2dDW,
                                  kConv2dDBias});
    check_conv2d_golden(backend, {{1, 5, 4, 3, 3, 3, 3, 2, 2, 1, 1, 3},
                                  kDepthwiseX,
                                  kDepthwiseW,
                                  kDepthwiseBias,
                                  kDepthwiseY,
                                  kDepthwiseDY,
                                  kDepthwiseDX,
                                  kDepthwiseDW,
                                  kDepthwiseDBias});
  });
}

TEST_CASE("batch_norm gives PyTorch's values, with a residual and relu") {
  on_both([](Backend& backend) {
    Run run(backend, DType::f32);
    const std::size_t count = golden::kBatchNormX.size();
    BatchNormForward forward;
    forward.shape = {12, 3};
    forward.x = run.in(floats(golden::kBatchNormX));
    forward.residual = run.in(floats(golden::kBatchNormResidual));
    forward.gamma = run.in_f32(floats(golden::kBatchNormGamma));
    forward.beta = run.in_f32(floats(golden::kBatchNormBeta));
    forward.activation = {ActivationKind::relu, 0.0f};
    forward.running_mean = run.updated_f32(floats(golden::kBatchNormOldMean));
    forward.running_var = run.updated_f32(floats(golden::kBatchNormOldVar));
    forward.saved_mean = run.out_f32(3);
    forward.saved_inv_std = run.out_f32(3);
    forward.y = run.out(count);
    forward.workspace = run.workspace(backend.workspace_bytes(forward.shape, DType::f32));
    backend.batch_norm_forward(forward);
    BatchNormBackward backward;
    backward.shape = forward.shape;
    backward.x = forward.x;
    backward.saved = forward.y;
    backward.d_y = run.in(floats(golden::kBatchNormDY));
    backward.gamma = forward.gamma;
    backward.saved_mean = forward.saved_mean;
    backward.saved_inv_std = forward.saved_inv_std;
    backward.activation = forward.activation;
    backward.d_gamma = run.out_f32(3);
    backward.d_beta = run.out_f32(3);
    backward.d_x = run.out(count);
    backward.d_residual = run.out(count);
    backward.workspace = forward.workspace;
    backend.batch_norm_backward(backward);
    run.finish();
    expect_golden("y", run.read(forward.y), golden::kBatchNormY);
    expect_golden("running_mean", run.read_f32(forward.running_mean), golden::kBatchNormNewMean);
    expect_golden("running_var", run.read_f32(forward.running_var), golden::kBatchNormNewVar);
    expect_golden("d_gamma", run.read_f32(backward.d_gamma), golden::kBatchNormDGamma);
    expect_golden("d_beta", run.read_f32(backward.d_beta), golden::kBatchNormDBeta);
    expect_golden("d_x", run.read(backward.d_x), golden::kBatchNormDX);
    expect_golden("d_residual", run.read(backward.d_residual), golden::kBatchNormDResidual);
  });
}

TEST_CASE("pool gives PyTorch's values, averages without counting the padding") {
  on_both([](Backend& backend) {
    using namespace golden;
    check_pool_golden(backend, PoolKind::max, kMaxPoolX, kMaxPoolY, kMaxPoolDY, kMaxPoolDX);
    check_pool_golden(backend, PoolKind::average, kAveragePoolX, kAveragePoolY, kAveragePoolDY, kAveragePoolDX);
  });
}

TEST_CASE("softmax_cross_entropy gives PyTorch's values with label smoothing") {
  on_both([](Backend& backend) {
    Run run(backend, DType::f32);
    SoftmaxCrossEntropy op;
    op.n = 4;
    op.classes = 5;
    op.smoothing = 0.1f;
    op.grad_scale = 0.25f;
    op.logits = run.in(floats(golden::kLossLogits));
    op.labels = run.in_raw(std::vector<std::int32_t>(golden::kLossLabels.begin(), golden::kLossLabels.end()));
    op.sample_loss = run.out_f32(4);
    op.d_logits = run.out(20);
    backend.softmax_cross_entropy(op);
    run.finish();
    expect_golden("sample_loss", run.read_f32(op.sample_loss), golden::kLossSampleLoss);
    expect_golden("d_logits", run.read(op.d_logits), golden::kLossDLogits);
  });
}

TEST_CASE("sgd_update gives PyTorch's weights, plain and Nesterov") {
  on_both([](Backend& backend) {
    for (const bool nesterov : {false, true}) {
      CAPTURE(nesterov);
      const auto update = [&](const UpdateBuffers& buffers, float* m, float*) {
        SgdUpdate op;
        op.buffers = buffers;
        op.momentum = 0.9f;
        op.nesterov = nesterov;
        op.weight_decay = 0.05f;
        op.m = m;
        backend.sgd_update(op);
      };
      check_steps(backend, nesterov ? golden::kNesterovW : golden::kSgdW, nesterov ? golden::kNesterovG : golden::kSgdG,
                  nesterov ? golden::kNesterovNewW : golden::kSgdNewW, update);
    }
  });
}

TEST_CASE("adam_update gives PyTorch's weights, as Adam and as AdamW") {
  on_both([](Backend& backend) {
    for (const bool decoupled : {false, true}) {
      CAPTURE(decoupled);
      const auto update = [&](const UpdateBuffers& buffers, float* m, float* v) {
        AdamUpdate op;
        op.buffers = buffers;
        op.weight_decay = 0.05f;
        op.decoupled = decoupled;
        op.m = m;
        op.v = v;
        backend.adam_update(op);
      };
      check_steps(backend, decoupled ? golden::kAdamwW : golden::kAdamW, decoupled ? golden::kAdamwG : golden::kAdamG,
                  decoupled ? golden::kAdamwNewW : golden::kAdamNewW, update);
    }
  });
}

}  // namespace test
}  // namespace tsugi
