// The direct convolution's forward and backward-data passes, and the epilogues through which their tiles leave.
#include "kernels/cpu/conv2d_direct.h"

#include <map>

#include "kernels/api/kernel_choice.h"
#include "kernels/cpu/conv2d_direct_blocking.h"
#include "kernels/cpu/conv2d_direct_weight.h"
#include "kernels/cpu/cpu_info.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {

#if TSUGI_HAVE_TILE_KERNEL
namespace {

using Rows = std::make_integer_sequence<int, kMaxRows>;

/// The kernel for `rows` pixels x `vectors`, with the constant row step where it is one of ours.
template <typename Math>
PixelTileFunction pixel_tile_function(int rows, int vectors, std::ptrdiff_t row_step) {
  static constexpr auto kOne64 = pixel_tiles<Math, 1, 64>(Rows()), kTwo64 = pixel_tiles<Math, 2, 64>(Rows());
  static constexpr auto kOne128 = pixel_tiles<Math, 1, 128>(Rows()), kTwo128 = pixel_tiles<Math, 2, 128>(Rows());
  static constexpr auto kTwo12 = pixel_tiles<Math, 2, 12>(Rows()), kTwo6 = pixel_tiles<Math, 2, 6>(Rows());
  static constexpr auto kOneAny = pixel_tiles<Math, 1, 0>(Rows()), kTwoAny = pixel_tiles<Math, 2, 0>(Rows());
  const std::size_t i = static_cast<std::size_t>(rows - 1);
  if (row_step == 64) return vectors == 1 ? kOne64[i] : kTwo64[i];
  if (row_step == 128) return vectors == 1 ? kOne128[i] : kTwo128[i];
  if (row_step == 12 && vectors == 2) return kTwo12[i];  // RGB in float32
  if (row_step == 6 && vectors == 2) return kTwo6[i];    // RGB in bfloat16
  return vectors == 1 ? kOneAny[i] : kTwoAny[i];
}

PixelTileFunction pixel_tile_function(DType dtype, int rows, int vectors, std::ptrdiff_t row_step) {
#if defined(__AVX512BF16__)
  if (dtype == DType::bf16) return pixel_tile_function<MathBf16>(rows, vectors, row_step);
#endif
  if (dtype != DType::f32) throw Error(std::string("conv2d: the direct kernels have no ") + name_of(dtype));
  return pixel_tile_function<MathF32>(rows, vectors, row_step);
}

/// A tile of sums on its way out: [pixels][step] of panel channels [channel, channel + channels).
struct FinishedTile {
  const float* sums;
  int pixels, step, channel, channels;
  std::size_t out;       ///< element of the output that sums[0] goes to
  std::size_t out_step;  ///< elements from one pixel to the next
  std::size_t next_row;  ///< elements to the same pixel of the next row

  /// As for_lanes; most tiles are whole, and their count is known here.
  template <typename F>
  void for_channels(const F& f) const {
    constexpr int kWhole = kMaxVectors * kLanes;
    channels == kWhole ? for_lanes(kWhole, f) : for_lanes(static_cast<std::size_t>(channels), f);
  }
};

/// y = act(sums + bias), and what the activation saves
template <typename T, typename Act>
struct ForwardEpilogue {
  const Conv2dForward& op;
  Act function;

  void operator()(const FinishedTile& t) const {
    const Act act = function;
    T* y = static_cast<T*>(op.y) + t.out;
    T* saved = Act::kSavesInput && op.saved != nullptr ? static_cast<T*>(op.saved) + t.out : nullptr;
    float copy[kMaxVectors * kLanes] = {};
    if (op.bias != nullptr) std::copy(op.bias + t.channel, op.bias + t.channel + t.channels, copy);
    const float* bias = copy;
    for (int i = 0; i < t.pixels; ++i, y += t.out_step) {
      __builtin_prefetch(y + t.next_row, 1, 2);
      const float* sums = t.sums + i * t.step;
      t.for_channels([=](std::size_t j, auto lane) {
        using V = decltype(lane);
        const V value = load_as<V>(sums + j) + load_as<V>(bias + j);
        if (saved != nullptr) store_lanes(saved + j, value);
        store_lanes(y + j, forward_lanes(act, value));
      });
      if (saved != nullptr) saved += t.out_step;
    }
  }
};

/// d_x = act' * (sums [+ d_x])
template <typename T, typename Act, bool kAccumulate>
struct BackwardDataEpilogue {
  const Conv2dBackwardData& op;
  Act function;

