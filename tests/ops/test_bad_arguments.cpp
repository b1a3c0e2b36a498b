// Bad arguments of every op: an Error that names the op, what it found and what it expected, on each backend, before
// any memory is touched.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "kernels/api/backend.h"
#include "kernels/api/validate.h"

namespace tsugi {
namespace {

/// Never dereferenced: the checks come first. Aligned as device memory is.
alignas(64) float somewhere[64];
alignas(64) float elsewhere[64];
alignas(64) float third[64];

/// Calls `op` on a backend; it must throw an Error whose message holds every one of `parts`.
template <typename Op>
void expect_error_on(Backend& backend, void (Backend::*call)(const Op&), const Op& op,
                     std::initializer_list<const char*> parts) {
  INFO("backend ", backend.name());
  try {
    (backend.*call)(op);
    FAIL_CHECK("no error, expected one with \"", std::string(*parts.begin()), "\"");
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const char* part : parts) CHECK_MESSAGE(message.find(part) != std::string::npos, message, " lacks ", part);
  }
}

/// The same on each backend.
template <typename Op>
void expect_error(void (Backend::*call)(const Op&), const Op& op, std::initializer_list<const char*> parts) {
  for (const auto& backend : {make_reference_backend(), make_cpu_backend(1)})
    expect_error_on(*backend, call, op, parts);
}

Conv2dForward good_conv2d() {
  Conv2dForward op;
  op.shape = {1, 4, 4, 4, 4, 3, 3, 1, 1, 1, 1, 1};
  op.x = somewhere;
  op.w = third;
  op.y = elsewhere;
  return op;
}

PoolForward good_pool() {
  PoolForward op;
  op.shape = {1, 4, 4, 4, 2, 2, 2, 2, 0, 0, PoolKind::max};
  op.x = somewhere;
  op.y = elsewhere;
  return op;
}

/// A good op with one member changed.
template <typename Op, typename Change>
Op with(Op op, Change change) {
  change(op);
  return op;
}

const float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int kHuge = std::numeric_limits<int>::max();

}  // namespace

/// Runs an op that was given nothing: it asks for nothing, or is refused by its name.
template <typename Op>
void expect_named(Backend& backend, void (Backend::*call)(const Op&), const std::string& name) {
  try {
    (backend.*call)(Op());
  } catch (const Error& error) {
    CHECK_MESSAGE(std::string(error.what()).rfind(name + ": ", 0) == 0, error.what(), ", of ", name);
  }
}

TEST_CASE("every op of the list, given nothing, asks for nothing or is refused by its name") {
  for (const auto& backend : {make_reference_backend(), make_cpu_backend(1)}) {
    INFO("backend ", backend->name());
#define TSUGI_OP(name, Op) expect_named<Op>(*backend, &Backend::name, #name);
    TSUGI_OPS(TSUGI_OP)
#undef TSUGI_OP
  }
}

TEST_CASE("conv2d refuses unusable sizes and names them") {
  const auto refuse = [](auto change, std::initializer_list<const char*> parts) {
    expect_error(&Backend::conv2d_forward, with(good_conv2d(), change), parts);
  };
  refuse([](Conv2dForward& op) { op.shape.n = 0; }, {"conv2d_forward: n is 0", "at least 1"});
  refuse([](Conv2dForward& op) { op.shape.h = -3; }, {"conv2d_forward: h is -3", "at least 1"});
  refuse([](Conv2dForward& op) { op.shape.w = 0; }, {"w is 0"});
  refuse([](Conv2dForward& op) { op.shape.c = 0; }, {"c is 0"});
  refuse([](Conv2dForward& op) { op.shape.k = 0; }, {"k is 0"});
  refuse([](Conv2dForward& op) { op.shape.r = 0; }, {"r is 0"});
  refuse([](Conv2dForward& op) { op.shape.s = 0; }, {"s is 0"});
  refuse([](Conv2dForward& op) { op.shape.stride_h = 0; }, {"stride_h is 0"});
  refuse([](Conv2dForward& op) { op.shape.stride_w = -1; }, {"stride_w is -1"});
  refuse([](Conv2dForward& op) { op.shape.pad_h = -1; }, {"pad_h is -1", "at least 0"});
  refuse([](Conv2dForward& op) { op.shape.groups = 0; }, {"groups is 0"});
  refuse([](Conv2dForward& op) { op.shape.groups = 3; }, {"conv2d_forward:", "4 channels", "3 groups"});
  refuse([](Conv2dForward& op) { op.shape.groups = op.shape.c = 3; }, {"4 filters", "3 groups"});
  refuse([](Conv2dForward& op) { op.shape.r = 7; }, {"window of 7 rows", "padded input of 6"});
  refuse([](Conv2dForward& op) { op.shape.s = 9; }, {"window of 9 columns", "padded input of 6"});
}

