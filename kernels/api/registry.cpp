// Names of registry rows.
#include "kernels/api/registry.h"

namespace tsugi {

const char* name_of(KernelOp op) {
  if (op == KernelOp::conv2d_forward) return "conv2d_forward";
  return op == KernelOp::conv2d_backward_data ? "conv2d_backward_data" : "conv2d_backward_weight";
}

std::string describe(const Conv2dShape& s) {
  const auto number = [](int value) { return std::to_string(value); };
  return "[" + number(s.n) + "," + number(s.h) + "," + number(s.w) + "," + number(s.c) + "] with " + number(s.k) +
         " filters of " + number(s.r) + "x" + number(s.s) + ", stride " + number(s.stride_h) + "x" +
         number(s.stride_w) + ", padding " + number(s.pad_h) + "x" + number(s.pad_w) + ", groups " + number(s.groups);
}

std::string name_of(const Row& row) {
  const auto number = [](int value) { return std::to_string(value); };
  return std::string(name_of(row.op)) + " " + row.variant + " " + name_of(row.dtype) + " " + number(row.tile.m) + "x" +
         number(row.tile.n) + "x" + number(row.tile.k) + " " + number(row.tile.thread_m) + "x" +
         number(row.tile.thread_n);
}

}  // namespace tsugi