  void operator()(const FinishedTile& t) const {
    const Act act = function;
    T* d_x = static_cast<T*>(op.d_x) + t.out;
    const T* saved = Act::kMasks ? static_cast<const T*>(op.saved) + t.out : d_x;
    for (int i = 0; i < t.pixels; ++i, d_x += t.out_step, saved += t.out_step) {
      if (Act::kMasks) __builtin_prefetch(saved + t.next_row, 0, 2);
      __builtin_prefetch(d_x + t.next_row, 1, 2);
      const float* sums = t.sums + i * t.step;
      t.for_channels([=](std::size_t j, auto lane) {
        using V = decltype(lane);
        V g = load_as<V>(sums + j);
        if (kAccumulate) g += load_as<V>(d_x + j);
        store_lanes(d_x + j, Act::kMasks ? backward_lanes(act, load_as<V>(saved + j), g) : g);
      });
    }
  }
};

struct Block {
  std::size_t phase;
  int index;
};

/// The block'th block of an image, over all phases.
Block find_block(const Gather& g, int block) {
  std::size_t phase = 0;
  while (block >= g.phases[phase].blocks) block -= g.phases[phase++].blocks;
  return Block{phase, block};
}

/// One output row of one panel, tile by tile.
template <typename Epilogue>
void gather_row(const Gather& g, const Phase& phase, int panel, const char* buffer, const char* packed,
                std::size_t out_row, const Epilogue& epilogue, Prefetcher& prefetcher) {
  alignas(64) float sums[kMaxRows * kMaxVectors * kLanes];
  const int vectors = g.vectors(panel), channel = panel * 2 * kLanes;
  const int tiles = (phase.columns + kMaxRows - 1) / kMaxRows;
  const std::size_t column_step = phase.input.column_bytes * static_cast<std::size_t>(g.stride_w);
  for (int tile = 0; tile < tiles; ++tile) {
    const int begin = phase.columns * tile / tiles, end = phase.columns * (tile + 1) / tiles;
    pixel_tile_function(g.dtype, end - begin, vectors, static_cast<std::ptrdiff_t>(column_step))(
        PixelTile{buffer + static_cast<std::size_t>(begin) * column_step, static_cast<std::ptrdiff_t>(column_step),
                  phase.segments.data(), static_cast<int>(phase.segments.size()), packed, sums});
    prefetcher.advance();
    const std::size_t column = static_cast<std::size_t>(phase.first_column + begin * g.out_step_w);
    epilogue(FinishedTile{sums, end - begin, vectors * kLanes, channel, std::min(vectors * kLanes, g.out_c - channel),
                          (out_row * g.out_w + column) * g.out_c + channel,
                          static_cast<std::size_t>(g.out_step_w) * g.out_c,
                          static_cast<std::size_t>(g.out_step_h) * g.out_w * g.out_c});
  }
}

/// What block `i` (over all images) reads and writes.
struct BlockRows {
  BlockRows(const Gather& g, std::size_t i) : image(i / g.blocks) {
    const Block block = find_block(g, static_cast<int>(i % g.blocks));
    phase = &g.phases[block.phase];
    first = block.index * phase->block_rows;
    last = std::min(phase->rows, first + phase->block_rows);
    first_read = first * g.stride + phase->top;
    rows_read = (last - first - 1) * g.stride + phase->rows_read;
  }
  /// The input bytes that are inside the image.
  Range bytes(const Gather& g) const {
    const std::size_t row = static_cast<std::size_t>(g.in_w) * phase->input.pixel_bytes;
    const int begin = std::min(std::max(first_read, 0), g.in_h),
              end = std::max(begin, std::min(first_read + rows_read, g.in_h));
    return Range{(image * g.in_h + begin) * row, (image * g.in_h + end) * row};
  }

  std::size_t image;
  const Phase* phase;
  int first, last;            ///< output rows of the phase
  int first_read, rows_read;  ///< input rows, may lie outside the image
};

/// Blocks [begin, end) of all images.
template <typename Epilogue>
void gather_blocks(const Gather& g, const char* in, const char* packed, char* buffer, Range range,
                   const Epilogue& epilogue) {
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const BlockRows block(g, i);
    const Phase& phase = *block.phase;
    phase.input.copy(in + block.image * g.in_h * g.in_w * phase.input.pixel_bytes, block.first_read, block.rows_read,
                     buffer);
    const Range next = i + 1 < range.end ? BlockRows(g, i + 1).bytes(g) : Range{0, 0};
    const std::size_t tiles = static_cast<std::size_t>((phase.columns + kMaxRows - 1) / kMaxRows);
    Prefetcher prefetcher(
        in + next.begin, in + next.end,
        tiles * static_cast<std::size_t>(g.panels()) * static_cast<std::size_t>(block.last - block.first));
    for (int panel = 0; panel < g.panels(); ++panel) {
      const char* weights = packed + phase.packed_offset + static_cast<std::size_t>(panel) * phase.steps * 2 * 64;
      for (int row = block.first; row < block.last; ++row) {
        gather_row(g, phase, panel,
                   buffer + static_cast<std::size_t>(row - block.first) * g.stride * phase.input.row_bytes, weights,
                   block.image * g.out_h + phase.first_row + row * g.out_step_h, epilogue, prefetcher);
      }
    }
  }
}

