// Every other op on the device against the double-precision reference, and memory.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/gpu_device/device.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

template <typename Check>
void in_both_types(Check check) {
  const auto device = make_device();
  for (const DType dtype : {DType::f32, DType::f16}) {
    INFO("dtype ", std::string(name_of(dtype)));
    check(*device, dtype);
  }
}

/// What benchmarks measure limits with: no result is written but the copy's.
void check_bursts(Backend& device) {
  Values from(1031);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
  const std::size_t bytes = (from.size() - 3) * sizeof(float);  // a multiple of 16
  Run run(device, DType::f32);
  const float* source = run.in_f32(from);
  float *copied = run.out_f32(from.size()), *untouched = run.out_f32(1);
  device.copy_burst(source, bytes, copied);
  for (const DType dtype : {DType::f32, DType::f16}) {
    CHECK(device.fma_burst(dtype, 8, untouched) == 8.0 * device.fma_burst(dtype, 1, untouched));
  }
  run.finish();
  const Values got = run.read_f32(copied);
  for (std::size_t i = 0; i < from.size(); ++i) {
    CHECK((i < bytes / sizeof(float) ? got[i] == from[i] : std::isnan(got[i])));
  }
}

}  // namespace

TEST_SUITE("ops") {
  TEST_CASE("conv2d by dispatch equals the reference") { in_both_types(check_conv2d); }
  TEST_CASE("conv2d by dispatch equals the reference on several blocks") { in_both_types(check_large_conv2d); }
  TEST_CASE("dense equals the reference") { in_both_types(check_dense); }
  TEST_CASE("memory that is not aligned is refused") { in_both_types(check_alignment); }
  TEST_CASE("batch_norm equals the reference") { in_both_types(check_batch_norm); }
  TEST_CASE("pool equals the reference") { in_both_types(check_pool); }
  TEST_CASE("activation and add equal the reference") { in_both_types(check_pointwise); }
  TEST_CASE("dropout equals the reference") { in_both_types(check_dropout); }
  TEST_CASE("softmax_cross_entropy equals the reference") { in_both_types(check_loss); }
  TEST_CASE("dequantize_gather equals the reference") { in_both_types(check_dequantize_gather); }
  TEST_CASE("augment_forward equals the reference") { in_both_types(check_augment); }
  TEST_CASE("optimizers equal the reference") { check_optimizer(*make_device()); }
  TEST_CASE("gradient_norm equals the reference and sees a NaN anywhere") { check_gradient_norm(*make_device()); }
  TEST_CASE("cast rounds to nearest even") { check_cast(*make_device()); }
  TEST_CASE("bursts of arithmetic and copies do what they say") { check_bursts(*make_device()); }
  TEST_CASE("memory is aligned and keeps what was copied") { check_memory(*make_device()); }
}

}  // namespace test
}  // namespace tsugi