TEST_CASE("conv2d refuses sizes whose products overflow") {
  const auto refuse = [](auto change, std::initializer_list<const char*> parts) {
    expect_error(&Backend::conv2d_forward, with(good_conv2d(), change), parts);
  };
  refuse([](Conv2dForward& op) { op.shape.pad_h = kHuge; }, {"4294967298 rows", "2147483647"});
  refuse([](Conv2dForward& op) { op.shape.h = kHuge; }, {"2147483649 rows", "2147483647"});
  refuse([](Conv2dForward& op) { op.shape.n = kHuge, op.shape.c = kHuge; },
         {"input of 2147483647 x 4 x 4 x 2147483647"});
  refuse([](Conv2dForward& op) { op.shape.n = op.shape.k = kHuge; }, {"output of 2147483647 x 4 x 4 x 2147483647"});
  refuse([](Conv2dForward& op) { op.shape = {1, 46340, 46340, kHuge, kHuge, 3, 3, 1, 1, 1, 1, 1}; },
         {"input of 1 x 46340"});
  refuse([](Conv2dForward& op) { op.shape = {1, 3, 3, kHuge, kHuge, 3, 3, 3, 3, 0, 0, 1}; },
         {"weights of 2147483647 x 3 x 3"});
}

TEST_CASE("conv2d refuses missing tensors, types and activations") {
  const auto refuse = [](auto change, std::initializer_list<const char*> parts) {
    expect_error(&Backend::conv2d_forward, with(good_conv2d(), change), parts);
  };
  refuse([](Conv2dForward& op) { op.x = nullptr; }, {"conv2d_forward: x is null"});
  refuse([](Conv2dForward& op) { op.w = nullptr; }, {"w is null"});
  refuse([](Conv2dForward& op) { op.y = nullptr; }, {"y is null"});
  refuse([](Conv2dForward& op) { op.y = somewhere; }, {"y and x are the same memory"});
  refuse([](Conv2dForward& op) { op.dtype = DType::u8; }, {"dtype is u8", "f32"});
  refuse([](Conv2dForward& op) { op.activation = {ActivationKind::leaky_relu, 1.5f}; }, {"slope is 1.5"});
  refuse([](Conv2dForward& op) { op.activation = {ActivationKind::leaky_relu, kNan}; }, {"slope is", "at least 0"});
  refuse([](Conv2dForward& op) { op.saved = third; }, {"conv2d_forward: saved is given", "output"});
  refuse(
      [](Conv2dForward& op) {
        op.activation.kind = ActivationKind::silu;
        op.saved = op.y;
      },
      {"y and saved are the same memory"});

  Conv2dBackwardData data;
  expect_error(&Backend::conv2d_backward_data, data, {"conv2d_backward_data: d_y is null"});
  data.d_y = somewhere;
  data.w = third;
  data.d_x = elsewhere;
  data.activation.kind = ActivationKind::relu;
  expect_error(&Backend::conv2d_backward_data, data, {"conv2d_backward_data: saved is null"});
  data.saved = third;
  data.d_x = somewhere;
  expect_error(&Backend::conv2d_backward_data, data, {"d_x and d_y are the same memory"});
  data.d_x = elsewhere;
  data.shape.c = 0;
  expect_error(&Backend::conv2d_backward_data, data, {"conv2d_backward_data: c is 0"});

  Conv2dBackwardWeight weight;
  weight.x = somewhere;
  weight.d_y = elsewhere;
  expect_error(&Backend::conv2d_backward_weight, weight, {"conv2d_backward_weight: d_w is null"});
  weight.d_w = third;
  weight.shape.k = -1;
  expect_error(&Backend::conv2d_backward_weight, weight, {"conv2d_backward_weight: k is -1"});
}

