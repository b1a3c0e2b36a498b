// Backward-weight of the direct convolution: tiles of input channels x filters, summed over pixels. With bfloat16 a
// reduction step is a pair of neighbouring output columns, so pairs are interleaved first.
#include "kernels/cpu/conv2d_direct_weight.h"

#if TSUGI_HAVE_TILE_KERNEL
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr int kPartSteps = 128;  ///< reduction steps of a part: d_y's panel and x's channel block stay in L1

using Rows = std::make_integer_sequence<int, kMaxRows>;

ChannelTileFunction channel_tile_function(DType dtype, int rows, int vectors) {
  const std::size_t i = static_cast<std::size_t>(rows - 1);
#if defined(__AVX512BF16__)
  static constexpr auto kOneBf16 = channel_tiles<MathBf16, 1>(Rows()), kTwoBf16 = channel_tiles<MathBf16, 2>(Rows());
  if (dtype == DType::bf16) return vectors == 1 ? kOneBf16[i] : kTwoBf16[i];
#endif
  if (dtype != DType::f32) throw Error(std::string("conv2d: the direct kernels have no ") + name_of(dtype));
  static constexpr auto kOne = channel_tiles<MathF32, 1>(Rows()), kTwo = channel_tiles<MathF32, 2>(Rows());
  return vectors == 1 ? kOne[i] : kTwo[i];
}

/// The pieces of one thread's workspace.
struct Scratch {
  Scratch(const DirectWeightBlocking& blocking, void* workspace, int part) {
    char* at = static_cast<char*>(workspace) + static_cast<std::size_t>(part) * blocking.thread_bytes();
    sums = reinterpret_cast<float*>(at);
    at += round_up(blocking.sums_count() * sizeof(float), 64);
    bias = reinterpret_cast<double*>(at);
    at += round_up(static_cast<std::size_t>(blocking.filters) * sizeof(double), 64);
    padded = at;
    x = blocking.dtype == DType::bf16 ? padded + blocking.padded_bytes() : padded;
    d_y = padded + blocking.padded_bytes() + blocking.x_bytes();
  }
  float* sums;
  double* bias;
  char* padded;
  char* x;
  char* d_y;
};

/// What a pair's second pixel is beyond the last column.
alignas(64) const char kZeros[64 + 64] = {};

/// pairs[i] = (first[i], second[i])
void interleave(const char* first, const char* second, char* pairs, int count) {
  const std::uint16_t* a = reinterpret_cast<const std::uint16_t*>(first);
  const std::uint16_t* b = reinterpret_cast<const std::uint16_t*>(second);
  std::uint32_t* to = reinterpret_cast<std::uint32_t*>(pairs);
#pragma omp simd
  for (int i = 0; i < count; ++i) to[i] = a[i] | static_cast<std::uint32_t>(b[i]) << 16;
}

/// Flat: one padded row becomes [pair][columns * channels, rounded up to 16].
void make_flat_pairs(const DirectWeightBlocking& blocking, const char* padded, char* x) {
  const std::size_t step = static_cast<std::size_t>(blocking.shape.stride_w) * blocking.input.column_bytes;
  for (int pair = 0; pair < blocking.steps; ++pair) {
    const char* first = padded + static_cast<std::size_t>(2 * pair) * step;
    for (int i = 0; i < blocking.block_width; i += kLanes)
      interleave(first + 2 * i, first + step + 2 * i, x + pair * blocking.x_step + 4 * i, kLanes);
  }
}

/// One padded row of bfloat16 becomes [copy][channel block][pair][16]: copy i starts at column i.
void make_x_pairs(const DirectWeightBlocking& blocking, const char* padded, char* x) {
  alignas(64) char unused[64];
  const std::size_t step = static_cast<std::size_t>(blocking.shape.stride_w) * 64;
  for (int copy = 0; copy < blocking.x_copies; ++copy) {
    for (int block = 0; block < blocking.channel_blocks; block += 2) {
      const char* first = padded + static_cast<std::size_t>(block / 2) * blocking.input.block_bytes +
                          static_cast<std::size_t>(copy) * 64;
      char* low = x + copy * blocking.x_copy + block * blocking.x_block;
      const bool both = block + 1 < blocking.channel_blocks;
      char* high = both ? low + blocking.x_block : unused;
      const std::ptrdiff_t high_step = both ? 64 : 0;
      for (int pair = 0; pair < blocking.x_steps; ++pair, first += 2 * step, low += 64, high += high_step)
        interleave_32(first, first + step, low, high);
    }
  }
}

