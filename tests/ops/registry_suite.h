// The walk over the registry: every row, on every convolution case that it covers, overwriting and accumulating.
#pragma once

#include <vector>

#include "kernels/api/registry.h"

namespace tsugi {
namespace test {

struct RegistryWalk {
  int rows = 0, cases = 0;
};

/// Checks each row of `op` whose place among the rows of its op is `part` modulo `parts`. The first backend is compared
/// with the double-precision reference; the others (the emulator in other thread orders) must agree with it bit for
/// bit. large: the cases of several blocks, too, on the first backend alone.
RegistryWalk check_registry(const std::vector<RegistryBackend*>& backends, KernelOp op, std::size_t part,
                            std::size_t parts, bool large);

}  // namespace test
}  // namespace tsugi
