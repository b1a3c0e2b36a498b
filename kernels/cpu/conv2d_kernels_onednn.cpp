// The way of a convolution to one of its kernels.
#include "kernels/cpu/conv2d_kernels.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/api/error.h"

namespace tsugi {
namespace cpu {
namespace {

std::string name_of(Conv2dKernel kernel) {
  return kernel == Conv2dKernel::direct ? "direct" : kernel == Conv2dKernel::onednn ? "onednn" : "product";
}

bool is_product(const Conv2dShape& s) {
  const std::int64_t pixels = std::int64_t{s.n} * s.h * s.w;
  return pixels <= std::numeric_limits<int>::max() && s.r == 1 && s.s == 1 && s.stride_h == 1 && s.stride_w == 1 &&
         s.pad_h == 0 && s.pad_w == 0 && s.groups == 1;
}

/// A row for each pixel.
DenseShape as_dense(const Conv2dShape& s) { return {s.n * s.h * s.w, s.c, s.k}; }

}  // namespace

std::vector<Conv2dKernel> Conv2dKernels::covering(const KernelCall& call) const {
  std::vector<Conv2dKernel> kernels;
  if (direct_.covers(call.shape, call.dtype)) kernels.push_back(Conv2dKernel::direct);
  kernels.push_back(Conv2dKernel::onednn);
  if (is_product(call.shape)) kernels.push_back(Conv2dKernel::product);
  return kernels;
}

std::vector<std::string> Conv2dKernels::candidates(const KernelCall& call) const {
  std::vector<std::string> names;
  for (const Conv2dKernel kernel : covering(call)) names.push_back(name_of(kernel));
  return names;
}

void Conv2dKernels::choose(const KernelCall& call, const std::string& kernel) {
  const std::vector<Conv2dKernel> kernels = covering(call);
  const auto found =
      std::find_if(kernels.begin(), kernels.end(), [&](Conv2dKernel one) { return name_of(one) == kernel; });
  if (kernel.empty() || found == kernels.begin()) {
    chosen_.erase(call);
    return;
  }
  if (found == kernels.end())
    throw Error("kernel \"" + kernel + "\": not one of those that compute " + describe(call) + " here");
  chosen_[call] = *found;
}

std::string Conv2dKernels::chosen(const KernelCall& call) const {
  return name_of(kernel_of(call.op, call.shape, call.dtype));
}

Conv2dKernel Conv2dKernels::kernel_of(KernelOp op, const Conv2dShape& shape, DType dtype) const {
  if (!chosen_.empty()) {
    const auto found = chosen_.find(KernelCall{op, shape, dtype, false});
    if (found != chosen_.end()) return found->second;
  }
  return direct_.covers(shape, dtype) ? Conv2dKernel::direct : Conv2dKernel::onednn;
}

std::size_t Conv2dKernels::workspace_bytes(const Conv2dShape& shape, DType dtype) {
  std::size_t bytes = 0;
  for (const KernelOp op :
       {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
    switch (kernel_of(op, shape, dtype)) {
      case Conv2dKernel::direct:
        bytes = std::max(bytes, direct_.workspace_bytes(shape, dtype));
        break;
      case Conv2dKernel::onednn:
        bytes = std::max(bytes, onednn_.workspace_bytes(shape, dtype));
        break;
      case Conv2dKernel::product:
        bytes = std::max(bytes, dense_.workspace_bytes(as_dense(shape), dtype));
        break;
    }
  }
  return bytes;
}

void Conv2dKernels::forward(const Conv2dForward& op) {
  switch (kernel_of(KernelOp::conv2d_forward, op.shape, op.dtype)) {
    case Conv2dKernel::direct:
      return direct_.forward(op);
    case Conv2dKernel::onednn:
      return onednn_.forward(op, threads_);
    case Conv2dKernel::product:
      return dense_.forward(
          {as_dense(op.shape), op.dtype, op.x, op.w, op.bias, op.activation, op.y, op.workspace, op.saved}, threads_);
  }
}

void Conv2dKernels::backward_data(const Conv2dBackwardData& op) {
  switch (kernel_of(KernelOp::conv2d_backward_data, op.shape, op.dtype)) {
    case Conv2dKernel::direct:
      return direct_.backward_data(op);
    case Conv2dKernel::onednn:
      return onednn_.backward_data(op, threads_);
    case Conv2dKernel::product:
      return dense_.backward_data(
          {as_dense(op.shape), op.dtype, op.d_y, op.w, op.saved, op.activation, op.write, op.d_x, op.workspace},
          threads_);
  }
}

void Conv2dKernels::backward_weight(const Conv2dBackwardWeight& op) {
  switch (kernel_of(KernelOp::conv2d_backward_weight, op.shape, op.dtype)) {
    case Conv2dKernel::direct:
      return direct_.backward_weight(op);
    case Conv2dKernel::onednn:
      return onednn_.backward_weight(op);
    case Conv2dKernel::product:
      return dense_.backward_weight(
          {as_dense(op.shape), op.dtype, op.x, op.d_y, op.write, op.d_w, op.d_bias, op.workspace}, threads_);
  }
}

}  // namespace cpu
}  // namespace tsugi
