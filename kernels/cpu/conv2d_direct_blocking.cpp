// The blocking of a direct convolution: phases, taps, buffers, and the packing of weights that goes with them.
#include "kernels/cpu/conv2d_direct_blocking.h"

#if TSUGI_HAVE_TILE_KERNEL
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

int floor_mod(int value, int modulus) { return ((value % modulus) + modulus) % modulus; }

/// Rows and columns that the taps reach, the buffer's layout, and how many output rows share a buffer.
void lay_out_buffer(const Gather& g, Phase& phase) {
  int top = 0, bottom = 0, left = 0, right = 0;
  for (std::size_t i = 0; i < phase.taps.size(); ++i) {
    const Tap& tap = phase.taps[i];
    top = i == 0 ? tap.row : std::min(top, tap.row);
    bottom = i == 0 ? tap.row : std::max(bottom, tap.row);
    left = i == 0 ? tap.column : std::min(left, tap.column);
    right = i == 0 ? tap.column : std::max(right, tap.column);
  }
  phase.top = top;
  phase.rows_read = bottom - top + 1;
  phase.input.h = g.in_h;
  phase.input.w = g.in_w;
  phase.input.first_column = left;
  phase.input.columns = (phase.columns - 1) * g.stride_w + right - left + 1;
  phase.input.pixel_bytes = static_cast<std::size_t>(g.in_c) * size_of(g.dtype);
  phase.input.flat = g.flat;
  phase.input.lay_out();
  const std::size_t fitting = kBufferBytes / phase.input.row_bytes;
  const int wanted = (static_cast<int>(std::min<std::size_t>(fitting, 4096)) - phase.rows_read) / g.stride + 1;
  phase.blocks = (phase.rows + std::max(wanted, 1) - 1) / std::max(wanted, 1);
  phase.block_rows = (phase.rows + phase.blocks - 1) / phase.blocks;
  phase.blocks = (phase.rows + phase.block_rows - 1) / phase.block_rows;
}

/// Runs of the reduction, in the order of the packed weights: blocks of channels, then taps.
void lay_out_segments(const Gather& g, Phase& phase) {
  const int per_element = g.channels_per_element();
  const int channels = g.in_c;
  for (int block = 0; block < phase.input.blocks; ++block) {
    for (const Tap& tap : phase.taps) {
      const std::ptrdiff_t at =
          static_cast<std::ptrdiff_t>(tap.row - phase.top) * static_cast<std::ptrdiff_t>(phase.input.row_bytes) +
          block * static_cast<std::ptrdiff_t>(phase.input.block_bytes) +
          (tap.column - phase.input.first_column) * static_cast<std::ptrdiff_t>(phase.input.column_bytes);
      const int left = (channels - block * kLanes * per_element + per_element - 1) / per_element;
      phase.segments.push_back(Segment{at, std::min(left, kLanes)});
    }
  }
}

/// Flat: one segment a filter row, over columns and channels together.
void flatten_taps(const Gather& g, Phase& phase) {
  std::vector<Tap> rows;
  for (const Tap& tap : phase.taps) {
    if (rows.empty() || rows.back().row != tap.row) rows.push_back(tap);
  }
  const int columns = static_cast<int>(phase.taps.size() / rows.size());
  const int channels = columns * g.in_c;
  phase.flat_channels = channels;
  phase.segments.clear();
  for (const Tap& tap : rows) {
    phase.segments.push_back(
        Segment{static_cast<std::ptrdiff_t>(tap.row - phase.top) * static_cast<std::ptrdiff_t>(phase.input.row_bytes),
                (channels + g.channels_per_element() - 1) / g.channels_per_element()});
  }
  phase.taps = rows;
}

/// Packs two vectors of lanes from weights whose output channels are neighbours: whole elements only.
inline void pack_neighbours(const float* from, std::ptrdiff_t in_weight, int elements, float* packed) {
  for (int i = 0; i < elements; ++i)
    std::memcpy(packed + i * 2 * kLanes, from + i * in_weight, 2 * kLanes * sizeof(float));
}
inline void pack_neighbours(const Bf16* from, std::ptrdiff_t in_weight, int elements, Bf16* packed) {
  for (int i = 0; i < elements; ++i) {
    char* to = reinterpret_cast<char*>(packed) + i * 2 * 64;
    interleave_32(reinterpret_cast<const char*>(from + 2 * i * in_weight),
                  reinterpret_cast<const char*>(from + (2 * i + 1) * in_weight), to, to + 64);
  }
}

/// Packs one panel's run of one segment: `length` steps from reduction channel `first` on.
template <typename T>
void pack_segment(const Gather& g, const T* weights, int panel, int vectors, int first, int channels, int length,
                  T* packed) {
  constexpr int kPer = sizeof(float) / sizeof(T);
  const int lanes = vectors * kLanes, outputs = std::min(lanes, g.out_c - panel * 2 * kLanes);
  const T* from = weights + panel * 2 * kLanes * g.out_weight + first * g.in_weight;
  const int present = std::min(channels - first, length * kPer);
  if (g.out_weight == 1 && outputs == 2 * kLanes && present == length * kPer) {
    pack_neighbours(from, g.in_weight, length, packed);
    return;
  }
  std::memset(static_cast<void*>(packed), 0, static_cast<std::size_t>(length) * lanes * sizeof(float));
  if (g.in_weight == 1) {  // an element is 32 neighbouring bits of the weights
    const int whole = present / kPer;
    for (int o = 0; o < outputs; ++o) {
      const T* row = from + o * g.out_weight;
      T* to = packed + o * kPer;
      for (int i = 0; i < whole; ++i) std::memcpy(to + i * lanes * kPer, row + i * kPer, sizeof(float));
      if (present % kPer != 0) to[whole * lanes * kPer] = row[present - 1];
    }
    return;
  }
  for (int i = 0; i < present; ++i) {
    T* to = packed + i / kPer * lanes * kPer + i % kPer;
    for (int o = 0; o < outputs; ++o) to[o * kPer] = from[o * g.out_weight + i * g.in_weight];
  }
}

