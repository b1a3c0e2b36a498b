// What is known of each architecture for the choice of a kernel: rows tuned for a shape, and a cost estimate for the
// rest. The tables are sm_53.inc and sm_75.inc: TSUGI_TUNED rows, measured on boards, and the speeds that
// tests/machine_code --update writes.
#pragma once

#include <string>

#include "kernels/api/registry.h"

namespace tsugi {

/// The name of the row that was measured to be the fastest for exactly this shape; empty where none was.
std::string tuned_row(int sm, KernelOp op, const Conv2dShape& shape, DType dtype);

/// Estimated time of a call, in multiply-adds of one multiprocessor at its peak: the work with its tile padding at the
/// row's share of peak, the loads of its tile, the last wave's idle multiprocessors. Derived, not measured.
double estimated_cost(int sm, int multiprocessors, const KernelRow& row, const Conv2dShape& shape);

}  // namespace tsugi