/// x of the input rows that output rows [first, last) read, in the layout of the blocking.
void read_x(const DirectWeightBlocking& blocking, const char* image, int first, int last, const Scratch& scratch) {
  const Conv2dShape& s = blocking.shape;
  const int top = first * s.stride_h - s.pad_h, rows = (last - first - 1) * s.stride_h + s.r;
  if (blocking.dtype == DType::f32) {
    blocking.input.copy(image, top, rows, scratch.x);
    return;
  }
  for (int row = 0; row < rows; ++row) {
    blocking.input.copy(image, top + row, 1, scratch.padded);
    char* pairs = scratch.x + row * blocking.x_row;
    if (blocking.flat) {
      make_flat_pairs(blocking, scratch.padded, pairs);
    } else {
      make_x_pairs(blocking, scratch.padded, pairs);
    }
  }
}

/// One step of d_y for tiles: bfloat16 in pairs (second may be kZeros), filters padded to whole vectors.
void read_d_y_step(const DirectWeightBlocking& blocking, const char* first, const char* second, char* to) {
  const int k = blocking.shape.k;
  if (blocking.dtype == DType::f32) {
    std::memcpy(to, first, static_cast<std::size_t>(k) * 4);
  } else {
    int k0 = 0;
    for (; k0 + 32 <= k; k0 += 32)
      interleave_32(first + 2 * k0, second == kZeros ? kZeros : second + 2 * k0, to + 4 * k0, to + 4 * k0 + 64);
    for (; k0 < k; ++k0) interleave(first + 2 * k0, second == kZeros ? kZeros : second + 2 * k0, to + 4 * k0, 1);
  }
  std::memset(to + static_cast<std::size_t>(k) * 4, 0, static_cast<std::size_t>(blocking.filters - k) * 4);
}

/// `rows` rows of d_y in the layout of the blocking.
const char* read_d_y(const DirectWeightBlocking& blocking, const char* d_y, int rows, char* buffer) {
  if (!blocking.copy_d_y) return d_y;
  const std::size_t pixel = static_cast<std::size_t>(blocking.shape.k) * size_of(blocking.dtype);
  const int q_count = blocking.shape.q(), per_step = blocking.dtype == DType::bf16 ? 2 : 1;
  for (int row = 0; row < rows; ++row, d_y += static_cast<std::size_t>(q_count) * pixel) {
    for (int step = 0; step < blocking.steps; ++step) {
      const char* first = d_y + static_cast<std::size_t>(step * per_step) * pixel;
      const bool last = (step + 1) * per_step > q_count;
      read_d_y_step(blocking, first, last ? kZeros : first + pixel,
                    buffer + row * blocking.d_y_row + step * blocking.d_y_step);
    }
  }
  return buffer;
}

/// sum[j] += d_y[pixel][j] of kWidth neighbouring filters, over `pixels`.
template <int kWidth, typename T>
void add_columns(const T* d_y, std::size_t pixels, int k, double* bias) {
  float sum[kWidth] = {};
  for (std::size_t i = 0; i < pixels; ++i) {
    const T* row = d_y + i * k;
#pragma omp simd
    for (int j = 0; j < kWidth; ++j) sum[j] += to_float(row[j]);
  }
  for (int j = 0; j < kWidth; ++j) bias[j] += sum[j];
}

/// bias[k] += sum over pixels of d_y: float32 within a block of rows, float64 across blocks.
template <typename T>
void add_bias(const T* d_y, std::size_t pixels, int k, double* bias) {
  int k0 = 0;
  for (; k0 + 64 <= k; k0 += 64) add_columns<64>(d_y + k0, pixels, k, bias + k0);
  for (; k0 + 16 <= k; k0 += 16) add_columns<16>(d_y + k0, pixels, k, bias + k0);
  for (; k0 < k; ++k0) add_columns<1>(d_y + k0, pixels, k, bias + k0);
}

