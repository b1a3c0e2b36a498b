// Which kernel computes a call, where a backend has several that can: what the tuner measures and what a tuning file
// sets.
#pragma once

#include <string>
#include <vector>

#include "kernels/api/conv2d.h"
#include "kernels/api/types.h"

namespace tsugi {

/// The ops that have a choice of kernels. A dense layer is a 1x1 convolution of [n,1,1,in] with `out` filters.
enum class KernelOp : std::uint8_t { conv2d_forward, conv2d_backward_data, conv2d_backward_weight };

/// "conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight".
const char* name_of(KernelOp op);

/// A call, as far as the choice of its kernel may depend on it: not on its bias, activation or write mode.
struct KernelCall {
  KernelOp op = KernelOp::conv2d_forward;
  Conv2dShape shape;
  DType dtype = DType::f32;
  bool dense = false;  ///< of a dense layer; a GPU's rows do not tell the difference, the CPU's kernels do
};

/// An order for maps.
bool operator<(const KernelCall& a, const KernelCall& b);
inline bool operator==(const KernelCall& a, const KernelCall& b) { return !(a < b) && !(b < a); }

/// "[8,64,64,3] with 32 filters of 3x3, stride 1x1, padding 1x1, groups 1": a convolution in messages.
std::string describe(const Conv2dShape& shape);

/// "conv2d_forward f32 of [8,64,64,3] with 32 filters of 3x3, ...": a call in messages.
std::string describe(const KernelCall& call);

/// The choice itself. A backend that has one gives it by Backend::kernel_choice(). Same choices, same bits: another
/// kernel may add in another order, so that results differ by rounding.
class KernelChoice {
 public:
  virtual ~KernelChoice() = default;

  // -- what times depend on beside the call: measurements hold where all three are the same --------------------------
  virtual std::string device()
      const = 0;  ///< "AMD EPYC 9655, 2 threads, AVX-512"; "NVIDIA Tegra X1, sm_53, 1 multiprocessor"
  virtual std::string driver() const = 0;   ///< versions of what the kernels run on or call: "oneDNN 2.6.3"
  virtual std::string kernels() const = 0;  ///< digest of the kernels' sources and of how they were compiled

  /// Names of the kernels that compute this call here, the one that is taken when nobody chooses first. Throws Error on
  /// sizes that no convolution has, and where no kernel covers them.
  virtual std::vector<std::string> candidates(const KernelCall& call) const = 0;
  /// Takes `kernel` for this call from now on; "": the first candidate again. Plans made with workspace_bytes() before
  /// do not hold afterwards. Throws Error when it is none of the candidates.
  virtual void choose(const KernelCall& call, const std::string& kernel) = 0;
  /// The kernel that computes this call now.
  virtual std::string chosen(const KernelCall& call) const = 0;
};

}  // namespace tsugi
