// The registry joined from the variants' lists, and the choice of a row.
#include "kernels/cuda/dispatch.h"

#include "kernels/tuning/tuning.h"

namespace tsugi {
namespace TSUGI_GPU {
namespace {

template <typename T>
void append(std::vector<T>& all, const std::vector<T>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

Dispatch::Dispatch(const DeviceInfo& device) : device_(device) {
  append(forward_, conv2d_forward_gemm());
  append(forward_, conv2d_forward_direct());
  append(forward_, conv2d_forward_depthwise());
  append(forward_, conv2d_forward_winograd());
  append(forward_, conv2d_forward_mma());
  append(forward_, conv2d_forward_half2());
  append(backward_data_, conv2d_backward_data_gemm());
  append(backward_data_, conv2d_backward_data_depthwise());
  append(backward_data_, conv2d_backward_data_winograd());
  append(backward_data_, conv2d_backward_data_mma());
  append(backward_data_, conv2d_backward_data_half2());
  append(backward_weight_, conv2d_backward_weight_gemm());
  append(backward_weight_, conv2d_backward_weight_direct());
  append(backward_weight_, conv2d_backward_weight_depthwise());
  append(backward_weight_, conv2d_backward_weight_mma());
  append(backward_weight_, conv2d_backward_weight_half2());
}

std::vector<Row> Dispatch::rows() const {
  std::vector<Row> all;
  for (const auto& kernel : forward_) all.push_back(kernel.row);
  for (const auto& kernel : backward_data_) all.push_back(kernel.row);
  for (const auto& kernel : backward_weight_) all.push_back(kernel.row);
  return all;
}

std::size_t Dispatch::first_of(KernelOp op) const {
  if (op == KernelOp::conv2d_forward) return 0;
  return op == KernelOp::conv2d_backward_data ? forward_.size() : forward_.size() + backward_data_.size();
}

std::size_t Dispatch::end_of(KernelOp op) const {
  if (op == KernelOp::conv2d_forward) return forward_.size();
  return first_of(KernelOp::conv2d_backward_weight) +
         (op == KernelOp::conv2d_backward_data ? 0 : backward_weight_.size());
}

const Row& Dispatch::row(std::size_t index) const {
  if (index < forward_.size()) return forward_[index].row;
  index -= forward_.size();
  return index < backward_data_.size() ? backward_data_[index].row
                                       : backward_weight_.at(index - backward_data_.size()).row;
}

bool Dispatch::covers(std::size_t index, const Conv2dShape& shape) const {
  if (index < forward_.size()) return forward_[index].covers(shape);
  index -= forward_.size();
  if (index < backward_data_.size()) return backward_data_[index].covers(shape);
  return backward_weight_.at(index - backward_data_.size()).covers(shape);
}

void Dispatch::pin(int index) {
  if (index >= 0 && row(static_cast<std::size_t>(index)).min_sm > device_.sm)
    throw Error("registry row " + name_of(row(static_cast<std::size_t>(index))) + ": needs sm_" +
                std::to_string(row(static_cast<std::size_t>(index)).min_sm) + ", the device is sm_" +
                std::to_string(device_.sm));
  pinned_ = index;
}

std::size_t Dispatch::row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const {
  if (pinned_ >= 0) {
    const auto index = static_cast<std::size_t>(pinned_);
    if (row(index).op == op && row(index).dtype == dtype) {
      if (covers(index, shape)) return index;
      throw Error("registry row " + name_of(row(index)) + ": pinned, but does not cover " + describe(shape));
    }
  }
  const auto chosen = chosen_.find(KernelCall{op, shape, dtype, false});
  return chosen != chosen_.end() ? chosen->second : default_row(op, shape, dtype);
}

bool Dispatch::offers(std::size_t index, const KernelCall& call) const {
  const Row& candidate = row(index);
  return candidate.dtype == call.dtype && candidate.min_sm <= device_.sm && candidate.max_sm >= device_.sm &&
         covers(index, call.shape);
}

std::size_t Dispatch::default_row(KernelOp op, const Conv2dShape& shape, DType dtype) const {
  std::size_t best = end_of(op);
  double best_cost = 0.0;
  const std::string tuned = tuned_row(device_.sm, op, shape, dtype);
  for (std::size_t index = first_of(op); index < end_of(op); ++index) {
    const Row& candidate = row(index);
    if (!offers(index, {op, shape, dtype, false})) continue;
    if (!tuned.empty() && name_of(candidate) == tuned) return index;
    const double cost = estimated_cost(device_.sm, device_.multiprocessors, candidate, shape);
    if (best != end_of(op) && cost >= best_cost) continue;
    best = index;
    best_cost = cost;
  }
  if (best == end_of(op))
    throw Error(std::string(name_of(op)) + ": no kernel of type " + name_of(dtype) + " covers " + describe(shape));
  return best;
}

std::vector<std::size_t> Dispatch::candidates(const KernelCall& call) const {
  std::vector<std::size_t> rows = {default_row(call.op, call.shape, call.dtype)};
  for (std::size_t index = first_of(call.op); index < end_of(call.op); ++index)
    if (index != rows.front() && offers(index, call)) rows.push_back(index);
  return rows;
}

void Dispatch::choose(const KernelCall& call, const std::string& name) {
  const KernelCall key{call.op, call.shape, call.dtype, false};
  if (name.empty()) {
    chosen_.erase(key);
    return;
  }
  for (const std::size_t index : candidates(call)) {
    if (name_of(row(index)) != name) continue;
    chosen_[key] = index;
    return;
  }
  throw Error("kernel \"" + name + "\": not one of those that compute " + describe(call) + " here");
}

const Kernel<Conv2dForward>& Dispatch::forward(const Conv2dShape& shape, DType dtype) const {
  return forward_[row_for(KernelOp::conv2d_forward, shape, dtype)];
}

const Kernel<Conv2dBackwardData>& Dispatch::backward_data(const Conv2dShape& shape, DType dtype) const {
  return backward_data_[row_for(KernelOp::conv2d_backward_data, shape, dtype) -
                        first_of(KernelOp::conv2d_backward_data)];
}

const Kernel<Conv2dBackwardWeight>& Dispatch::backward_weight(const Conv2dShape& shape, DType dtype) const {
  return backward_weight_[row_for(KernelOp::conv2d_backward_weight, shape, dtype) -
                          first_of(KernelOp::conv2d_backward_weight)];
}

std::size_t Dispatch::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  const std::size_t passes[] = {forward(shape, dtype).workspace_bytes(shape, device_),
                                backward_data(shape, dtype).workspace_bytes(shape, device_),
                                backward_weight(shape, dtype).workspace_bytes(shape, device_)};
  std::size_t largest = 0;
  for (const std::size_t bytes : passes) largest = bytes > largest ? bytes : largest;
  return largest;
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