/// Adds the products of `rows` output rows to the sums.
void add_products(const DirectWeightBlocking& blocking, const char* x, const char* d_y, int rows, float* sums,
                  Prefetcher& prefetcher) {
  const Conv2dShape& s = blocking.shape;
  const std::ptrdiff_t group_size =
      static_cast<std::ptrdiff_t>(blocking.channel_blocks) * blocking.block_width * blocking.filters;
  for (int k = 0; k < blocking.filters; k += kMaxVectors * kLanes) {
    const int vectors = blocking.filters - k > kLanes ? 2 : 1;
    for (int block = 0; block < blocking.channel_blocks; ++block) {
      const int width =
          blocking.flat ? blocking.block_width : std::min(blocking.block_width, s.c - block * blocking.block_width);
      const int tiles = (width + kMaxRows - 1) / kMaxRows;
      for (int group = 0; group < blocking.groups; ++group) {
        const char* a = x + blocking.x_group(group) + block * blocking.x_block;
        prefetcher.advance();
        float* out = sums + group * group_size +
                     static_cast<std::ptrdiff_t>(block) * blocking.block_width * blocking.filters + k;
        for (int tile = 0; tile < tiles; ++tile) {
          const int begin = width * tile / tiles, end = width * (tile + 1) / tiles;
          channel_tile_function(blocking.dtype, end - begin, vectors)(
              ChannelTile{a + begin * 4, d_y + static_cast<std::ptrdiff_t>(k) * 4, blocking.x_step, blocking.d_y_step,
                          blocking.x_row * s.stride_h, blocking.d_y_row, rows, blocking.steps,
                          out + static_cast<std::ptrdiff_t>(begin) * blocking.filters, blocking.filters});
        }
      }
    }
  }
}

/// Calls of add_products' prefetcher.
std::size_t group_count(const DirectWeightBlocking& blocking) {
  const std::size_t panels = static_cast<std::size_t>((blocking.filters + 2 * kLanes - 1) / (2 * kLanes));
  return panels * static_cast<std::size_t>(blocking.channel_blocks) * static_cast<std::size_t>(blocking.groups);
}

template <typename T>
void sum_blocks(const DirectWeightBlocking& blocking, const Conv2dBackwardWeight& op, int thread) {
  const Conv2dShape& s = blocking.shape;
  const Scratch scratch(blocking, op.workspace, thread);
  std::fill(scratch.sums, scratch.sums + blocking.sums_count(), 0.0f);
  std::fill(scratch.bias, scratch.bias + blocking.filters, 0.0);
  const std::size_t x_image = static_cast<std::size_t>(s.h) * s.w * s.c,
                    d_y_row = static_cast<std::size_t>(s.q()) * s.k;
  const Range range = split(static_cast<std::size_t>(s.n) * blocking.blocks, blocking.threads, thread);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const std::size_t image = i / blocking.blocks;
    const int first = static_cast<int>(i % blocking.blocks) * blocking.block_rows;
    const int last = std::min(s.p(), first + blocking.block_rows);
    const char* x = reinterpret_cast<const char*>(static_cast<const T*>(op.x) + image * x_image);
    read_x(blocking, x, first, last, scratch);
    // While this block is summed, as many bytes of x as it had are fetched from where the next one starts.
    const char* x_end = static_cast<const char*>(op.x) + s.x_count() * sizeof(T);
    const std::size_t x_bytes = static_cast<std::size_t>(last - first) * s.stride_h * s.w * s.c * sizeof(T);
    const int parts = (last - first + blocking.part_rows - 1) / blocking.part_rows;
    const char* x_next =
        std::min(x_end, x + static_cast<std::size_t>(std::max(0, last * s.stride_h - s.pad_h + s.r - s.stride_h)) *
                                s.w * s.c * sizeof(T));
    Prefetcher prefetcher(x_next, x_next + std::min(x_bytes, static_cast<std::size_t>(x_end - x_next)),
                          group_count(blocking) * static_cast<std::size_t>(parts));
    for (int row = first; row < last; row += blocking.part_rows) {
      const int rows = std::min(blocking.part_rows, last - row);
      const T* d_y = static_cast<const T*>(op.d_y) + (image * s.p() + row) * d_y_row;
      if (op.d_bias != nullptr) add_bias(d_y, static_cast<std::size_t>(rows) * s.q(), s.k, scratch.bias);
      const char* b = read_d_y(blocking, reinterpret_cast<const char*>(d_y), rows, scratch.d_y);
      add_products(blocking, scratch.x + (row - first) * s.stride_h * blocking.x_row, b, rows, scratch.sums,
                   prefetcher);
    }
  }
}

