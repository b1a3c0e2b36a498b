// The direct convolution's backward-weight pass. Included by conv2d_direct*.cpp only.
#pragma once

#include "kernels/cpu/conv2d_direct_blocking.h"

#if TSUGI_HAVE_TILE_KERNEL
namespace tsugi {
namespace cpu {

/// Each thread sums d_w over its share of the blocks (a few output rows of one image) into sums of its own,
/// [group][channel block][channel][filters], and d_bias likewise; the threads' sums are added in order at the end.
/// A group is a filter position (or, flat, a filter row: then a "channel" is one of the row's columns x channels).
struct DirectWeightBlocking {
  Conv2dShape shape;
  DType dtype = DType::f32;
  int threads = 1;
  bool flat = false;
  PaddedRows input;
  int groups = 0, channel_blocks = 0;
  int block_width = 0;             ///< channels of a block
  int filters = 0;                 ///< k, rounded up to whole vectors
  int block_rows = 1, blocks = 1;  ///< output rows whose x is copied together, blocks of an image
  int part_rows = 1;               ///< output rows summed together: their d_y stays in L1
  int steps = 0;                   ///< reduction steps of an output row: columns, or pairs of them
  int x_copies = 1, x_steps = 0;   ///< bf16: copies of a row, shifted by a column each, and the pairs of each
  std::ptrdiff_t x_copy = 0;       ///< bytes from one shifted copy of a row to the next
  std::ptrdiff_t x_block = 0, x_step = 0, x_row = 0;  ///< bytes: channel block, reduction step, input row
  std::ptrdiff_t d_y_step = 0, d_y_row = 0;           ///< bytes
  bool copy_d_y = false;                              ///< d_y cannot be read in place

  /// Bytes from filter position (0, 0) to that of `group`, in x.
  std::ptrdiff_t x_group(int group) const;
  std::size_t sums_count() const;    ///< floats of d_w, one thread
  std::size_t padded_bytes() const;  ///< f32: the padded rows; bf16: one of them, before pairs are made
  std::size_t x_bytes() const;       ///< bf16: rows of pairs
  std::size_t d_y_bytes() const;
  std::size_t thread_bytes() const;  ///< of all of these
  std::size_t workspace_bytes() const { return static_cast<std::size_t>(threads) * thread_bytes(); }
};

DirectWeightBlocking backward_weight_blocking(const Conv2dShape& shape, DType dtype, int threads);
void run_backward_weight(const DirectWeightBlocking& blocking, const Conv2dBackwardWeight& op);

}  // namespace cpu
}  // namespace tsugi
#endif