TEST_CASE("dense refuses unusable sizes and missing tensors") {
  DenseForward forward;
  forward.shape.in = 0;
  expect_error(&Backend::dense_forward, forward, {"dense_forward: in is 0", "at least 1"});
  forward.shape.in = 1;
  expect_error(&Backend::dense_forward, forward, {"dense_forward: x is null"});
  DenseBackwardData data;
  data.shape.out = -7;
  expect_error(&Backend::dense_backward_data, data, {"dense_backward_data: out is -7", "at least 1"});
  DenseBackwardWeight weight;
  weight.shape.n = 0;
  expect_error(&Backend::dense_backward_weight, weight, {"dense_backward_weight: n is 0", "at least 1"});
}

TEST_CASE("batch_norm refuses unusable sizes, half-saved statistics and shared memory") {
  BatchNormForward forward;
  forward.shape.rows = 0;
  expect_error(&Backend::batch_norm_forward, forward, {"batch_norm_forward: rows is 0", "at least 1"});
  forward.shape = {4, 4};
  forward.eps = 0.0f;
  expect_error(&Backend::batch_norm_forward, forward, {"eps is 0", "more than 0"});
  forward.eps = 1e-5f;
  forward.momentum = kNan;
  expect_error(&Backend::batch_norm_forward, forward, {"momentum is"});
  forward.momentum = 0.1f;
  forward.x = forward.y = somewhere;
  forward.gamma = forward.beta = third;
  forward.running_mean = forward.running_var = forward.saved_mean = elsewhere;
  expect_error(&Backend::batch_norm_forward, forward, {"one of saved_mean and saved_inv_std is null"});
  forward.saved_inv_std = elsewhere;
  expect_error(&Backend::batch_norm_forward, forward, {"y and x are the same memory"});

  BatchNormBackward backward;
  backward.shape = {4, 0};
  expect_error(&Backend::batch_norm_backward, backward, {"batch_norm_backward: c is 0", "at least 1"});
  backward.shape = {4, 4};
  backward.x = backward.d_y = somewhere;
  backward.gamma = backward.saved_mean = backward.saved_inv_std = third;
  backward.d_gamma = backward.d_beta = third;
  backward.d_x = backward.d_residual = elsewhere;
  expect_error(&Backend::batch_norm_backward, backward, {"d_residual and d_x are the same memory"});
  backward.d_residual = somewhere;
  expect_error(&Backend::batch_norm_backward, backward, {"d_residual and d_y are the same memory"});
}

TEST_CASE("pool refuses unusable windows") {
  const auto refuse = [](auto change, std::initializer_list<const char*> parts) {
    expect_error(&Backend::pool_forward, with(good_pool(), change), parts);
  };
  refuse([](PoolForward& op) { op.shape.h = 0; }, {"pool_forward: h is 0", "at least 1"});
  refuse([](PoolForward& op) { op.shape.stride_w = 0; }, {"stride_w is 0"});
  refuse([](PoolForward& op) { op.shape.pad_h = 2; }, {"padding 2 x 0", "window, 2 x 2"});
  refuse([](PoolForward& op) { op.shape.r = 5; }, {"window of 5 rows", "padded input of 4"});
  refuse([](PoolForward& op) { op.shape.h = op.shape.w = op.shape.r = op.shape.s = 16; }, {"256 positions", "255"});
  refuse([](PoolForward& op) { op.shape.n = op.shape.c = kHuge; }, {"input of 2147483647 x 4 x 4 x 2147483647"});

  PoolBackward backward;
  backward.shape = good_pool().shape;
  backward.d_y = somewhere;
  backward.d_x = elsewhere;
  expect_error(&Backend::pool_backward, backward, {"pool_backward: argmax is null"});
  backward.shape.kind = PoolKind::average;
  backward.activation.kind = ActivationKind::relu;
  expect_error(&Backend::pool_backward, backward, {"pool_backward: x is null"});
  backward.activation.kind = ActivationKind::hard_swish;
  expect_error(&Backend::pool_backward, backward, {"pool_backward: the activation's derivative needs its input"});
}

