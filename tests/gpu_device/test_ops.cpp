// Every other op on the device against the double-precision reference, and memory.
#include <doctest/doctest.h>

#include "tests/gpu_device/device.h"
#include "tests/ops/backend_suite.h"

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
  TEST_CASE("optimizers equal the reference") { check_optimizer(*make_device()); }
  TEST_CASE("gradient_norm equals the reference and sees a NaN anywhere") { check_gradient_norm(*make_device()); }
  TEST_CASE("cast rounds to nearest even") { check_cast(*make_device()); }
  TEST_CASE("memory is aligned and keeps what was copied") { check_memory(*make_device()); }
}

}  // namespace test
}  // namespace tsugi
