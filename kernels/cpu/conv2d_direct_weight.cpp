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
  Scratch(const DirectWeightPlan& plan, void* workspace, int part) {
    char* at = static_cast<char*>(workspace) + static_cast<std::size_t>(part) * plan.thread_bytes();
    sums = reinterpret_cast<float*>(at);
    at += round_up(plan.sums_count() * sizeof(float), 64);
    bias = reinterpret_cast<double*>(at);
    at += round_up(static_cast<std::size_t>(plan.filters) * sizeof(double), 64);
    padded = at;
    x = plan.dtype == DType::bf16 ? padded + plan.padded_bytes() : padded;
    d_y = padded + plan.padded_bytes() + plan.x_bytes();
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
void make_flat_pairs(const DirectWeightPlan& plan, const char* padded, char* x) {
  const std::size_t step = static_cast<std::size_t>(plan.shape.stride_w) * plan.input.column_bytes;
  for (int pair = 0; pair < plan.steps; ++pair) {
    const char* first = padded + static_cast<std::size_t>(2 * pair) * step;
    for (int i = 0; i < plan.block_width; i += kLanes)
      interleave(first + 2 * i, first + step + 2 * i, x + pair * plan.x_step + 4 * i, kLanes);
  }
}

/// One padded row of bfloat16 becomes [copy][channel block][pair][16]: copy i starts at column i.
void make_x_pairs(const DirectWeightPlan& plan, const char* padded, char* x) {
  alignas(64) char unused[64];
  const std::size_t step = static_cast<std::size_t>(plan.shape.stride_w) * 64;
  for (int copy = 0; copy < plan.x_copies; ++copy) {
    for (int block = 0; block < plan.channel_blocks; block += 2) {
      const char* first =
          padded + static_cast<std::size_t>(block / 2) * plan.input.block_bytes + static_cast<std::size_t>(copy) * 64;
      char* low = x + copy * plan.x_copy + block * plan.x_block;
      const bool both = block + 1 < plan.channel_blocks;
      char* high = both ? low + plan.x_block : unused;
      const std::ptrdiff_t high_step = both ? 64 : 0;
      for (int pair = 0; pair < plan.x_steps; ++pair, first += 2 * step, low += 64, high += high_step)
        interleave_32(first, first + step, low, high);
    }
  }
}

/// x of the input rows that output rows [first, last) read, in the layout of the plan.
void read_x(const DirectWeightPlan& plan, const char* image, int first, int last, const Scratch& scratch) {
  const Conv2dShape& s = plan.shape;
  const int top = first * s.stride_h - s.pad_h, rows = (last - first - 1) * s.stride_h + s.r;
  if (plan.dtype == DType::f32) {
    plan.input.copy(image, top, rows, scratch.x);
    return;
  }
  for (int row = 0; row < rows; ++row) {
    plan.input.copy(image, top + row, 1, scratch.padded);
    char* pairs = scratch.x + row * plan.x_row;
    if (plan.flat) {
      make_flat_pairs(plan, scratch.padded, pairs);
    } else {
      make_x_pairs(plan, scratch.padded, pairs);
    }
  }
}

/// One step of d_y for tiles: bfloat16 in pairs (second may be kZeros), filters padded to whole vectors.
void read_d_y_step(const DirectWeightPlan& plan, const char* first, const char* second, char* to) {
  const int k = plan.shape.k;
  if (plan.dtype == DType::f32) {
    std::memcpy(to, first, static_cast<std::size_t>(k) * 4);
  } else {
    int k0 = 0;
    for (; k0 + 32 <= k; k0 += 32)
      interleave_32(first + 2 * k0, second == kZeros ? kZeros : second + 2 * k0, to + 4 * k0, to + 4 * k0 + 64);
    for (; k0 < k; ++k0) interleave(first + 2 * k0, second == kZeros ? kZeros : second + 2 * k0, to + 4 * k0, 1);
  }
  std::memset(to + static_cast<std::size_t>(k) * 4, 0, static_cast<std::size_t>(plan.filters - k) * 4);
}

/// `rows` rows of d_y in the layout of the plan.
const char* read_d_y(const DirectWeightPlan& plan, const char* d_y, int rows, char* buffer) {
  if (!plan.copy_d_y) return d_y;
  const std::size_t pixel = static_cast<std::size_t>(plan.shape.k) * size_of(plan.dtype);
  const int q_count = plan.shape.q(), per_step = plan.dtype == DType::bf16 ? 2 : 1;
  for (int row = 0; row < rows; ++row, d_y += static_cast<std::size_t>(q_count) * pixel) {
    for (int step = 0; step < plan.steps; ++step) {
      const char* first = d_y + static_cast<std::size_t>(step * per_step) * pixel;
      const bool last = (step + 1) * per_step > q_count;
      read_d_y_step(plan, first, last ? kZeros : first + pixel, buffer + row * plan.d_y_row + step * plan.d_y_step);
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
void add_products(const DirectWeightPlan& plan, const char* x, const char* d_y, int rows, float* sums,
                  Prefetcher& prefetcher) {
  const Conv2dShape& s = plan.shape;
  const std::ptrdiff_t group_size = static_cast<std::ptrdiff_t>(plan.channel_blocks) * plan.block_width * plan.filters;
  for (int k = 0; k < plan.filters; k += kMaxVectors * kLanes) {
    const int vectors = plan.filters - k > kLanes ? 2 : 1;
    for (int block = 0; block < plan.channel_blocks; ++block) {
      const int width = plan.flat ? plan.block_width : std::min(plan.block_width, s.c - block * plan.block_width);
      const int tiles = (width + kMaxRows - 1) / kMaxRows;
      for (int group = 0; group < plan.groups; ++group) {
        const char* a = x + plan.x_group(group) + block * plan.x_block;
        prefetcher.advance();
        float* out =
            sums + group * group_size + static_cast<std::ptrdiff_t>(block) * plan.block_width * plan.filters + k;
        for (int tile = 0; tile < tiles; ++tile) {
          const int begin = width * tile / tiles, end = width * (tile + 1) / tiles;
          channel_tile_function(plan.dtype, end - begin, vectors)(
              ChannelTile{a + begin * 4, d_y + static_cast<std::ptrdiff_t>(k) * 4, plan.x_step, plan.d_y_step,
                          plan.x_row * s.stride_h, plan.d_y_row, rows, plan.steps,
                          out + static_cast<std::ptrdiff_t>(begin) * plan.filters, plan.filters});
        }
      }
    }
  }
}

/// Calls of add_products' prefetcher.
std::size_t group_count(const DirectWeightPlan& plan) {
  const std::size_t panels = static_cast<std::size_t>((plan.filters + 2 * kLanes - 1) / (2 * kLanes));
  return panels * static_cast<std::size_t>(plan.channel_blocks) * static_cast<std::size_t>(plan.groups);
}

template <typename T>
void sum_blocks(const DirectWeightPlan& plan, const Conv2dBackwardWeight& op, int thread) {
  const Conv2dShape& s = plan.shape;
  const Scratch scratch(plan, op.workspace, thread);
  std::fill(scratch.sums, scratch.sums + plan.sums_count(), 0.0f);
  std::fill(scratch.bias, scratch.bias + plan.filters, 0.0);
  const std::size_t x_image = static_cast<std::size_t>(s.h) * s.w * s.c,
                    d_y_row = static_cast<std::size_t>(s.q()) * s.k;
  const Range range = split(static_cast<std::size_t>(s.n) * plan.blocks, plan.threads, thread);
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const std::size_t image = i / plan.blocks;
    const int first = static_cast<int>(i % plan.blocks) * plan.block_rows;
    const int last = std::min(s.p(), first + plan.block_rows);
    const char* x = reinterpret_cast<const char*>(static_cast<const T*>(op.x) + image * x_image);
    read_x(plan, x, first, last, scratch);
    // While this block is summed, as many bytes of x as it had are fetched from where the next one starts.
    const char* x_end = static_cast<const char*>(op.x) + s.x_count() * sizeof(T);
    const std::size_t x_bytes = static_cast<std::size_t>(last - first) * s.stride_h * s.w * s.c * sizeof(T);
    const int parts = (last - first + plan.part_rows - 1) / plan.part_rows;
    const char* x_next =
        std::min(x_end, x + static_cast<std::size_t>(std::max(0, last * s.stride_h - s.pad_h + s.r - s.stride_h)) *
                                s.w * s.c * sizeof(T));
    Prefetcher prefetcher(x_next, x_next + std::min(x_bytes, static_cast<std::size_t>(x_end - x_next)),
                          group_count(plan) * static_cast<std::size_t>(parts));
    for (int row = first; row < last; row += plan.part_rows) {
      const int rows = std::min(plan.part_rows, last - row);
      const T* d_y = static_cast<const T*>(op.d_y) + (image * s.p() + row) * d_y_row;
      if (op.d_bias != nullptr) add_bias(d_y, static_cast<std::size_t>(rows) * s.q(), s.k, scratch.bias);
      const char* b = read_d_y(plan, reinterpret_cast<const char*>(d_y), rows, scratch.d_y);
      add_products(plan, scratch.x + (row - first) * s.stride_h * plan.x_row, b, rows, scratch.sums, prefetcher);
    }
  }
}

/// d_w of one group and channel block: the threads' sums added in order, transposed to K,R,S,C.
void write_block(const DirectWeightPlan& plan, const Conv2dBackwardWeight& op, int group, int block) {
  const Conv2dShape& s = plan.shape;
  const int width = plan.flat ? plan.block_width : std::min(plan.block_width, s.c - block * plan.block_width);
  const std::size_t thread_floats = plan.thread_bytes() / sizeof(float);
  const float* sums = Scratch(plan, op.workspace, 0).sums;
  const std::size_t at =
      (static_cast<std::size_t>(group) * plan.channel_blocks + block) * plan.block_width * plan.filters;
  const std::size_t filter_size = static_cast<std::size_t>(s.r) * s.s * s.c;
  float* d_w = op.d_w + (plan.flat ? static_cast<std::size_t>(group) * s.s * s.c
                                   : static_cast<std::size_t>(group) * s.c + block * plan.block_width);
  for (int k0 = 0; k0 < s.k; k0 += kLanes) {
    const int lanes = std::min(kLanes, s.k - k0);
    for (int i = 0; i < width; ++i) {
      float sum[kLanes] = {};
      for (int part = 0; part < plan.threads; ++part) {
        const float* from = sums + static_cast<std::size_t>(part) * thread_floats + at +
                            static_cast<std::size_t>(i) * plan.filters + k0;
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

void write_bias(const DirectWeightPlan& plan, const Conv2dBackwardWeight& op) {
  for (int k = 0; k < plan.shape.k; ++k) {
    double sum = op.write == Write::accumulate ? op.d_bias[k] : 0.0;
    for (int part = 0; part < plan.threads; ++part) sum += Scratch(plan, op.workspace, part).bias[k];
    op.d_bias[k] = static_cast<float>(sum);
  }
}

}  // namespace

std::ptrdiff_t DirectWeightPlan::x_group(int group) const {
  if (flat) return group * x_row;
  const int r = group / shape.s, column = group % shape.s;
  if (dtype == DType::f32) return r * x_row + column * static_cast<std::ptrdiff_t>(input.column_bytes);
  return r * x_row + column % x_copies * x_copy + column / x_copies * x_step;
}

std::size_t DirectWeightPlan::sums_count() const {
  return static_cast<std::size_t>(groups) * channel_blocks * block_width * filters;
}

std::size_t DirectWeightPlan::padded_bytes() const {
  const int rows = dtype == DType::bf16 ? 1 : (block_rows - 1) * shape.stride_h + shape.r;
  return round_up(static_cast<std::size_t>(rows) * input.row_bytes + 64, 64);
}

std::size_t DirectWeightPlan::x_bytes() const {
  const int rows = (block_rows - 1) * shape.stride_h + shape.r;
  return dtype == DType::bf16 ? round_up(static_cast<std::size_t>(rows) * static_cast<std::size_t>(x_row), 64) : 0;
}

std::size_t DirectWeightPlan::d_y_bytes() const {
  return copy_d_y ? round_up(static_cast<std::size_t>(part_rows) * static_cast<std::size_t>(d_y_row), 64) : 0;
}

std::size_t DirectWeightPlan::thread_bytes() const {
  return round_up(sums_count() * sizeof(float), 64) + round_up(static_cast<std::size_t>(filters) * sizeof(double), 64) +
         round_up(padded_bytes() + x_bytes() + d_y_bytes(), 4096) + 64;
}

namespace {

/// The layout of x: padded rows as they are, or pairs of output columns made from them.
void plan_x(DirectWeightPlan& plan) {
  const Conv2dShape& s = plan.shape;
  const bool pairs = plan.dtype == DType::bf16;
  // With stride 1, column 2 of the filter sees the pairs of column 0, one later.
  const bool shared = !plan.flat && s.stride_w == 1;
  plan.x_copies = plan.flat ? 1 : pairs ? (shared ? std::min(2, s.s) : s.s) : 1;
  plan.x_steps = pairs && shared ? plan.steps + (s.s - 1) / 2 : plan.steps;
  const int last_step = pairs ? 2 * plan.x_steps - 1 : plan.steps - 1;
  plan.input.h = s.h;
  plan.input.w = s.w;
  plan.input.first_column = -s.pad_w;
  plan.input.columns = last_step * s.stride_w + (pairs && shared ? plan.x_copies : s.s);
  plan.input.pixel_bytes = static_cast<std::size_t>(s.c) * size_of(plan.dtype);
  plan.input.flat = plan.flat;
  plan.input.lay_out();
  if (pairs) {
    plan.x_step = static_cast<std::ptrdiff_t>(round_up(static_cast<std::size_t>(plan.block_width), kLanes)) * 4;
    plan.x_block = plan.x_step * plan.x_steps;
    plan.x_copy = plan.x_block * plan.channel_blocks;
    plan.x_row = plan.x_copy * plan.x_copies;
  } else {
    plan.x_step = static_cast<std::ptrdiff_t>(plan.input.column_bytes) * s.stride_w;
    plan.x_block = static_cast<std::ptrdiff_t>(plan.input.block_bytes);
    plan.x_row = static_cast<std::ptrdiff_t>(plan.input.row_bytes);
  }
}

}  // namespace

DirectWeightPlan plan_backward_weight(const Conv2dShape& s, DType dtype, int threads) {
  DirectWeightPlan plan;
  plan.shape = s;
  plan.dtype = dtype;
  plan.threads = threads;
  plan.flat = s.c * size_of(dtype) < 32 && s.s > 1 && s.s * s.c <= 64;
  plan.groups = plan.flat ? s.r : s.r * s.s;
  plan.block_width = plan.flat ? s.s * s.c : kLanes;
  plan.channel_blocks = plan.flat ? 1 : (s.c + kLanes - 1) / kLanes;
  plan.filters = (s.k + kLanes - 1) / kLanes * kLanes;
  const bool pairs = dtype == DType::bf16;
  plan.steps = pairs ? (s.q() + 1) / 2 : s.q();
  plan_x(plan);
  plan.d_y_step = static_cast<std::ptrdiff_t>(plan.filters) * 4;
  plan.d_y_row = plan.d_y_step * plan.steps;
  plan.copy_d_y = pairs || s.k != plan.filters;
  plan.part_rows = std::min(s.p(), std::max(1, kPartSteps / plan.steps));
  const std::size_t fitting = kBufferBytes / static_cast<std::size_t>(plan.x_row);
  const int wanted = (static_cast<int>(std::min<std::size_t>(fitting, 4096)) - s.r) / s.stride_h + 1;
  plan.block_rows = std::min(s.p(), std::max(wanted / plan.part_rows, 1) * plan.part_rows);
  plan.blocks = (s.p() + plan.block_rows - 1) / plan.block_rows;
  return plan;
}

void run_backward_weight(const DirectWeightPlan& plan, const Conv2dBackwardWeight& op) {
  with_dtype(op.dtype, "conv2d_backward_weight", [&](auto element) {
    parallel(plan.threads, [&](int part) { sum_blocks<decltype(element)>(plan, op, part); });
  });
  const std::size_t count = static_cast<std::size_t>(plan.groups) * plan.channel_blocks;
  parallel_for(plan.threads, count, plan.sums_count() / count, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      write_block(plan, op, static_cast<int>(i) / plan.channel_blocks, static_cast<int>(i) % plan.channel_blocks);
  });
  if (op.d_bias != nullptr) write_bias(plan, op);
}

}  // namespace cpu
}  // namespace tsugi
#endif
