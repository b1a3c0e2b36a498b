// The CPU's kernels of convolutions and dense layers, and which of them a call takes: the default, or what was chosen
// for it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/api/kernel_choice.h"
#include "kernels/cpu/conv2d_direct.h"
#include "kernels/cpu/products_onednn.h"

namespace tsugi {
namespace cpu {

enum class ProductKernel : std::uint8_t {
  direct,  ///< our own convolution (conv2d_direct.h)
  onednn,  ///< oneDNN's convolution
  product  ///< oneDNN's inner product: dense layers, and 1x1 convolutions without stride and padding, a row a pixel
};

class ProductKernels {
 public:
  explicit ProductKernels(int threads) : direct_(threads), onednn_(threads) {}

  /// As of KernelChoice.
  std::vector<std::string> candidates(const KernelCall& call) const;
  void choose(const KernelCall& call, const std::string& kernel);
  std::string chosen(const KernelCall& call) const;

  /// Of all three passes by the kernels that compute them now; bytes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype);
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype) { return onednn_.workspace_bytes(shape, dtype); }
#define TSUGI_OP(name, Op) void name(const Op& op);
  TSUGI_PRODUCT_OPS(TSUGI_OP)
#undef TSUGI_OP
  std::size_t cached_primitives() const { return direct_.cached_blockings() + onednn_.cached_primitives(); }

 private:
  std::vector<ProductKernel> covering(const KernelCall& call) const;
  ProductKernel kernel_of(const KernelCall& call) const;
  template <typename Op>
  void run(KernelOp pass, const Op& op);

  Conv2dDirect direct_;
  OnednnProducts onednn_;
  std::map<KernelCall, ProductKernel> chosen_;
};

}  // namespace cpu
}  // namespace tsugi
