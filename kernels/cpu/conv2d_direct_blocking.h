// What the passes of the direct convolution share: how a pass reads its input ("gathers") and how weights are packed.
// Included by conv2d_direct*.cpp only.
#pragma once

#include "kernels/cpu/tile_kernel.h"

#if TSUGI_HAVE_TILE_KERNEL
#include <vector>

#include "kernels/api/conv2d.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/padded_rows.h"

namespace tsugi {
namespace cpu {

/// Rows of a padded buffer are read in blocks of at most this many bytes, so that weights find room in L2 beside them.
constexpr std::size_t kBufferBytes = 160 * 1024;

inline std::size_t round_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }

/// Fetches memory that will be read next into L2, a little at a time while other work is done: the copy into a buffer
/// would otherwise wait for memory, and the arithmetic units with it.
class Prefetcher {
 public:
  /// [begin, end) in about `calls` calls of advance().
  Prefetcher(const char* begin, const char* end, std::size_t calls)
      : at_(begin), end_(end), step_(round_up(static_cast<std::size_t>(end - begin) / calls + 1, 64)) {}

  void advance() {
    const char* stop = static_cast<std::size_t>(end_ - at_) < step_ ? end_ : at_ + step_;
    for (; at_ < stop; at_ += 64) __builtin_prefetch(at_, 0, 2);
    if (at_ > end_) at_ = end_;
  }

 private:
  const char* at_;
  const char* end_;
  std::size_t step_;
};

/// One position of the filter: relative to the output pixel's input pixel, and where its weights lie.
struct Tap {
  int row, column;        ///< input row = output row * stride + row
  std::ptrdiff_t weight;  ///< element offset into K,R,S,C
};

/// Part of a pass whose output pixels all see the same taps. A forward pass is one phase; a backward-data pass with
/// stride > 1 has one for each residue of the row and of the column.
struct Phase {
  int rows = 0, columns = 0;            ///< output pixels
  int first_row = 0, first_column = 0;  ///< of the output
  std::vector<Tap> taps;
  int top = 0, rows_read = 1;  ///< an output row reads `rows_read` input rows from row * stride + top on
  int block_rows = 1;          ///< output rows that share one buffer
  int blocks = 0;
  PaddedRows input;
  std::vector<Segment> segments;
  int flat_channels = 0;          ///< channels of all columns of a filter row, when flat
  int steps = 0;                  ///< of the whole reduction
  std::size_t packed_offset = 0;  ///< of its packed weights, bytes
};

/// A whole pass: out[n, row, column, o] = sum over taps and reduction channels of in * weight.
struct Gather {
  int n = 0, in_h = 0, in_w = 0, in_c = 0, out_h = 0, out_w = 0, out_c = 0;
  int stride = 1;  ///< of input pixels, for one output pixel
  int stride_w = 1;
  int out_step_h = 1, out_step_w = 1;            ///< between the output pixels of a phase
  std::ptrdiff_t out_weight = 0, in_weight = 0;  ///< weight elements from one output (input) channel to the next
  DType dtype = DType::f32;
  bool flat = false;
  std::vector<Phase> phases;
  std::size_t packed_bytes = 0, buffer_bytes = 0;
  int blocks = 0;  ///< of all phases, an image

  int panels() const { return (out_c + 2 * kLanes - 1) / (2 * kLanes); }
  /// Vectors of panel `panel`: the last may need one only.
  int vectors(int panel) const { return out_c - panel * 2 * kLanes > kLanes ? 2 : 1; }
  /// Reduction channels of one element.
  int channels_per_element() const { return dtype == DType::bf16 ? 2 : 1; }
};

/// Fills the rest of `gather` from its sizes and its phases' rows, columns and taps.
void lay_out_gather(Gather& gather);

/// Packs weights for `gather`: [phase][panel][step][vectors * 16] elements, zero beyond the last channel.
void pack_weights(const Gather& gather, const void* weights, char* packed, int threads);

Gather forward_gather(const Conv2dShape& shape, DType dtype);
Gather backward_data_gather(const Conv2dShape& shape, DType dtype);

}  // namespace cpu
}  // namespace tsugi
#endif