TEST_CASE("pointwise ops refuse missing tensors, types and rates") {
  ActivationForward activation;
  activation.count = 4;
  expect_error(&Backend::activation_forward, activation, {"activation_forward: x is null"});
  ActivationBackward activation_back;
  activation_back.count = 4;
  activation_back.write = Write::accumulate;
  activation_back.d_y = activation_back.d_x = somewhere;
  expect_error(&Backend::activation_backward, activation_back, {"activation_backward:", "same memory"});
  activation_back.activation.kind = ActivationKind::silu;
  expect_error(&Backend::activation_backward, activation_back, {"activation_backward: saved is null"});
  AddForward add;
  add.count = 4;
  add.a = somewhere;
  expect_error(&Backend::add_forward, add, {"add_forward: b is null"});
  Cast cast;
  cast.count = 4;
  cast.from_dtype = DType::i8;
  expect_error(&Backend::cast, cast, {"cast: from_dtype is i8", "f32"});

  DropoutForward dropout;
  for (const float rate : {1.0f, -0.1f, kNan}) {
    dropout.rate = rate;
    expect_error(&Backend::dropout_forward, dropout, {"dropout_forward: rate is", "less than 1"});
  }
  dropout.rate = 0.5f;
  dropout.n = 0;
  expect_error(&Backend::dropout_forward, dropout, {"dropout_forward: n is 0", "at least 1"});
  DropoutBackward dropout_back;
  dropout_back.count = 4;
  expect_error(&Backend::dropout_backward, dropout_back, {"dropout_backward: mask is null"});
  dropout_back.activation.kind = ActivationKind::silu;
  expect_error(&Backend::dropout_backward, dropout_back, {"dropout_backward: the activation's derivative needs its"});
}

TEST_CASE("softmax_cross_entropy refuses labels outside the classes, and softmax no classes") {
  const std::int32_t labels[] = {0, 3, -1};
  SoftmaxCrossEntropy loss;
  loss.n = 2;
  loss.classes = 3;
  loss.logits = somewhere;
  loss.labels = labels;
  loss.sample_loss = elsewhere;
  expect_error(&Backend::softmax_cross_entropy, loss, {"softmax_cross_entropy: label is 3", "3 classes"});
  loss.labels = labels + 2;
  loss.n = 1;
  expect_error(&Backend::softmax_cross_entropy, loss, {"softmax_cross_entropy: label is -1", "3 classes"});
  loss.smoothing = 1.0f;
  expect_error(&Backend::softmax_cross_entropy, loss, {"smoothing is 1", "less than 1"});
  loss.smoothing = 0.0f;
  loss.labels = labels;
  loss.distillation = third;
  expect_error(&Backend::softmax_cross_entropy, loss, {"distillation is given", "teacher is null"});
  loss.teacher = somewhere;
  for (const int teacher_classes : {0, -2, 4}) {
    loss.teacher_classes = teacher_classes;
    expect_error(&Backend::softmax_cross_entropy, loss,
                 {"teacher_classes is", std::to_string(teacher_classes).c_str(),
                  teacher_classes > 0 ? "classes, 3" : "at least 1"});
  }
  loss.teacher_classes = 3;
  for (const float temperature : {0.0f, -1.0f, kNan}) {
    loss.temperature = temperature;
    expect_error(&Backend::softmax_cross_entropy, loss, {"temperature is", "more than 0"});
  }
  loss.temperature = 2.0f;
  loss.distillation = nullptr;
  expect_error(&Backend::softmax_cross_entropy, loss, {"distillation is null"});
  Softmax softmax;
  softmax.classes = 0;
  expect_error(&Backend::softmax, softmax, {"softmax: classes is 0", "at least 1"});
}

TEST_CASE("augment_forward refuses an output larger than the photos, and impossible strengths") {
  AugmentForward op;
  op.photo_h = 8;
  op.h = 9;
  expect_error(&Backend::augment_forward, op, {"augment_forward: photo_h is 8", "at least 9"});
  op.h = 8;
  op.variants = 0;
  expect_error(&Backend::augment_forward, op, {"variants is 0"});
  op.variants = 9;
  op.strength.noise_probability = kNan;
  expect_error(&Backend::augment_forward, op, {"noise_probability is"});
}

TEST_CASE("dequantize_gather refuses rows that are no whole number of pixels, and missing tables") {
  DequantizeGather op;
  op.c = 8;
  op.count = 4;
  expect_error(&Backend::dequantize_gather, op, {"dequantize_gather: count is 4", "at least 8"});
  op.count = 20;
  expect_error(&Backend::dequantize_gather, op, {"count is 20", "multiple of the 8 channels"});
  op.count = 24;
  op.c = 0;
  expect_error(&Backend::dequantize_gather, op, {"c is 0"});
  op.c = 8;
  op.dtype = DType::u8;
  expect_error(&Backend::dequantize_gather, op, {"dtype is u8"});
  op.dtype = DType::f32;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(somewhere);
  const auto* words = reinterpret_cast<const std::uint32_t*>(somewhere);
  op.x = elsewhere;
  expect_error(&Backend::dequantize_gather, op, {"rows is null"});
  op.rows = bytes;
  expect_error(&Backend::dequantize_gather, op, {"index is null"});
  op.index = words;
  expect_error(&Backend::dequantize_gather, op, {"scale is null"});
  op.scale = third;
  expect_error(&Backend::dequantize_gather, op, {"offset is null"});
  op.offset = third;
  op.x = nullptr;
  expect_error(&Backend::dequantize_gather, op, {"x is null"});
}

