// What is known of each architecture for the choice of a kernel: rows tuned for a shape, and a cost estimate for the
// rest. The tables are sm_53.inc, sm_75.inc and generic.inc (every other architecture).
#pragma once

#include <string>

#include "kernels/api/registry.h"

namespace tsugi {

/// The name of the row that was measured to be the fastest for exactly this shape; empty where none was.
std::string tuned_row(int sm, KernelOp op, const Conv2dShape& shape, DType dtype);

/// Estimated time of a call, in multiply-adds of one multiprocessor's best kernel: the work with its tile padding, the
/// last wave's idle multiprocessors, the traffic of small tiles, and the variant's speed. Derived, not measured.
double estimated_cost(int sm, int multiprocessors, const Row& row, const Conv2dShape& shape);

}  // namespace tsugi
