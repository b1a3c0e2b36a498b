// Picks the registry row of a convolution: the pinned one, else the one that was chosen for exactly this shape here,
// else the one that the tables have for it, else the row of the lowest estimated cost for this architecture
// (kernels/tuning).
#pragma once

#include <map>
#include <vector>

#include "kernels/cuda/kernel.h"

namespace tsugi {
namespace TSUGI_GPU {

class Dispatch {
 public:
  explicit Dispatch(const DeviceInfo& device);

  /// Every row of every algorithm; the indices below.
  const std::vector<Kernel>& kernels() const { return kernels_; }
  void pin(int row);
  std::size_t row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const;
  /// The same without what was pinned or chosen. Throws Error where no row covers the shape.
  std::size_t default_row(KernelOp op, const Conv2dShape& shape, DType dtype) const;
  /// Rows that compute this call on this device, default_row() first.
  std::vector<std::size_t> candidates(const KernelCall& call) const;
  /// Takes the row of this name for this call; "": default_row() again. Throws Error when it is none of its candidates.
  void choose(const KernelCall& call, const std::string& name);
  /// Of row_for() the op.
  template <typename Op>
  const Kernel& kernel_for(const Op& op) const {
    return kernels_[row_for(op_of(&op), op.shape, op.dtype)];
  }
  /// The largest that any of the three passes takes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const;

 private:
  bool offers(const Kernel& kernel, const KernelCall& call) const;

  DeviceInfo device_;
  std::vector<Kernel> kernels_;
  std::map<KernelCall, std::size_t> chosen_;
  int pinned_ = -1;
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