TEST_CASE("gradient_norm and the optimizers refuse bad settings") {
  GradientNorm norm;
  norm.max_norm = -1.0f;
  expect_error(&Backend::gradient_norm, norm, {"gradient_norm: max_norm is -1", "at least 0"});
  norm.max_norm = 1.0f;
  norm.count = 3;
  expect_error(&Backend::gradient_norm, norm, {"gradient_norm: g is null"});

  SgdUpdate sgd;
  sgd.buffers.count = 4;
  sgd.buffers.decayed = 5;
  expect_error(&Backend::sgd_update, sgd, {"sgd_update: decayed is 5", "at most", "4"});
  StepState step;
  sgd.buffers.decayed = 4;
  sgd.buffers.step = &step;
  sgd.buffers.scale = sgd.buffers.g = somewhere;
  sgd.buffers.w = elsewhere;
  expect_error(&Backend::sgd_update, sgd, {"sgd_update: m is null"});
  sgd.momentum = 1.0f;
  expect_error(&Backend::sgd_update, sgd, {"sgd_update: momentum is 1", "less than 1"});

  AdamUpdate adam;
  adam.buffers = sgd.buffers;
  adam.m = adam.v = third;
  adam.beta2 = 1.0f;
  expect_error(&Backend::adam_update, adam, {"adam_update: beta2 is 1", "less than 1"});
  adam.beta2 = 0.999f;
  adam.eps = 0.0f;
  expect_error(&Backend::adam_update, adam, {"adam_update: eps is 0", "more than 0"});
  adam.eps = 1e-8f;
  adam.buffers.compute = third;
  adam.buffers.compute_dtype = DType::i8;
  expect_error(&Backend::adam_update, adam, {"adam_update: compute_dtype is i8", "f32"});
}

TEST_CASE("a type that a backend does not compute in is an error, not a wrong result") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  if (backend->supports(DType::f16)) return;  // the reference stands in for it in this build
  alignas(64) static unsigned char workspace[1 << 16];
  Conv2dForward conv2d = good_conv2d();
  conv2d.dtype = DType::f16;
  conv2d.workspace = workspace;
  expect_error_on(*backend, &Backend::conv2d_forward, conv2d, {"dtype is f16", "f32"});
  DenseForward dense;
  dense.dtype = DType::f16;
  dense.x = somewhere;
  dense.w = third;
  dense.y = elsewhere;
  dense.workspace = workspace;
  expect_error_on(*backend, &Backend::dense_forward, dense, {"dtype is f16", "f32"});
  PoolForward pool = good_pool();
  pool.dtype = DType::f16;
  expect_error_on(*backend, &Backend::pool_forward, pool, {"dtype is f16", "f32"});
  AddForward add;
  add.count = 1;
  add.dtype = DType::f16;
  add.a = add.b = add.y = somewhere;
  expect_error_on(*backend, &Backend::add_forward, add, {"dtype is f16", "f32"});
}

TEST_CASE("a count of nothing is no work and needs no memory") {
  for (const auto& backend : {make_reference_backend(), make_cpu_backend(1)}) {
    INFO("backend ", backend->name());
    CHECK_NOTHROW(backend->activation_forward({}));
    CHECK_NOTHROW(backend->activation_backward({}));
    CHECK_NOTHROW(backend->add_forward({}));
    CHECK_NOTHROW(backend->cast({}));
    CHECK_NOTHROW(backend->dropout_backward({}));
  }
}

TEST_CASE("make_cpu_backend refuses a negative number of threads") { CHECK_THROWS_AS(make_cpu_backend(-1), Error); }

TEST_CASE("every element type has a name") {
  CHECK(std::string(name_of(DType::f32)) == "f32");
  CHECK(std::string(name_of(DType::f16)) == "f16");
  CHECK(std::string(name_of(DType::bf16)) == "bf16");
  CHECK(std::string(name_of(DType::i8)) == "i8");
  CHECK(std::string(name_of(DType::u8)) == "u8");
}

}  // namespace tsugi