template <typename T>
void pack_panel(const Gather& g, const Phase& phase, const T* weights, int panel, char* packed) {
  const int vectors = g.vectors(panel);
  char* to = packed + phase.packed_offset + static_cast<std::size_t>(panel) * phase.steps * 2 * 64;
  const int taps = static_cast<int>(phase.taps.size());
  for (int i = 0; i < static_cast<int>(phase.segments.size()); ++i) {
    const int length = phase.segments[static_cast<std::size_t>(i)].length;
    const int first = g.flat ? 0 : i / taps * kLanes * g.channels_per_element();
    const int channels = g.flat ? phase.flat_channels : g.in_c;
    pack_segment(g, weights + phase.taps[static_cast<std::size_t>(i % taps)].weight, panel, vectors, first, channels,
                 length, reinterpret_cast<T*>(to));
    to += static_cast<std::size_t>(length) * vectors * 64;
  }
}

}  // namespace

void lay_out_gather(Gather& g) {
  g.blocks = 0;
  for (Phase& phase : g.phases) {
    lay_out_buffer(g, phase);
    if (g.flat) {
      flatten_taps(g, phase);
    } else {
      lay_out_segments(g, phase);
    }
    for (const Segment& segment : phase.segments) phase.steps += segment.length;
    phase.packed_offset = g.packed_bytes;
    g.packed_bytes += static_cast<std::size_t>(g.panels()) * phase.steps * 2 * 64;
    const int rows = (phase.block_rows - 1) * g.stride + phase.rows_read;
    g.buffer_bytes = std::max(g.buffer_bytes, static_cast<std::size_t>(rows) * phase.input.row_bytes);
    g.blocks += phase.blocks;
  }
}

void pack_weights(const Gather& g, const void* weights, char* packed, int threads) {
  const std::size_t panels = static_cast<std::size_t>(g.panels());
  with_dtype(g.dtype, "conv2d", [&](auto element) {
    using T = decltype(element);
    parallel_for(threads, g.phases.size() * panels, g.packed_bytes / (4 * g.phases.size() * panels),
                 [&](std::size_t begin, std::size_t end) {
                   for (std::size_t i = begin; i < end; ++i)
                     pack_panel(g, g.phases[i / panels], static_cast<const T*>(weights), static_cast<int>(i % panels),
                                packed);
                 });
  });
}

Gather forward_gather(const Conv2dShape& s, DType dtype) {
  Gather g;
  g.n = s.n, g.in_h = s.h, g.in_w = s.w, g.in_c = s.c;
  g.out_h = s.p(), g.out_w = s.q(), g.out_c = s.k;
  g.stride = s.stride_h, g.stride_w = s.stride_w;
  g.out_weight = static_cast<std::ptrdiff_t>(s.r) * s.s * s.c;
  g.in_weight = 1;
  g.dtype = dtype;
  g.flat = s.c * size_of(dtype) < 32 && s.s > 1;
  Phase phase;
  phase.rows = g.out_h, phase.columns = g.out_w;
  for (int r = 0; r < s.r; ++r) {
    for (int column = 0; column < s.s; ++column)
      phase.taps.push_back(Tap{r - s.pad_h, column - s.pad_w, static_cast<std::ptrdiff_t>(r * s.s + column) * s.c});
  }
  g.phases.push_back(phase);
  lay_out_gather(g);
  return g;
}

Gather backward_data_gather(const Conv2dShape& s, DType dtype) {
  Gather g;
  g.n = s.n, g.in_h = s.p(), g.in_w = s.q(), g.in_c = s.k;
  g.out_h = s.h, g.out_w = s.w, g.out_c = s.c;
  g.out_step_h = s.stride_h, g.out_step_w = s.stride_w;
  g.out_weight = 1;
  g.in_weight = static_cast<std::ptrdiff_t>(s.r) * s.s * s.c;
  g.dtype = dtype;
  // Input row h = p * stride + r - pad gets y row p: for h = i * stride + first, p = i + (first + pad - r) / stride.
  for (int first_row = 0; first_row < std::min(s.stride_h, s.h); ++first_row) {
    for (int first_column = 0; first_column < std::min(s.stride_w, s.w); ++first_column) {
      Phase phase;
      phase.first_row = first_row, phase.first_column = first_column;
      phase.rows = (s.h - first_row + s.stride_h - 1) / s.stride_h;
      phase.columns = (s.w - first_column + s.stride_w - 1) / s.stride_w;
      for (int r = s.r - 1; r >= 0; --r) {
        if (floor_mod(first_row + s.pad_h - r, s.stride_h) != 0) continue;
        for (int column = s.s - 1; column >= 0; --column) {
          if (floor_mod(first_column + s.pad_w - column, s.stride_w) != 0) continue;
          phase.taps.push_back(Tap{(first_row + s.pad_h - r) / s.stride_h,
                                   (first_column + s.pad_w - column) / s.stride_w,
                                   static_cast<std::ptrdiff_t>(r * s.s + column) * s.c});
        }
      }
      g.phases.push_back(phase);
    }
  }
  lay_out_gather(g);
  return g;
}

}  // namespace cpu
}  // namespace tsugi
#endif
