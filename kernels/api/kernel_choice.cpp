// Names and the order of calls.
#include "kernels/api/kernel_choice.h"

#include <array>

namespace tsugi {
namespace {

std::array<int, 15> fields(const KernelCall& call) {
  const Conv2dShape& s = call.shape;
  return {{static_cast<int>(call.op), static_cast<int>(call.dtype), call.dense ? 1 : 0, s.n, s.h, s.w, s.c, s.k, s.r,
           s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.groups}};
}

}  // namespace

const char* name_of(KernelOp op) {
  if (op == KernelOp::conv2d_forward) return "conv2d_forward";
  return op == KernelOp::conv2d_backward_data ? "conv2d_backward_data" : "conv2d_backward_weight";
}

bool operator<(const KernelCall& a, const KernelCall& b) { return fields(a) < fields(b); }

std::string describe(const Conv2dShape& s) {
  const auto number = [](int value) { return std::to_string(value); };
  return "[" + number(s.n) + "," + number(s.h) + "," + number(s.w) + "," + number(s.c) + "] with " + number(s.k) +
         " filters of " + number(s.r) + "x" + number(s.s) + ", stride " + number(s.stride_h) + "x" +
         number(s.stride_w) + ", padding " + number(s.pad_h) + "x" + number(s.pad_w) + ", groups " + number(s.groups);
}

std::string describe(const KernelCall& call) {
  return std::string(name_of(call.op)) + " " + name_of(call.dtype) + " of " + describe(call.shape) +
         (call.dense ? " (a dense layer)" : "");
}

}  // namespace tsugi
