// Every op of the emulator that has one kernel for all shapes, through the suite that all backends pass: against the
// double-precision reference, in float32 and float16, with the threads of a block run forward, in reverse and in three
// shuffled orders (forward only under a sanitizer). What a missing barrier or a race would change, one of the orders
// shows.
#include <doctest/doctest.h>

#include <string>

#include "kernels/api/registry.h"
#include "tests/ops/backend_suite.h"
#include "tests/support.h"

namespace tsugi {
namespace test {
namespace {

struct Order {
  const char* name;
  ThreadOrder order;
  std::uint64_t seed;
};

constexpr Order kOrders[] = {{"forward", ThreadOrder::forward, 0},
                             {"reverse", ThreadOrder::reverse, 0},
                             {"shuffled, seed 1", ThreadOrder::shuffled, 1},
                             {"shuffled, seed 2", ThreadOrder::shuffled, 2},
                             {"shuffled, seed 3", ThreadOrder::shuffled, 3}};

template <typename Check>
void in_all_orders(Check check) {
  for (const Order& order : kOrders) {
    if (kSanitized && order.order != ThreadOrder::forward) continue;
    INFO("threads ", std::string(order.name));
    const std::unique_ptr<RegistryBackend> backend = make_simt_backend(75, order.order, order.seed);
    check(*backend);
  }
}

void in_type(DType dtype, void (*check)(Backend&, DType)) {
  in_all_orders([=](Backend& backend) {
    REQUIRE(backend.supports(dtype));
    INFO("dtype ", std::string(name_of(dtype)));
    check(backend, dtype);
  });
}

void in_both_types(void (*check)(Backend&, DType)) {
  in_type(DType::f32, check);
  in_type(DType::f16, check);
}

void by_dispatch(int sm, void (*check)(Backend&, DType)) {
  const std::unique_ptr<RegistryBackend> backend = make_simt_backend(sm);
  for (const DType dtype : {DType::f32, DType::f16}) {
    INFO("dtype ", std::string(name_of(dtype)));
    check(*backend, dtype);
  }
}

}  // namespace

TEST_CASE("simt batch_norm equals the reference in float32") { in_type(DType::f32, check_batch_norm); }
TEST_CASE("simt batch_norm equals the reference in float16") { in_type(DType::f16, check_batch_norm); }
TEST_CASE("simt pool equals the reference") { in_both_types(check_pool); }
TEST_CASE("simt activation and add equal the reference") { in_both_types(check_pointwise); }
TEST_CASE("simt dropout equals the reference") { in_both_types(check_dropout); }
TEST_CASE("simt softmax_cross_entropy equals the reference") { in_both_types(check_loss); }
TEST_CASE("simt augment_forward equals the reference") { in_both_types(check_augment); }
TEST_CASE("simt dequantize_gather equals the reference") { in_both_types(check_dequantize_gather); }
TEST_CASE("simt optimizers equal the reference") { in_all_orders(check_optimizer); }
TEST_CASE("simt gradient_norm equals the reference, and sees a NaN anywhere") { in_all_orders(check_gradient_norm); }
TEST_CASE("simt cast rounds to nearest even") { in_all_orders(check_cast); }
TEST_CASE("simt refuses memory that is not aligned") {
  for (const int sm : {53, 75})
    for (const DType dtype : {DType::f32, DType::f16}) check_alignment(*make_simt_backend(sm), dtype);
}
// What dispatch takes: rows of one architecture's own, each with its bound. All shapes of a row are in
// test_registry.cpp.
TEST_CASE("simt conv2d by dispatch equals the reference at sm_53") { by_dispatch(53, check_conv2d); }
TEST_CASE("simt conv2d by dispatch equals the reference at sm_75") { by_dispatch(75, check_conv2d); }
TEST_CASE("simt conv2d by dispatch equals the reference on several blocks at sm_53") {
  by_dispatch(53, check_large_conv2d);
}
TEST_CASE("simt conv2d by dispatch equals the reference on several blocks at sm_75") {
  by_dispatch(75, check_large_conv2d);
}
TEST_CASE("simt dense by dispatch equals the reference at sm_53") { by_dispatch(53, check_dense); }
TEST_CASE("simt dense by dispatch equals the reference at sm_75") { by_dispatch(75, check_dense); }
TEST_CASE("simt memory is aligned and keeps what was copied") { in_all_orders(check_memory); }

}  // namespace test
}  // namespace tsugi
