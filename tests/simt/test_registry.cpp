// Every registry row in the emulator, its threads run forward, in reverse and in three shuffled orders (forward only
// under a sanitizer).
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/ops/registry_suite.h"
#include "tests/support.h"

namespace tsugi {
namespace test {
namespace {

constexpr std::size_t kParts = 4;  // test cases an op, so that several cores share the work

void walk(KernelOp op, std::size_t part) {
  const auto forward = make_simt_backend(75), reverse = make_simt_backend(75, ThreadOrder::reverse);
  const auto shuffled1 = make_simt_backend(75, ThreadOrder::shuffled, 1);
  const auto shuffled2 = make_simt_backend(75, ThreadOrder::shuffled, 2);
  const auto shuffled3 = make_simt_backend(75, ThreadOrder::shuffled, 3);
  std::vector<RegistryBackend*> orders = {forward.get()};
  if (!kSanitized) orders = {forward.get(), reverse.get(), shuffled1.get(), shuffled2.get(), shuffled3.get()};
  const RegistryWalk done = check_registry(orders, op, part, kParts, true);
  MESSAGE(std::string(name_of(op)) << ", part " << part + 1 << " of " << kParts << ": " << done.rows << " rows, "
                                   << done.cases << " cases, each in " << orders.size() << " thread orders");
}

}  // namespace

TEST_CASE("rows of conv2d_forward, part 1") { walk(KernelOp::conv2d_forward, 0); }
TEST_CASE("rows of conv2d_forward, part 2") { walk(KernelOp::conv2d_forward, 1); }
TEST_CASE("rows of conv2d_forward, part 3") { walk(KernelOp::conv2d_forward, 2); }
TEST_CASE("rows of conv2d_forward, part 4") { walk(KernelOp::conv2d_forward, 3); }
TEST_CASE("rows of conv2d_backward_data, part 1") { walk(KernelOp::conv2d_backward_data, 0); }
TEST_CASE("rows of conv2d_backward_data, part 2") { walk(KernelOp::conv2d_backward_data, 1); }
TEST_CASE("rows of conv2d_backward_data, part 3") { walk(KernelOp::conv2d_backward_data, 2); }
TEST_CASE("rows of conv2d_backward_data, part 4") { walk(KernelOp::conv2d_backward_data, 3); }
TEST_CASE("rows of conv2d_backward_weight, part 1") { walk(KernelOp::conv2d_backward_weight, 0); }
TEST_CASE("rows of conv2d_backward_weight, part 2") { walk(KernelOp::conv2d_backward_weight, 1); }
TEST_CASE("rows of conv2d_backward_weight, part 3") { walk(KernelOp::conv2d_backward_weight, 2); }
TEST_CASE("rows of conv2d_backward_weight, part 4") { walk(KernelOp::conv2d_backward_weight, 3); }

}  // namespace test
}  // namespace tsugi
