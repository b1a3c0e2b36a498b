// Work for compute-sanitizer, which slows kernels down many times: every registry row on three shapes, every other op
// on few, two training steps. It looks at each access; what the results are, other tests check.
#include <doctest/doctest.h>

#include <string>

#include "tests/engine/photos.h"
#include "tests/gpu_device/device.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/conv2d_passes.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

void run_row(RegistryBackend& device, const KernelRow& row, const Conv2dInputs& in) {
  if (row.op == KernelOp::conv2d_forward) conv2d_forward(device, row.dtype, in);
  if (row.op == KernelOp::conv2d_backward_data) conv2d_backward_data(device, row.dtype, in);
  if (row.op == KernelOp::conv2d_backward_weight) conv2d_backward_weight(device, row.dtype, in);
}

void run_rows(KernelOp op) {
  const auto device = make_device();
  const std::vector<KernelRow> rows = device->rows();
  std::vector<Conv2dCase> cases = conv2d_cases();
  cases.insert(cases.end(), large_conv2d_cases().begin(), large_conv2d_cases().end());
  Random random(3);
  int runs = 0;
  for (std::size_t index = 0; index < rows.size(); ++index) {
    const KernelRow& row = rows[index];
    if (row.op != op || row.min_sm > device->sm()) continue;
    std::vector<const Conv2dCase*> covered;
    for (const Conv2dCase& test_case : cases) {
      if (device->covers(index, test_case.shape)) covered.push_back(&test_case);
    }
    CAPTURE(name_of(row));
    REQUIRE_FALSE(covered.empty());
    Write write = Write::overwrite;
    // The first is aligned; the ones behind are ragged, strided and large, another one for each row.
    for (const std::size_t place : {std::size_t{0}, 1 + index % covered.size(), covered.size() - 1}) {
      Conv2dInputs in = draw_conv2d(covered[place % covered.size()]->shape, row.dtype, random);
      in.write = write;
      in.activation = {ActivationKind::relu, 0.0f};
      in.shifted_parameters = write == Write::accumulate;
      write = write == Write::overwrite ? Write::accumulate : Write::overwrite;
      device->pin(static_cast<int>(index));
      run_row(*device, row, in);
      device->pin(-1);
      ++runs;
    }
  }
  MESSAGE(std::string(name_of(op)) << ": " << runs << " runs");
}

void two_steps(const std::string& model) {
  const auto device = make_device();
  for (const bool graph : {false, true}) {
    Training::Options options;
    options.trainer.graph = graph;
    TrainSettings settings = short_settings();
    settings.batch = 2;
    const PhotoSet set = make_photos(2, 2);
    Training training(*device, with_input_size(find_model(model), 16), set, settings, options);
    training.steps(2);
  }
}

}  // namespace

TEST_SUITE("sanitizer") {
  TEST_CASE("sanitized rows of conv2d_forward") { run_rows(KernelOp::conv2d_forward); }
  TEST_CASE("sanitized rows of conv2d_backward_data") { run_rows(KernelOp::conv2d_backward_data); }
  TEST_CASE("sanitized rows of conv2d_backward_weight") { run_rows(KernelOp::conv2d_backward_weight); }
  TEST_CASE("sanitized batch_norm") { check_batch_norm(*make_device(), DType::f32); }
  TEST_CASE("sanitized pool and pointwise") {
    const auto device = make_device();
    check_pool(*device, DType::f32);
    check_pointwise(*device, DType::f16);
    check_cast(*device);
  }
  TEST_CASE("sanitized dropout and loss") {
    const auto device = make_device();
    check_dropout(*device, DType::f32);
    check_loss(*device, DType::f32);
  }
  TEST_CASE("sanitized optimizers") {
    const auto device = make_device();
    check_optimizer(*device);
    check_gradient_norm(*device);
  }
  TEST_CASE("sanitized training") {
    two_steps("faces-cnn");
    two_steps("faces-mobile");
  }
}

}  // namespace test
}  // namespace tsugi
