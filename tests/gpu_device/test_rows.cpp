// Every registry row on the device against the double-precision reference, overwriting and accumulating. In parts,
// because one process uses one core for the reference.
#include <doctest/doctest.h>

#include <string>

#include "tests/gpu_device/device.h"
#include "tests/ops/registry_suite.h"

namespace tsugi {
namespace test {
namespace {

constexpr std::size_t kParts = 4;

void walk(KernelOp op, std::size_t part) {
  const auto device = make_device();
  const RegistryWalk done = check_registry({device.get()}, op, part, kParts, true);
  MESSAGE(std::string(name_of(op)) << ", part " << part + 1 << " of " << kParts << ": " << done.rows << " rows, "
                                   << done.cases << " cases on " << device->description());
}

}  // namespace

TEST_SUITE("rows") {
  TEST_CASE("rows of conv2d_forward 1") { walk(KernelOp::conv2d_forward, 0); }
  TEST_CASE("rows of conv2d_forward 2") { walk(KernelOp::conv2d_forward, 1); }
  TEST_CASE("rows of conv2d_forward 3") { walk(KernelOp::conv2d_forward, 2); }
  TEST_CASE("rows of conv2d_forward 4") { walk(KernelOp::conv2d_forward, 3); }
  TEST_CASE("rows of conv2d_backward_data 1") { walk(KernelOp::conv2d_backward_data, 0); }
  TEST_CASE("rows of conv2d_backward_data 2") { walk(KernelOp::conv2d_backward_data, 1); }
  TEST_CASE("rows of conv2d_backward_data 3") { walk(KernelOp::conv2d_backward_data, 2); }
  TEST_CASE("rows of conv2d_backward_data 4") { walk(KernelOp::conv2d_backward_data, 3); }
  TEST_CASE("rows of conv2d_backward_weight 1") { walk(KernelOp::conv2d_backward_weight, 0); }
  TEST_CASE("rows of conv2d_backward_weight 2") { walk(KernelOp::conv2d_backward_weight, 1); }
  TEST_CASE("rows of conv2d_backward_weight 3") { walk(KernelOp::conv2d_backward_weight, 2); }
  TEST_CASE("rows of conv2d_backward_weight 4") { walk(KernelOp::conv2d_backward_weight, 3); }
}

}  // namespace test
}  // namespace tsugi
