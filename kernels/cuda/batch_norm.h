// What the forward and the backward op of batch norm share on the host: how rows are cut into blocks, and the
// workspace.
#pragma once

#include "kernels/api/batch_norm.h"
#include "kernels/cuda/device/reduce.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Rows of a block: 16384 elements of a slab of 128 channels, more where that gave over 512 blocks. The same for every
/// element type and device, so that sums are too.
struct BatchNormBlocks {
  explicit BatchNormBlocks(const BatchNormShape& shape) {
    const int slab = shape.c < 128 ? shape.c : 128, slabs = (shape.c + 127) / 128;
    const int most = slabs < 512 ? 512 / slabs : 1;
    rows = (16384 + slab - 1) / slab;
    const int least = (shape.rows - 1) / most + 1;
    if (rows < least) rows = least;
    count = (shape.rows - 1) / rows + 1;
  }
  int rows, count;
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

inline dim3 merge_grid(int c) { return dim3(static_cast<unsigned>((c + kMergeChannels - 1) / kMergeChannels)); }

/// Runs `vector` where every tensor and the channel count allow 16-byte accesses, otherwise `scalar`.
template <typename Op>
void pick(Runtime& runtime, const Op& op, bool is_aligned, int width, void (*vector)(Runtime&, const Op&),
          void (*scalar)(Runtime&, const Op&)) {
  (is_aligned && op.shape.c % width == 0 ? vector : scalar)(runtime, op);
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
