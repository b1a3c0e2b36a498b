// The way of a convolution or dense layer to one of its kernels.
#include "kernels/cpu/product_kernels.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/api/error.h"

namespace tsugi {
namespace cpu {
namespace {

std::string name_of(ProductKernel kernel) {
  return kernel == ProductKernel::direct ? "direct" : kernel == ProductKernel::onednn ? "onednn" : "product";
}

bool is_product(const Conv2dShape& s) {
  const std::int64_t pixels = std::int64_t{s.n} * s.h * s.w;
  return pixels <= std::numeric_limits<int>::max() && s.r == 1 && s.s == 1 && s.stride_h == 1 && s.stride_w == 1 &&
         s.pad_h == 0 && s.pad_w == 0 && s.groups == 1;
}

// A row for each pixel.
DenseShape as_dense(const Conv2dShape& s) { return {s.n * s.h * s.w, s.c, s.k}; }
DenseForward as_dense(const Conv2dForward& op) {
  return {as_dense(op.shape), op.dtype, op.x, op.w, op.bias, op.activation, op.y, op.workspace, op.saved};
}
DenseBackwardData as_dense(const Conv2dBackwardData& op) {
  return {as_dense(op.shape), op.dtype, op.d_y, op.w, op.saved, op.activation, op.write, op.d_x, op.workspace};
}
DenseBackwardWeight as_dense(const Conv2dBackwardWeight& op) {
  return {as_dense(op.shape), op.dtype, op.x, op.d_y, op.write, op.d_w, op.d_bias, op.workspace};
}

}  // namespace

std::vector<ProductKernel> ProductKernels::covering(const KernelCall& call) const {
  if (call.dense) return {ProductKernel::product};
  std::vector<ProductKernel> kernels;
  if (direct_.covers(call.shape, call.dtype)) kernels.push_back(ProductKernel::direct);
  kernels.push_back(ProductKernel::onednn);
  if (is_product(call.shape)) kernels.push_back(ProductKernel::product);
  return kernels;
}

std::vector<std::string> ProductKernels::candidates(const KernelCall& call) const {
  std::vector<std::string> names;
  for (const ProductKernel kernel : covering(call)) names.push_back(name_of(kernel));
  return names;
}

void ProductKernels::choose(const KernelCall& call, const std::string& kernel) {
  const std::vector<ProductKernel> kernels = covering(call);
  const auto found =
      std::find_if(kernels.begin(), kernels.end(), [&](ProductKernel one) { return name_of(one) == kernel; });
  if (kernel.empty() || found == kernels.begin()) {
    chosen_.erase(call);
    return;
  }
  if (found == kernels.end())
    throw Error("kernel \"" + kernel + "\": not one of those that compute " + describe(call) + " here");
  chosen_[call] = *found;
}

std::string ProductKernels::chosen(const KernelCall& call) const { return name_of(kernel_of(call)); }

ProductKernel ProductKernels::kernel_of(const KernelCall& call) const {
  if (!chosen_.empty()) {
    const auto found = chosen_.find(call);
    if (found != chosen_.end()) return found->second;
  }
  if (call.dense) return ProductKernel::product;
  return direct_.covers(call.shape, call.dtype) ? ProductKernel::direct : ProductKernel::onednn;
}

std::size_t ProductKernels::workspace_bytes(const Conv2dShape& shape, DType dtype) {
  std::size_t bytes = 0;
  for (const KernelOp pass :
       {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
    const ProductKernel kernel = kernel_of({pass, shape, dtype});
    bytes = std::max(bytes, kernel == ProductKernel::direct   ? direct_.workspace_bytes(shape, dtype)
                            : kernel == ProductKernel::onednn ? onednn_.workspace_bytes(shape, dtype)
                                                              : onednn_.workspace_bytes(as_dense(shape), dtype));
  }
  return bytes;
}

template <typename Op>
void ProductKernels::run(KernelOp pass, const Op& op) {
  switch (kernel_of({pass, op.shape, op.dtype})) {
    case ProductKernel::direct:
      return direct_.run(op);
    case ProductKernel::onednn:
      return onednn_.run(op);
    case ProductKernel::product:
      return onednn_.run(as_dense(op));
  }
}

void ProductKernels::conv2d_forward(const Conv2dForward& op) { run(KernelOp::conv2d_forward, op); }
void ProductKernels::conv2d_backward_data(const Conv2dBackwardData& op) { run(KernelOp::conv2d_backward_data, op); }
void ProductKernels::conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  run(KernelOp::conv2d_backward_weight, op);
}
void ProductKernels::dense_forward(const DenseForward& op) { onednn_.run(op); }
void ProductKernels::dense_backward_data(const DenseBackwardData& op) { onednn_.run(op); }
void ProductKernels::dense_backward_weight(const DenseBackwardWeight& op) { onednn_.run(op); }

}  // namespace cpu
}  // namespace tsugi
