// The vendor baseline against the double-precision reference: a benchmark's other side must compute the same thing.
// cuDNN may transform (Winograd, FFT), so its error is bounded over a whole tensor, ||got - want|| / ||want||:
// float32 lies below 1e-5, TF32 near 4e-4 (11 significant bits of each factor), fp16 near 3e-4 for its stored result.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/gpu_device/device.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/conv2d_passes.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

constexpr double kBoundF32 = 1e-4;  // would see TF32
constexpr double kBoundF16 = 2e-3;

double relative_error(const Values& got, const Values& want) {
  double error = 0.0, size = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = static_cast<double>(want[i]);
    error += (g - w) * (g - w);
    size += w * w;
  }
  return std::sqrt(error / size);
}

/// Checks one pass; a shape that cuDNN refuses counts into `refused`, anything else that it throws fails.
template <typename Pass>
void check_pass(const char* what, Backend& cudnn, Backend& reference, DType dtype, Pass pass, int& refused) {
  Values got;
  try {
    got = pass(cudnn);
  } catch (const Error& error) {
    CAPTURE(error.what());
    REQUIRE(std::string(error.what()).find("cudnn does not compute") != std::string::npos);
    ++refused;
    return;
  }
  const Values want = pass(reference);
  REQUIRE(got.size() == want.size());
  const double error = relative_error(got, want);
  INFO(what, ": relative error ", error, "; TSUGI_TEST_SEED=", test_seed());
  CHECK(error < (dtype == DType::f32 ? kBoundF32 : kBoundF16));  // false for NaN
  expect_identical("a second call", pass(cudnn), got);
}

Values gradients(Backend& backend, DType dtype, const Conv2dInputs& in) {
  const Conv2dWeightGradients both = conv2d_backward_weight(backend, dtype, in);
  Values values = both.d_w;
  values.insert(values.end(), both.d_bias.begin(), both.d_bias.end());
  return values;
}

void check_convolutions(DType dtype, const std::vector<Conv2dCase>& cases) {
  const auto cudnn = make_cudnn_backend();
  const auto reference = make_reference_backend();
  Random random(71);
  int passes = 0, refused = 0;
  Write write = Write::overwrite;
  for (const Conv2dCase& test_case : cases) {
    CAPTURE(test_case.why);
    Conv2dInputs in = draw_conv2d(test_case.shape, dtype, random);
    in.write = write;
    in.activation = {ActivationKind::leaky_relu, 0.125f};
    in.shifted_parameters = write == Write::accumulate;
    write = write == Write::overwrite ? Write::accumulate : Write::overwrite;
    passes += 3;
    check_pass(
        "y", *cudnn, *reference, dtype, [&](Backend& b) { return conv2d_forward(b, dtype, in); }, refused);
    check_pass(
        "d_x", *cudnn, *reference, dtype, [&](Backend& b) { return conv2d_backward_data(b, dtype, in); }, refused);
    check_pass(
        "d_w", *cudnn, *reference, dtype, [&](Backend& b) { return gradients(b, dtype, in); }, refused);
  }
  MESSAGE(std::string(name_of(dtype)) << ": " << passes - refused << " passes computed, " << refused
                                      << " refused by cuDNN, on " << cudnn->description());
  CHECK(2 * refused < passes);
}

}  // namespace

TEST_SUITE("cudnn") {
  TEST_CASE("cudnn convolutions equal the reference in f32") { check_convolutions(DType::f32, conv2d_cases()); }
  TEST_CASE("cudnn convolutions equal the reference in f16") { check_convolutions(DType::f16, conv2d_cases()); }
  TEST_CASE("cudnn larger convolutions equal the reference in f32") {
    check_convolutions(DType::f32, large_conv2d_cases());
  }
  TEST_CASE("cudnn larger convolutions equal the reference in f16") {
    check_convolutions(DType::f16, large_conv2d_cases());
  }
  TEST_CASE("cublas dense layers equal the reference") {
    const auto cudnn = make_cudnn_backend();
    check_dense(*cudnn, DType::f32);
    check_dense(*cudnn, DType::f16);
  }
}

}  // namespace test
}  // namespace tsugi
