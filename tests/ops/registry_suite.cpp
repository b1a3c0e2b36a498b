// Every registry row against the reference.
#include "tests/ops/registry_suite.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/ops/conv2d_passes.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/row_error.h"

namespace tsugi {
namespace test {
namespace {

/// Dense layers run on the same rows, as 1x1 convolutions of one pixel.
std::vector<Conv2dCase> all_cases() {
  std::vector<Conv2dCase> cases = conv2d_cases();
  for (const DenseCase& dense : dense_cases()) {
    cases.push_back({"dense: " + dense.why, as_conv2d(dense.shape)});
  }
  return cases;
}

Values run_row(RegistryBackend& backend, const KernelRow& row, const Conv2dInputs& in) {
  if (row.op == KernelOp::conv2d_forward) return conv2d_forward(backend, row.dtype, in);
  if (row.op == KernelOp::conv2d_backward_data) return conv2d_backward_data(backend, row.dtype, in);
  const Conv2dWeightGradients gradients = conv2d_backward_weight(backend, row.dtype, in);
  Values both = gradients.d_w;
  both.insert(both.end(), gradients.d_bias.begin(), gradients.d_bias.end());
  return both;
}

void compare(const KernelRow& row, const Values& got, Backend& reference, const Conv2dInputs& in) {
  if (row.op == KernelOp::conv2d_forward) {
    expect_close("y", got, conv2d_forward(reference, row.dtype, in),
                 conv2d_forward(reference, row.dtype, in.magnitudes()), {row.dtype, arithmetic_error(row, in.shape)});
  } else if (row.op == KernelOp::conv2d_backward_data) {
    expect_close("d_x", got, conv2d_backward_data(reference, row.dtype, in),
                 conv2d_data_magnitude(reference, row.dtype, in), {row.dtype, arithmetic_error(row, in.shape)});
  } else {
    const Conv2dWeightGradients want = conv2d_backward_weight(reference, row.dtype, in);
    const Conv2dWeightGradients magnitude = conv2d_backward_weight(reference, row.dtype, in.magnitudes());
    const auto middle = got.begin() + static_cast<std::ptrdiff_t>(want.d_w.size());
    expect_close("d_w", Values(got.begin(), middle), want.d_w, magnitude.d_w,
                 {DType::f32, arithmetic_error(row, in.shape)});
    expect_close("d_bias", Values(middle, got.end()), want.d_bias, magnitude.d_bias, {DType::f32, kRandomSum});
  }
}

/// TSUGI_TEST_ROWS=<text> leaves out the rows without it in their name, for a quick look at one kernel.
bool asked_for(const KernelRow& row) {
  const char* text = std::getenv("TSUGI_TEST_ROWS");
  return text == nullptr || name_of(row).find(text) != std::string::npos;
}

/// Overwriting with bias and activation, and accumulating without bias from shifted parameters, or the other way round.
Conv2dInputs with_mode(Conv2dInputs in, Write write, bool even) {
  const Activation relu{ActivationKind::relu, 0.0f}, leaky{ActivationKind::leaky_relu, 0.125f};
  in.write = write;
  const bool plain = (write == Write::overwrite) != even;
  in.activation = plain ? Activation{} : even ? relu : leaky;
  in.shifted_parameters = plain;
  if (plain) in.bias.clear();
  if (!plain) in.old_d_bias.clear();
  return in;
}

}  // namespace

RegistryWalk check_registry(const std::vector<RegistryBackend*>& backends, KernelOp op, std::size_t part,
                            std::size_t parts, bool large) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  RegistryBackend& first = *backends.front();
  const std::vector<KernelRow> rows = first.rows();
  RegistryWalk walk;
  std::size_t place = 0;
  for (std::size_t index = 0; index < rows.size(); ++index) {
    const KernelRow& row = rows[index];
    if (row.op != op || place++ % parts != part || row.min_sm > first.sm() || !asked_for(row)) continue;
    ++walk.rows;
    CAPTURE(name_of(row));
    int covered = 0;
    bool even = false;
    const auto check = [&](const Conv2dCase& test_case, const std::vector<RegistryBackend*>& on, Random& random) {
      if (!first.covers(index, test_case.shape)) return;
      ++covered;
      even = !even;
      CAPTURE(test_case.why);
      const Conv2dInputs drawn = draw_conv2d(test_case.shape, row.dtype, random);
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        // The forward pass only overwrites: its two modes differ in bias and activation.
        CAPTURE(static_cast<int>(write));
        const Conv2dInputs in = with_mode(drawn, write, even);
        ++walk.cases;
        Values got;
        for (RegistryBackend* backend : on) {
          backend->pin(static_cast<int>(index));
          Values values = run_row(*backend, row, in);
          if (backend == on.front()) {
            got = std::move(values);
            compare(row, got, *reference, in);
          } else {
            expect_identical("the same in another thread order", values, got);
          }
          backend->pin(-1);
        }
      }
    };
    Random random(31 + index);
    for (const Conv2dCase& test_case : all_cases()) check(test_case, backends, random);
    if (large) {
      for (const Conv2dCase& test_case : large_conv2d_cases()) check(test_case, {&first}, random);
    }
    CHECK_MESSAGE(covered > 0, "no case is covered by this row");
  }
  return walk;
}

}  // namespace test
}  // namespace tsugi
