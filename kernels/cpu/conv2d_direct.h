// Convolution by the project's own AVX-512 kernels: no layout of its own, NHWC in and out. A few rows of one image are
// copied, padded, into a buffer that fits L2, in blocks of 64 bytes of channels; tiles of output pixels x 32 output
// channels are then summed in registers over filter positions and channels, and leave through the op's epilogue.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/api/conv2d.h"

namespace tsugi {
namespace cpu {

class Conv2dDirect {
 public:
  explicit Conv2dDirect(int threads);
  ~Conv2dDirect();

  /// Whether this build and machine have the kernels, and they cover the shape: no groups, f32, or bf16 where the
  /// processor has dot products of bfloat16 and no matrix tiles (there, oneDNN is faster).
  bool covers(const Conv2dShape& shape, DType dtype) const;

  /// Of all three passes; bytes.
  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype);
  void run(const Conv2dForward& op);
  void run(const Conv2dBackwardData& op);
  void run(const Conv2dBackwardWeight& op);
  std::size_t cached_blockings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cpu
}  // namespace tsugi
