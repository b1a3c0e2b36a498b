// How far a convolution's or a dense layer's result may be off by arithmetic: it depends on the kernel that computed
// it.
#pragma once

#include "kernels/api/registry.h"

namespace tsugi {
namespace test {

/// Error of the arithmetic of a row, relative to the sum of the absolute terms.
double arithmetic_error(const KernelRow& row, const Conv2dShape& shape);

/// The same of the row that `backend` takes for a call; of float32 sums where it has no rows to choose from.
double arithmetic_error(const Backend& backend, KernelOp op, const Conv2dShape& shape, DType dtype);

}  // namespace test
}  // namespace tsugi