std::size_t gather_workspace(const Gather& g, int threads) {
  return round_up(g.packed_bytes, 64) + static_cast<std::size_t>(threads) * round_up(g.buffer_bytes, 4096) + 64;
}

template <typename Epilogue>
void run_gather(const Gather& g, const void* in, const void* weights, void* workspace, int threads,
                const Epilogue& epilogue) {
  char* packed = static_cast<char*>(workspace);
  pack_weights(g, weights, packed, threads);
  parallel(threads, [&](int part) {
    const Range range = split(static_cast<std::size_t>(g.n) * g.blocks, threads, part);
    char* buffer =
        packed + round_up(g.packed_bytes, 64) + static_cast<std::size_t>(part) * round_up(g.buffer_bytes, 4096);
    gather_blocks(g, static_cast<const char*>(in), packed, buffer, range, epilogue);
  });
}

struct Blocking {
  Gather forward, backward_data;
  DirectWeightBlocking backward_weight;
};

}  // namespace

struct Conv2dDirect::Impl {
  int threads;
  std::map<KernelCall, Blocking> blockings;  ///< whatever the call's op

  const Blocking& blocking(const Conv2dShape& s, DType dtype) {
    const KernelCall key{KernelOp::conv2d_forward, s, dtype};
    const auto found = blockings.find(key);
    if (found != blockings.end()) return found->second;
    const Blocking made{forward_gather(s, dtype), backward_data_gather(s, dtype),
                        backward_weight_blocking(s, dtype, threads)};
    return blockings.emplace(key, made).first->second;
  }
};

Conv2dDirect::Conv2dDirect(int threads) : impl_(new Impl{threads, {}}) {}
Conv2dDirect::~Conv2dDirect() = default;

bool Conv2dDirect::covers(const Conv2dShape& shape, DType dtype) const {
  if (shape.groups != 1 || !cpu_features().avx512) return false;
  if (dtype == DType::f32) return true;
#if defined(__AVX512BF16__)
  return dtype == DType::bf16 && cpu_features().avx512_bf16 && !cpu_features().amx_bf16;
#else
  return false;
#endif
}

std::size_t Conv2dDirect::cached_blockings() const { return impl_->blockings.size(); }

std::size_t Conv2dDirect::workspace_bytes(const Conv2dShape& shape, DType dtype) {
  const Blocking& blocking = impl_->blocking(shape, dtype);
  return std::max({gather_workspace(blocking.forward, impl_->threads),
                   gather_workspace(blocking.backward_data, impl_->threads),
                   blocking.backward_weight.workspace_bytes()});
}

void Conv2dDirect::run(const Conv2dForward& op) {
  const Gather& g = impl_->blocking(op.shape, op.dtype).forward;
  with_dtype(op.dtype, "conv2d_forward", [&](auto element) {
    with_activation(op.activation, [&](auto act) {
      run_gather(g, op.x, op.w, op.workspace, impl_->threads,
                 ForwardEpilogue<decltype(element), decltype(act)>{op, act});
    });
  });
}

void Conv2dDirect::run(const Conv2dBackwardData& op) {
  const Gather& g = impl_->blocking(op.shape, op.dtype).backward_data;
  with_dtype(op.dtype, "conv2d_backward_data", [&](auto element) {
    using T = decltype(element);
    with_activation(op.activation, [&](auto act) {
      if (op.write == Write::accumulate) {
        run_gather(g, op.d_y, op.w, op.workspace, impl_->threads,
                   BackwardDataEpilogue<T, decltype(act), true>{op, act});
      } else {
        run_gather(g, op.d_y, op.w, op.workspace, impl_->threads,
                   BackwardDataEpilogue<T, decltype(act), false>{op, act});
      }
    });
  });
}

void Conv2dDirect::run(const Conv2dBackwardWeight& op) {
  run_backward_weight(impl_->blocking(op.shape, op.dtype).backward_weight, op);
}

#else  // no AVX-512: oneDNN does all of it

struct Conv2dDirect::Impl {};
Conv2dDirect::Conv2dDirect(int) {}
Conv2dDirect::~Conv2dDirect() = default;
bool Conv2dDirect::covers(const Conv2dShape&, DType) const { return false; }
std::size_t Conv2dDirect::cached_blockings() const { return 0; }
std::size_t Conv2dDirect::workspace_bytes(const Conv2dShape&, DType) { return 0; }
void Conv2dDirect::run(const Conv2dForward&) {}
void Conv2dDirect::run(const Conv2dBackwardData&) {}
void Conv2dDirect::run(const Conv2dBackwardWeight&) {}

#endif

}  // namespace cpu
}  // namespace tsugi
