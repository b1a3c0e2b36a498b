// Checks of whole op structs: Backend calls validate(op) before any backend sees the op.
// The checks of the shape structs alone are declared beside them.
#pragma once

#include "kernels/api/ops.h"

namespace tsugi {

// Each throws Error, naming the op and both values, when a size is unusable, a required pointer is null or not aligned
// as types.h says, the element type is no type to compute in, a parameter is out of its range, or tensors share memory
// that must not. What lies behind the pointers is not looked at: it may be another device's memory. A count of 0 asks
// for nothing and needs no pointers.

#define TSUGI_VALIDATE(name, Op) void validate(const Op& op);
TSUGI_OPS(TSUGI_VALIDATE)
#undef TSUGI_VALIDATE

}  // namespace tsugi
