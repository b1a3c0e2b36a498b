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

  /// Forward rows, then backward data, then backward weight; indices below count through all three.
  std::vector<Row> rows() const;
  bool covers(std::size_t row, const Conv2dShape& shape) const;
  void pin(int row);
  std::size_t row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const;
  /// The same without what was pinned or chosen. Throws Error where no row covers the shape.
  std::size_t default_row(KernelOp op, const Conv2dShape& shape, DType dtype) const;
  /// Rows that compute this call on this device, default_row() first.
  std::vector<std::size_t> candidates(const KernelCall& call) const;
  /// Takes the row of this name for this call; "": default_row() again. Throws Error when it is none of its candidates.
  void choose(const KernelCall& call, const std::string& name);
  const Row& row(std::size_t index) const;

  const Kernel<Conv2dForward>& forward(const Conv2dShape& shape, DType dtype) const;
  const Kernel<Conv2dBackwardData>& backward_data(const Conv2dShape& shape, DType dtype) const;
  const Kernel<Conv2dBackwardWeight>& backward_weight(const Conv2dShape& shape, DType dtype) const;
  /// The largest that any of the three passes takes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const;

 private:
  bool offers(std::size_t index, const KernelCall& call) const;
  std::size_t first_of(KernelOp op) const;
  std::size_t end_of(KernelOp op) const;

  DeviceInfo device_;
  std::vector<Kernel<Conv2dForward>> forward_;
  std::vector<Kernel<Conv2dBackwardData>> backward_data_;
  std::vector<Kernel<Conv2dBackwardWeight>> backward_weight_;
  std::map<KernelCall, std::size_t> chosen_;
  int pinned_ = -1;
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