/// d_w of one group and channel block: the threads' sums added in order, transposed to K,R,S,C.
void write_block(const DirectWeightBlocking& blocking, const Conv2dBackwardWeight& op, int group, int block) {
  const Conv2dShape& s = blocking.shape;
  const int width =
      blocking.flat ? blocking.block_width : std::min(blocking.block_width, s.c - block * blocking.block_width);
  const std::size_t thread_floats = blocking.thread_bytes() / sizeof(float);
  const float* sums = Scratch(blocking, op.workspace, 0).sums;
  const std::size_t at =
      (static_cast<std::size_t>(group) * blocking.channel_blocks + block) * blocking.block_width * blocking.filters;
  const std::size_t filter_size = static_cast<std::size_t>(s.r) * s.s * s.c;
  float* d_w = op.d_w + (blocking.flat ? static_cast<std::size_t>(group) * s.s * s.c
                                       : static_cast<std::size_t>(group) * s.c + block * blocking.block_width);
  for (int k0 = 0; k0 < s.k; k0 += kLanes) {
    const int lanes = std::min(kLanes, s.k - k0);
    for (int i = 0; i < width; ++i) {
      float sum[kLanes] = {};
      for (int part = 0; part < blocking.threads; ++part) {
        const float* from = sums + static_cast<std::size_t>(part) * thread_floats + at +
                            static_cast<std::size_t>(i) * blocking.filters + k0;
        for (int j = 0; j < kLanes; ++j) sum[j] += from[j];
      }
      float* to = d_w + static_cast<std::size_t>(k0) * filter_size + i;
      if (op.write == Write::accumulate) {
        for (int j = 0; j < lanes; ++j) to[j * filter_size] += sum[j];
      } else {
        for (int j = 0; j < lanes; ++j) to[j * filter_size] = sum[j];
      }
    }
  }
}

void write_bias(const DirectWeightBlocking& blocking, const Conv2dBackwardWeight& op) {
  for (int k = 0; k < blocking.shape.k; ++k) {
    double sum = op.write == Write::accumulate ? op.d_bias[k] : 0.0;
    for (int part = 0; part < blocking.threads; ++part) sum += Scratch(blocking, op.workspace, part).bias[k];
    op.d_bias[k] = static_cast<float>(sum);
  }
}

}  // namespace

std::ptrdiff_t DirectWeightBlocking::x_group(int group) const {
  if (flat) return group * x_row;
  const int r = group / shape.s, column = group % shape.s;
  if (dtype == DType::f32) return r * x_row + column * static_cast<std::ptrdiff_t>(input.column_bytes);
  return r * x_row + column % x_copies * x_copy + column / x_copies * x_step;
}

std::size_t DirectWeightBlocking::sums_count() const {
  return static_cast<std::size_t>(groups) * channel_blocks * block_width * filters;
}

std::size_t DirectWeightBlocking::padded_bytes() const {
  const int rows = dtype == DType::bf16 ? 1 : (block_rows - 1) * shape.stride_h + shape.r;
  return round_up(static_cast<std::size_t>(rows) * input.row_bytes + 64, 64);
}

std::size_t DirectWeightBlocking::x_bytes() const {
  const int rows = (block_rows - 1) * shape.stride_h + shape.r;
  return dtype == DType::bf16 ? round_up(static_cast<std::size_t>(rows) * static_cast<std::size_t>(x_row), 64) : 0;
}

std::size_t DirectWeightBlocking::d_y_bytes() const {
  return copy_d_y ? round_up(static_cast<std::size_t>(part_rows) * static_cast<std::size_t>(d_y_row), 64) : 0;
}

std::size_t DirectWeightBlocking::thread_bytes() const {
  return round_up(sums_count() * sizeof(float), 64) + round_up(static_cast<std::size_t>(filters) * sizeof(double), 64) +
         round_up(padded_bytes() + x_bytes() + d_y_bytes(), 4096) + 64;
}

