// Every backend that this build has, in every type that it supports, through the whole suite.
#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "tests/ops/backend_suite.h"

namespace tsugi {
namespace test {
namespace {

/// Runs a check on the CPU backend with one thread and with three (shares of unequal size), in float32 and, where the
/// CPU has it, bf16.
template <typename Check>
void on_cpu(Check check, std::initializer_list<int> thread_counts = {1, 3}) {
  for (const int threads : thread_counts) {
    const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
    CAPTURE(threads);
    REQUIRE(backend->supports(DType::f32));
    for (const DType dtype : {DType::f32, DType::bf16}) {
      if (!backend->supports(dtype)) continue;
      INFO("dtype ", std::string(name_of(dtype)));
      check(*backend, dtype);
    }
  }
}

template <typename Check>
void on_cpu_once(Check check) {
  for (const int threads : {1, 3}) {
    const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
    CAPTURE(threads);
    check(*backend);
  }
}

}  // namespace

TEST_CASE("cpu conv2d equals the reference") { on_cpu(check_conv2d); }
TEST_CASE("cpu conv2d equals the reference where it works in several blocks") { on_cpu(check_large_conv2d, {3}); }
TEST_CASE("cpu dense equals the reference") { on_cpu(check_dense); }
TEST_CASE("cpu refuses memory that is not aligned") { on_cpu(check_alignment, {1}); }
TEST_CASE("cpu batch_norm equals the reference") { on_cpu(check_batch_norm); }
TEST_CASE("cpu pool equals the reference") { on_cpu(check_pool); }
TEST_CASE("cpu activation and add equal the reference") { on_cpu(check_pointwise); }
TEST_CASE("cpu dropout equals the reference") { on_cpu(check_dropout); }
TEST_CASE("cpu softmax_cross_entropy equals the reference") { on_cpu(check_loss); }
TEST_CASE("cpu augment_forward equals the reference") { on_cpu(check_augment); }
TEST_CASE("cpu dequantize_gather equals the reference") { on_cpu(check_dequantize_gather); }
TEST_CASE("cpu optimizers equal the reference") { on_cpu_once(check_optimizer); }
TEST_CASE("cpu gradient_norm equals the reference, and sees a NaN anywhere") { on_cpu_once(check_gradient_norm); }
TEST_CASE("cpu cast rounds to nearest even") { on_cpu_once(check_cast); }
TEST_CASE("cpu memory is aligned and keeps what was copied") { on_cpu_once(check_memory); }

// The reference against itself: shows that it writes every output, stays inside its buffers and repeats itself, and
// that the suite's own edge cases hold for it.
TEST_CASE("the reference backend passes the suite") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    REQUIRE(backend->supports(dtype));
    INFO("dtype ", std::string(name_of(dtype)));
    check_batch_norm(*backend, dtype);
    check_pool(*backend, dtype);
    check_pointwise(*backend, dtype);
    check_dropout(*backend, dtype);
    check_loss(*backend, dtype);
    check_augment(*backend, dtype);
    check_dequantize_gather(*backend, dtype);
    check_dense(*backend, dtype);
    check_conv2d(*backend, dtype);
    check_alignment(*backend, dtype);
  }
  check_optimizer(*backend);
  check_gradient_norm(*backend);
  check_cast(*backend);
  check_memory(*backend);
}

}  // namespace test
}  // namespace tsugi
