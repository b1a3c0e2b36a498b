// The registry joined from the algorithms' lists, and the choice of a row.
#include "kernels/cuda/dispatch.h"

#include "kernels/tuning/tuning.h"

namespace tsugi {
namespace TSUGI_GPU {

Dispatch::Dispatch(const DeviceInfo& device) : device_(device) {
#define TSUGI_ALGORITHM(algorithm) \
  for (const Kernel& kernel : algorithm()) kernels_.push_back(kernel);
  TSUGI_CONV2D_ALGORITHMS(TSUGI_ALGORITHM)
#undef TSUGI_ALGORITHM
}

void Dispatch::pin(int index) {
  if (index >= 0) {
    const KernelRow& row = kernels_.at(static_cast<std::size_t>(index)).row;
    if (row.min_sm > device_.sm)
      throw Error("registry row " + name_of(row) + ": needs sm_" + std::to_string(row.min_sm) + ", the device is sm_" +
                  std::to_string(device_.sm));
  }
  pinned_ = index;
}

std::size_t Dispatch::row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const {
  if (pinned_ >= 0) {
    const auto index = static_cast<std::size_t>(pinned_);
    const Kernel& kernel = kernels_[index];
    if (kernel.row.op == op && kernel.row.dtype == dtype) {
      if (kernel.covers(shape)) return index;
      throw Error("registry row " + name_of(kernel.row) + ": pinned, but does not cover " + describe(shape));
    }
  }
  const auto chosen = chosen_.find(KernelCall{op, shape, dtype, false});
  return chosen != chosen_.end() ? chosen->second : default_row(op, shape, dtype);
}

bool Dispatch::offers(const Kernel& kernel, const KernelCall& call) const {
  const KernelRow& row = kernel.row;
  return row.op == call.op && row.dtype == call.dtype && row.min_sm <= device_.sm && row.max_sm >= device_.sm &&
         kernel.covers(call.shape);
}

std::size_t Dispatch::default_row(KernelOp op, const Conv2dShape& shape, DType dtype) const {
  std::size_t best = kernels_.size();
  double best_cost = 0.0;
  const std::string tuned = tuned_row(device_.sm, op, shape, dtype);
  for (std::size_t index = 0; index < kernels_.size(); ++index) {
    const KernelRow& row = kernels_[index].row;
    if (!offers(kernels_[index], {op, shape, dtype, false})) continue;
    if (!tuned.empty() && name_of(row) == tuned) return index;
    const double cost = estimated_cost(device_.sm, device_.multiprocessors, row, shape);
    if (best != kernels_.size() && cost >= best_cost) continue;
    best = index;
    best_cost = cost;
  }
  if (best == kernels_.size())
    throw Error(std::string(name_of(op)) + ": no kernel of type " + name_of(dtype) + " covers " + describe(shape));
  return best;
}

std::vector<std::size_t> Dispatch::candidates(const KernelCall& call) const {
  std::vector<std::size_t> rows = {default_row(call.op, call.shape, call.dtype)};
  for (std::size_t index = 0; index < kernels_.size(); ++index)
    if (index != rows.front() && offers(kernels_[index], call)) rows.push_back(index);
  return rows;
}

void Dispatch::choose(const KernelCall& call, const std::string& name) {
  const KernelCall key{call.op, call.shape, call.dtype, false};
  if (name.empty()) {
    chosen_.erase(key);
    return;
  }
  for (const std::size_t index : candidates(call)) {
    if (name_of(kernels_[index].row) != name) continue;
    chosen_[key] = index;
    return;
  }
  throw Error("kernel \"" + name + "\": not one of those that compute " + describe(call) + " here");
}

std::size_t Dispatch::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  std::size_t largest = 0;
  for (const KernelOp op :
       {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
    const std::size_t bytes = kernels_[row_for(op, shape, dtype)].workspace(shape, device_);
    largest = bytes > largest ? bytes : largest;
  }
  return largest;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
