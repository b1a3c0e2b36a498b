// What the forward and the backward op of batch norm share on the host: how rows are cut into blocks, and the
// workspace.
#pragma once

#include "kernels/api/batch_norm.h"
#include "kernels/cuda/device/reduce.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

/// How rows are cut into blocks for the sums: 16384 elements of a slab of 128 channels, more where that gave over 512
/// blocks; the same on every device, so that the bits are too. And for the passes that go over elements: a quarter of
/// that, up to 1024 blocks.
struct BatchNormBlocks {
  explicit BatchNormBlocks(const BatchNormShape& shape) {
    const int slab = shape.c < 128 ? shape.c : 128, slabs = (shape.c + 127) / 128;
    rows = at_least(shape, (16384 + slab - 1) / slab, 512 / slabs);
    count = (shape.rows - 1) / rows + 1;
    pass_rows = at_least(shape, (4096 + slab - 1) / slab, 1024 / slabs);
    pass_count = (shape.rows - 1) / pass_rows + 1;
  }
  int rows, count;            ///< of the sums
  int pass_rows, pass_count;  ///< of the passes

 private:
  /// `rows` of a block, or what it takes for at most `most` blocks.
  static int at_least(const BatchNormShape& shape, int rows, int most) {
    const int least = (shape.rows - 1) / (most > 0 ? most : 1) + 1;
    return rows < least ? least : rows;
  }
};

/// Two values a block and channel, then two coefficients a channel.
struct BatchNormScratch {
  BatchNormScratch(void* workspace, const BatchNormShape& shape, const BatchNormBlocks& blocks) {
    const std::size_t partial = static_cast<std::size_t>(blocks.count) * shape.c;
    first = static_cast<float*>(workspace);
    second = first + partial;
    coefficient0 = second + partial;
    coefficient1 = coefficient0 + shape.c;
  }
  float *first, *second, *coefficient0, *coefficient1;
};

/// Runs `vector` where every tensor and the channel count allow 16-byte accesses, otherwise `scalar`.
template <typename Op, typename Act>
void pick(Runtime& runtime, const Op& op, const Act& act, bool is_aligned, int width,
          void (*vector)(Runtime&, const Op&, const Act&), void (*scalar)(Runtime&, const Op&, const Act&)) {
  (is_aligned && op.shape.c % width == 0 ? vector : scalar)(runtime, op, act);
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