namespace {

/// The layout of x: padded rows as they are, or pairs of output columns made from them.
void lay_out_x(DirectWeightBlocking& blocking) {
  const Conv2dShape& s = blocking.shape;
  const bool pairs = blocking.dtype == DType::bf16;
  // With stride 1, column 2 of the filter sees the pairs of column 0, one later.
  const bool shared = !blocking.flat && s.stride_w == 1;
  blocking.x_copies = blocking.flat ? 1 : pairs ? (shared ? std::min(2, s.s) : s.s) : 1;
  blocking.x_steps = pairs && shared ? blocking.steps + (s.s - 1) / 2 : blocking.steps;
  const int last_step = pairs ? 2 * blocking.x_steps - 1 : blocking.steps - 1;
  blocking.input.h = s.h;
  blocking.input.w = s.w;
  blocking.input.first_column = -s.pad_w;
  blocking.input.columns = last_step * s.stride_w + (pairs && shared ? blocking.x_copies : s.s);
  blocking.input.pixel_bytes = static_cast<std::size_t>(s.c) * size_of(blocking.dtype);
  blocking.input.flat = blocking.flat;
  blocking.input.lay_out();
  if (pairs) {
    blocking.x_step = static_cast<std::ptrdiff_t>(round_up(static_cast<std::size_t>(blocking.block_width), kLanes)) * 4;
    blocking.x_block = blocking.x_step * blocking.x_steps;
    blocking.x_copy = blocking.x_block * blocking.channel_blocks;
    blocking.x_row = blocking.x_copy * blocking.x_copies;
  } else {
    blocking.x_step = static_cast<std::ptrdiff_t>(blocking.input.column_bytes) * s.stride_w;
    blocking.x_block = static_cast<std::ptrdiff_t>(blocking.input.block_bytes);
    blocking.x_row = static_cast<std::ptrdiff_t>(blocking.input.row_bytes);
  }
}

}  // namespace

DirectWeightBlocking backward_weight_blocking(const Conv2dShape& s, DType dtype, int threads) {
  DirectWeightBlocking blocking;
  blocking.shape = s;
  blocking.dtype = dtype;
  blocking.threads = threads;
  blocking.flat = s.c * size_of(dtype) < 32 && s.s > 1 && s.s * s.c <= 64;
  blocking.groups = blocking.flat ? s.r : s.r * s.s;
  blocking.block_width = blocking.flat ? s.s * s.c : kLanes;
  blocking.channel_blocks = blocking.flat ? 1 : (s.c + kLanes - 1) / kLanes;
  blocking.filters = (s.k + kLanes - 1) / kLanes * kLanes;
  const bool pairs = dtype == DType::bf16;
  blocking.steps = pairs ? (s.q() + 1) / 2 : s.q();
  lay_out_x(blocking);
  blocking.d_y_step = static_cast<std::ptrdiff_t>(blocking.filters) * 4;
  blocking.d_y_row = blocking.d_y_step * blocking.steps;
  blocking.copy_d_y = pairs || s.k != blocking.filters;
  blocking.part_rows = std::min(s.p(), std::max(1, kPartSteps / blocking.steps));
  const std::size_t fitting = kBufferBytes / static_cast<std::size_t>(blocking.x_row);
  const int wanted = (static_cast<int>(std::min<std::size_t>(fitting, 4096)) - s.r) / s.stride_h + 1;
  blocking.block_rows = std::min(s.p(), std::max(wanted / blocking.part_rows, 1) * blocking.part_rows);
  blocking.blocks = (s.p() + blocking.block_rows - 1) / blocking.block_rows;
  return blocking;
}

void run_backward_weight(const DirectWeightBlocking& blocking, const Conv2dBackwardWeight& op) {
  with_dtype(op.dtype, "conv2d_backward_weight", [&](auto element) {
    parallel(blocking.threads, [&](int part) { sum_blocks<decltype(element)>(blocking, op, part); });
  });
  const std::size_t count = static_cast<std::size_t>(blocking.groups) * blocking.channel_blocks;
  parallel_for(blocking.threads, count, blocking.sums_count() / count, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      write_block(blocking, op, static_cast<int>(i) / blocking.channel_blocks,
                  static_cast<int>(i) % blocking.channel_blocks);
  });
  if (op.d_bias != nullptr) write_bias(blocking, op);
}

}  // namespace cpu
}  // namespace tsugi
#endif
