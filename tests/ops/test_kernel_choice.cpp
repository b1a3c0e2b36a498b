// The CPU's choice of kernels: every candidate computes what the reference does, and takes nothing but what it was
// chosen for.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "kernels/api/backend.h"
#include "tests/ops/backend_suite.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

constexpr KernelOp kOps[] = {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data,
                             KernelOp::conv2d_backward_weight};

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Chooses `kernel` for every convolution of the suite that it computes. Returns how many calls take another than
/// before.
int choose_everywhere(Backend& backend, DType dtype, const std::string& kernel) {
  int changed = 0;
  KernelChoice& choice = *backend.kernel_choice();
  for (const Conv2dCase& one : conv2d_cases())
    for (const KernelOp op : kOps) {
      const KernelCall call{op, one.shape, dtype, false};
      const std::vector<std::string> names = choice.candidates(call);
      CHECK(choice.chosen(call) == names.front());
      if (!has(names, kernel) || names.front() == kernel) continue;
      choice.choose(call, kernel);
      CHECK(choice.chosen(call) == kernel);
      ++changed;
    }
  return changed;
}

Conv2dShape pointwise() {
  Conv2dShape s;
  s.n = 2, s.h = s.w = 5, s.c = 16, s.k = 24;
  return s;
}

std::string error_of(KernelChoice& choice, const KernelCall& call, const std::string& kernel) {
  try {
    choice.choose(call, kernel);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cpu conv2d by the kernels that are not the default equals the reference") {
  const std::unique_ptr<Backend> probe = make_cpu_backend(1);
  if (probe->kernel_choice() == nullptr) {
    MESSAGE("skipped: this build has one kernel for every call");
    return;
  }
  for (const std::string kernel : {"onednn", "product"}) {
    CAPTURE(kernel);
    for (const int threads : {1, 3})
      for (const DType dtype : {DType::f32, DType::bf16}) {
        const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
        if (!backend->supports(dtype)) continue;
        INFO("dtype ", std::string(name_of(dtype)));
        const int changed = choose_everywhere(*backend, dtype, kernel);
        if (kernel == "product") CHECK(changed > 0);  // 1x1 convolutions are among the cases, and it is no default
        if (changed > 0) check_conv2d(*backend, dtype);
      }
  }
}

TEST_CASE("a choice holds for one call until it is taken back") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  KernelChoice* choice = backend->kernel_choice();
  if (choice == nullptr) return;
  const KernelCall call{KernelOp::conv2d_forward, pointwise(), DType::f32, false};
  KernelCall other = call;
  other.shape.n = 3;
  const std::string usual = choice->chosen(call);
  choice->choose(call, "product");
  CHECK(choice->chosen(call) == "product");
  CHECK(choice->chosen(other) == usual);
  CHECK(choice->chosen({KernelOp::conv2d_backward_data, pointwise(), DType::f32, false}) == usual);
  CHECK(choice->candidates(call).front() == usual);
  choice->choose(call, "");
  CHECK(choice->chosen(call) == usual);
  choice->choose(call, "product");
  choice->choose(call, usual);
  CHECK(choice->chosen(call) == usual);
}

TEST_CASE("kernels that cannot compute a call are refused, and so are calls that cannot be") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  KernelChoice* choice = backend->kernel_choice();
  if (choice == nullptr) return;
  KernelCall call{KernelOp::conv2d_forward, pointwise(), DType::f32, false};
  call.shape.r = call.shape.s = 3;
  CHECK_FALSE(has(choice->candidates(call), "product"));
  for (const char* kernel : {"product", "conv2d_forward gemm f32 32x32x8 4x4", "Onednn"})
    CHECK(error_of(*choice, call, kernel)
              .find("kernel \"" + std::string(kernel) +
                    "\": not one of those that compute conv2d_forward f32 of [2,5,5,16]") == 0);
  KernelCall many{KernelOp::conv2d_forward, pointwise(), DType::f32, false};
  many.shape.n = 65536, many.shape.h = many.shape.w = 256;  // 2^32 pixels: more rows than a dense layer counts
  CHECK_FALSE(has(choice->candidates(many), "product"));
  call.shape.groups = 3;
  CHECK(error_of(*choice, call, "onednn").find("groups") != std::string::npos);
  const KernelCall half{KernelOp::conv2d_forward, pointwise(), DType::f16, false};
  CHECK(error_of(*choice, half, "onednn").find("f16") != std::string::npos);
  const KernelCall dense{KernelOp::conv2d_forward, pointwise(), DType::f32, true};
  CHECK(choice->candidates(dense).size() == 1);
  CHECK(error_of(*choice, dense, "direct").find("a dense layer") != std::string::npos);
  CHECK(make_reference_backend()->kernel_choice() == nullptr);
}

}  // namespace test
}  // namespace tsugi
