// The convolution kernels of the CPU, and which of them a call takes: the default, or what was chosen for it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/api/kernel_choice.h"
#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/conv2d_direct.h"
#include "kernels/cpu/dense.h"

namespace tsugi {
namespace cpu {

enum class Conv2dKernel : std::uint8_t {
  direct,  ///< our own (conv2d_direct.h)
  onednn,  ///< oneDNN's convolution
  product  ///< oneDNN's inner product: a 1x1 convolution without stride and padding is a dense layer of all pixels
};

class Conv2dKernels {
 public:
  /// `dense` also serves dense layers and must outlive this.
  Conv2dKernels(int threads, DenseOnednn& dense) : threads_(threads), direct_(threads), dense_(dense) {}

  /// As of KernelChoice, for calls that are no dense layers.
  std::vector<std::string> candidates(const KernelCall& call) const;
  void choose(const KernelCall& call, const std::string& kernel);
  std::string chosen(const KernelCall& call) const;

  /// Of all three passes by the kernels that compute them now; bytes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype);
  void forward(const Conv2dForward& op);
  void backward_data(const Conv2dBackwardData& op);
  void backward_weight(const Conv2dBackwardWeight& op);
  std::size_t cached_primitives() const { return direct_.cached_plans() + onednn_.cached_primitives(); }

 private:
  std::vector<Conv2dKernel> covering(const KernelCall& call) const;
  Conv2dKernel kernel_of(KernelOp op, const Conv2dShape& shape, DType dtype) const;

  int threads_;
  Conv2dDirect direct_;
  Conv2dOnednn onednn_;
  DenseOnednn& dense_;
  std::map<KernelCall, Conv2dKernel> chosen_;
};

}  // namespace cpu
}  // namespace tsugi
