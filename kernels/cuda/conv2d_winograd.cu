// conv2d forward and backward-data of 3x3 filters with stride 1 by Winograd's F(2x2,3x3), float32: 16 multiplications
// for four results instead of 36 (Lavin and Gray, https://arxiv.org/abs/1509.09308). Backward-data is the forward pass
// over d_y with rotated filters.
//   y tile = A^T ((G g G^T) * (B^T d B)) A for tiles of 2x2 results, 4x4 inputs; * element by element, summed over
//   channels
// Transforms have entries 0, +-1 and +-1/2: an input transform adds four inputs, a filter transform weighs nine by at
// most (3/2)^2 = 9/4 altogether, so terms that cancel in the result pass through sums of up to 4 x 9/4 = 9 times their
// size, and the error bound is 9 times that of a direct sum.
#include "kernels/api/rows.h"
#include "kernels/cuda/device/gemm_load.h"
#include "kernels/cuda/device/gemm_tile.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/split_reduce.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kWinogradThreads = 256;
constexpr int kWinogradTiles = 32, kWinogradFilters = 32;  ///< of a block
constexpr int kWinogradChannels = 8;                       ///< of a stage
constexpr int kPositions = 16;                             ///< of a transformed tile, row by row

/// The registry row's tile as a type; the kernel is made for one.
template <int M, int N, int K, int ThreadM, int ThreadN>
struct WinogradTile {
  static_assert(M == kWinogradTiles * 4 && N == kWinogradFilters && K == kWinogradChannels, "the kernel has one tile");
  static constexpr int kThreads = kWinogradThreads;
};

struct WinogradFilterParams {
  const float* w;  ///< [k,3,3,c]
  float* u;        ///< [16, inputs rounded up to 8, outputs rounded up to 32]
  int inputs, outputs, padded_inputs, padded_outputs;
  bool rotated;  ///< backward-data: inputs are filters, outputs channels
};

/// u[position, input, output] = (G g G^T)[position], g the filter from input to output, zeros beyond the last of
/// either. A thread owns one filter, a block 8 inputs x 32 outputs: neighbouring threads read 8 neighbouring channels
/// (forward) and write 4 neighbouring outputs. 9 values in, 16 out. Overwrites u.
__global__ void __launch_bounds__(kWinogradThreads) conv2d_winograd_filter_kernel(const WinogradFilterParams p) {
  const int thread = static_cast<int>(threadIdx.x);
  const int input = static_cast<int>(blockIdx.x) * kWinogradChannels + thread % kWinogradChannels;
  const int output = static_cast<int>(blockIdx.y) * kWinogradFilters + thread / kWinogradChannels;
  float g[3][3] = {};
  if (input < p.inputs && output < p.outputs) {
    const int channels = p.rotated ? p.outputs : p.inputs;
    const float* from =
        p.w +
        (p.rotated
             ? static_cast<unsigned>(input) * 9u * static_cast<unsigned>(channels) + static_cast<unsigned>(output)
             : static_cast<unsigned>(output) * 9u * static_cast<unsigned>(channels) + static_cast<unsigned>(input));
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const int source = p.rotated ? 8 - tap : tap;
      g[tap / 3][tap % 3] = from[static_cast<unsigned>(source * channels)];
    }
  }
  float rows[4][3];  // G g
#pragma unroll
  for (int s = 0; s < 3; ++s) {
    const float ends = g[0][s] + g[2][s];
    rows[0][s] = g[0][s];
    rows[1][s] = 0.5f * (ends + g[1][s]);
    rows[2][s] = 0.5f * (ends - g[1][s]);
    rows[3][s] = g[2][s];
  }
  const std::size_t plane = static_cast<std::size_t>(p.padded_inputs) * static_cast<unsigned>(p.padded_outputs);
  float* to =
      p.u + static_cast<unsigned>(input) * static_cast<std::size_t>(p.padded_outputs) + static_cast<unsigned>(output);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float ends = rows[i][0] + rows[i][2];
    to[static_cast<std::size_t>(i * 4) * plane] = rows[i][0];
    to[static_cast<std::size_t>(i * 4 + 1) * plane] = 0.5f * (ends + rows[i][1]);
    to[static_cast<std::size_t>(i * 4 + 2) * plane] = 0.5f * (ends - rows[i][1]);
    to[static_cast<std::size_t>(i * 4 + 3) * plane] = rows[i][2];
  }
}

struct WinogradParams {
  const float* x;     ///< [n,h,w,inputs]: x, or d_y
  const float* u;     ///< transformed filters
  const float* bias;  ///< [outputs], or null
  const float* mask;  ///< [n,rows,columns,outputs], the activation's output; or null
  float* y;           ///< [n,rows,columns,outputs]: y, or d_x
  int h, w, inputs, padded_inputs;
  int rows, columns, outputs, padded_outputs;
  int pad_h, pad_w;
  int tile_rows, tile_columns, tiles, slabs;  ///< tiles: of all images
  Rectifier activation;
  bool accumulate;
  bool wide;  ///< two neighbouring outputs can be moved at once
};

/// Input tiles as [position][channel][tile], filters as [position][channel][filter]; at the end the products of half
/// the tiles as [position][tile][filter].
struct alignas(16) WinogradShared {
  float v[kPositions * kWinogradChannels * kWinogradTiles];
  float u[kPositions * kWinogradChannels * kWinogradFilters];
};
static_assert(kPositions * kWinogradTiles / 2 * kWinogradFilters * sizeof(float) == sizeof(WinogradShared),
              "half the products fill the shared memory");

/// A tile of the output.
struct WinogradOutput {
  int image, row, column;  ///< of its first result
  __device__ __forceinline__ WinogradOutput(const WinogradParams& p, int tile) {
    const int line = tile / p.tile_columns;
    image = line / p.tile_rows;
    row = (line - image * p.tile_rows) * 2;
    column = (tile - line * p.tile_columns) * 2;
  }
};

/// One channel of a 4x4 input tile, on its way to shared memory.
struct WinogradInput {
  const float* from;
  unsigned exists;  ///< a bit for each pixel within the image
  unsigned pitch_w, pitch_h;
  int channel;
  float d[16];

  __device__ __forceinline__ WinogradInput(const WinogradParams& p, int tile, int first_channel)
      : channel(first_channel) {
    const WinogradOutput at(p, tile < p.tiles ? tile : 0);
    const int h = at.row - p.pad_h, w = at.column - p.pad_w;
    pitch_w = static_cast<unsigned>(p.inputs);
    pitch_h = pitch_w * static_cast<unsigned>(p.w);
    exists = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      if (static_cast<unsigned>(h + i / 4) < static_cast<unsigned>(p.h) &&
          static_cast<unsigned>(w + i % 4) < static_cast<unsigned>(p.w))
        exists |= 1u << i;
    }
    if (tile >= p.tiles) exists = 0;
    offset = static_cast<unsigned>(at.image * p.h + h) * pitch_h + static_cast<unsigned>(w) * pitch_w +
             static_cast<unsigned>(channel);
    from = p.x;
  }
  __device__ __forceinline__ void load(int inputs) {
    const unsigned wanted = channel < inputs ? exists : 0u;
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      d[i] = 0.0f;
      if ((wanted & (1u << i)) != 0)
        d[i] = load_read_only<float, 1>(
                   from + (offset + static_cast<unsigned>(i / 4) * pitch_h + static_cast<unsigned>(i % 4) * pitch_w))
                   .v[0];
    }
    channel += kWinogradChannels;
    offset += kWinogradChannels;
  }
  /// d = B^T d B
  __device__ __forceinline__ void transform() {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float a = d[i], b = d[4 + i], c = d[8 + i], e = d[12 + i];
      d[i] = a - c;
      d[4 + i] = b + c;
      d[8 + i] = c - b;
      d[12 + i] = b - e;
    }
#pragma unroll
    for (int i = 0; i < 16; i += 4) {
      const float a = d[i], b = d[i + 1], c = d[i + 2], e = d[i + 3];
      d[i] = a - c;
      d[i + 1] = b + c;
      d[i + 2] = c - b;
      d[i + 3] = b - e;
    }
  }

 private:
  unsigned offset;  ///< of the first pixel, modulo 2^32: it may lie before the tensor
};

/// Where channel `channel` of tile `tile` lies in a position's [channel][tile]: words of four tiles change places by
/// channel, so that threads which store 8 channels x 4 tiles meet 32 banks.
__device__ __forceinline__ int winograd_place(int channel, int tile) {
  return channel * kWinogradTiles + ((tile / 4 ^ channel) * 4 | tile % 4);
}

/// sums += V U of one stage for two positions; a thread has tiles tile .. tile + 3 and
/// tile + 16 .. tile + 19 (tile < 16) x 4 filters of each.
__device__ __forceinline__ void multiply_stage(const WinogradShared& shared, int position, int tile, int filter,
                                               float (&sums)[2][8][4]) {
#pragma unroll
  for (int c = 0; c < kWinogradChannels; ++c) {
    // winograd_place() of tile and of tile + 16, in a form that leaves four addresses for the loop to keep.
    const int word = (tile / 4 ^ c % 4) * 4 + c * kWinogradTiles, low = word + c / 4 * 16,
              high = word + (1 - c / 4) * 16;
#pragma unroll
    for (int other = 0; other < 2; ++other) {
      const float* v = shared.v + (position + other) * (kWinogradChannels * kWinogradTiles);
      const Vec<float, 4> a = load_vec<float, 4>(v + low), b = load_vec<float, 4>(v + high);
      const Vec<float, 4> u =
          load_vec<float, 4>(shared.u + ((position + other) * kWinogradChannels + c) * kWinogradFilters + filter);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          sums[other][i][j] += a.v[i] * u.v[j];
          sums[other][4 + i][j] += b.v[i] * u.v[j];
        }
      }
    }
  }
}

/// What the op does with a sum of pixel `index / outputs` and output `k`.
__device__ __forceinline__ float finish(const WinogradParams& p, float sum, unsigned index, int k) {
  if (p.bias != nullptr) sum += p.bias[k];
  if (p.accumulate) sum += p.y[index];
  return p.mask != nullptr ? p.activation.backward(p.mask[index], sum) : p.activation.forward(sum);
}

/// Forward: y = activation(conv(x, w) + bias). Backward-data: d_x = activation'(mask) * (conv(d_y, rotated w) [+ d_x]).
/// A block owns 32 tiles of 2x2 results x 32 outputs and all 16 positions; a warp two positions, a thread 8 tiles x 4
/// outputs of each. A stage brings 8 channels: a thread one 4x4 input tile of one channel (8 neighbouring threads read
/// a sector of 32 bytes), which it transforms in registers, and 16 transformed weights by 128-bit loads. The next
/// inputs travel while a stage is multiplied. At the end the positions meet in shared memory, half the tiles at a time;
/// outputs are stored 64 bits a thread, 128 bytes a pixel. Inputs are read for every 32 outputs and overlap four times
/// (read-only cache, L2). Shared memory: 32 KB. Overwrites y or adds to it.
template <typename Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2) conv2d_winograd_kernel(const WinogradParams p) {
  WinogradShared& shared = shared_memory<WinogradShared>();
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, block = static_cast<int>(blockIdx.x);
  const int tile_block = block / p.slabs, first_tile = tile_block * kWinogradTiles;
  const int first_filter = (block - tile_block * p.slabs) * kWinogradFilters;
  const int position = thread / 32 * 2, tile = lane / 8 * 4, filter = lane % 8 * 4;
  const int load_channel = thread % kWinogradChannels, load_tile = thread / kWinogradChannels;

  // Weights: thread / 8 counts channels within positions, 4 positions apart; thread % 8 words of four filters.
  const unsigned row_pitch = static_cast<unsigned>(p.padded_outputs);
  const std::size_t plane = static_cast<std::size_t>(p.padded_inputs) * row_pitch;
  const float* weights = p.u + static_cast<std::size_t>(thread / 64) * plane +
                         static_cast<unsigned>(thread / 8 % 8) * row_pitch +
                         static_cast<unsigned>(first_filter + filter);

  float sums[2][8][4] = {};
  WinogradInput input(p, first_tile + load_tile, load_channel);
  input.load(p.inputs);
#pragma unroll 1
  for (int channel = 0; channel < p.padded_inputs; channel += kWinogradChannels) {
    Vec<float, 4> u[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) u[i] = load_read_only<float, 4>(weights + static_cast<std::size_t>(i * 4) * plane);
    weights += kWinogradChannels * row_pitch;
    input.transform();
    __syncthreads();  // the last stage has been read
#pragma unroll
    for (int i = 0; i < 4; ++i) store_vec<float, 4>(shared.u + (thread + i * kWinogradThreads) * 4, u[i]);
#pragma unroll
    for (int i = 0; i < 16; ++i)
      shared.v[i * (kWinogradChannels * kWinogradTiles) + winograd_place(load_channel, load_tile)] = input.d[i];
    __syncthreads();
    input.load(p.inputs);
    multiply_stage(shared, position, tile, filter, sums);
  }

  const int out_filter = first_filter + thread % 16 * 2;
  float* products = shared.v;  // and on through u
#pragma unroll
  for (int piece = 0; piece < 2; ++piece) {
    __syncthreads();
#pragma unroll
    for (int other = 0; other < 2; ++other) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        Vec<float, 4> four;
#pragma unroll
        for (int j = 0; j < 4; ++j) four.v[j] = sums[other][piece * 4 + i][j];
        store_vec<float, 4>(products + ((position + other) * 16 + tile + i) * kWinogradFilters + filter, four);
      }
    }
    __syncthreads();
    const int out_tile = first_tile + piece * 16 + thread / 16;
    if (out_tile >= p.tiles || out_filter >= p.outputs) continue;
    // A^T m A, column by column of m.
    float top[2][2] = {}, bottom[2][2] = {};  // [column of the result][filter]
#pragma unroll
    for (int column = 0; column < 4; ++column) {
      Vec<float, 2> m[4];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        m[i] =
            load_vec<float, 2>(products + ((i * 4 + column) * 16 + thread / 16) * kWinogradFilters + thread % 16 * 2);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float upper = m[0].v[e] + m[1].v[e] + m[2].v[e], lower = m[1].v[e] - m[2].v[e] - m[3].v[e];
        if (column < 3) {
          top[0][e] += upper;
          bottom[0][e] += lower;
        }
        if (column > 0) {
          top[1][e] += column == 1 ? upper : -upper;
          bottom[1][e] += column == 1 ? lower : -lower;
        }
      }
    }
    const WinogradOutput at(p, out_tile);
#pragma unroll
    for (int pixel = 0; pixel < 4; ++pixel) {
      const int row = at.row + pixel / 2, column = at.column + pixel % 2;
      if (row >= p.rows || column >= p.columns) continue;
      const unsigned index =
          static_cast<unsigned>((at.image * p.rows + row) * p.columns + column) * static_cast<unsigned>(p.outputs) +
          static_cast<unsigned>(out_filter);
      const float(&sum)[2] = pixel / 2 == 0 ? top[pixel % 2] : bottom[pixel % 2];
      Vec<float, 2> y;
      y.v[0] = finish(p, sum[0], index, out_filter);
      if (p.wide) {
        y.v[1] = finish(p, sum[1], index + 1, out_filter + 1);
        store_vec<float, 2>(p.y + index, y);
      } else {
        p.y[index] = y.v[0];
        if (out_filter + 1 < p.outputs) p.y[index + 1] = finish(p, sum[1], index + 1, out_filter + 1);
      }
    }
  }
}

#ifndef __CUDACC_RTC__
namespace {

template <typename Operation>
struct WinogradPass : Pass<Operation> {
  static bool covers(const Conv2dShape& s) {
    return s.r == 3 && s.s == 3 && s.stride_h == 1 && s.stride_w == 1 && s.groups == 1 && s.pad_h <= 2 &&
           s.pad_w <= 2 && fits_gemm_offsets(s);
  }
};

int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

std::size_t filter_bytes(int inputs, int outputs) {
  return static_cast<std::size_t>(kPositions) * static_cast<std::size_t>(round_up(inputs, kWinogradChannels)) *
         static_cast<std::size_t>(round_up(outputs, kWinogradFilters)) * sizeof(float);
}

/// Transforms the filters into `u`, then runs the passes over the tiles. p: everything but the tiles and u.
template <typename Tile>
void launch_passes(Runtime& runtime, const char* name, const float* w, bool rotated, float* u, int images,
                   WinogradParams p) {
  p.u = u;
  p.padded_inputs = round_up(p.inputs, kWinogradChannels);
  p.padded_outputs = round_up(p.outputs, kWinogradFilters);
  p.tile_rows = (p.rows + 1) / 2;
  p.tile_columns = (p.columns + 1) / 2;
  p.tiles = images * p.tile_rows * p.tile_columns;
  p.slabs = p.padded_outputs / kWinogradFilters;
  p.wide = p.outputs % 2 == 0 && aligned(p.y, 8);
  const WinogradFilterParams filters{w, u, p.inputs, p.outputs, p.padded_inputs, p.padded_outputs, rotated};
  const dim3 filter_grid(static_cast<unsigned>(p.padded_inputs / kWinogradChannels), static_cast<unsigned>(p.slabs));
  runtime.launch(name, &conv2d_winograd_filter_kernel, filter_grid, dim3(kWinogradThreads), filters);
  const unsigned blocks = static_cast<unsigned>((p.tiles + kWinogradTiles - 1) / kWinogradTiles);
  runtime.launch(name, &conv2d_winograd_kernel<Tile>, dim3(blocks * static_cast<unsigned>(p.slabs)),
                 dim3(Tile::kThreads), p);
}

template <typename T, typename Tile>
struct WinogradForward : WinogradPass<Conv2dForward> {
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo&) { return filter_bytes(s.c, s.k); }
  static void launch(Runtime& runtime, const Conv2dForward& op) {
    const Conv2dShape& s = op.shape;
    WinogradParams p{};
    p.x = static_cast<const float*>(op.x);
    p.bias = op.bias;
    p.y = static_cast<float*>(op.y);
    p.h = s.h;
    p.w = s.w;
    p.inputs = s.c;
    p.rows = s.p();
    p.columns = s.q();
    p.outputs = s.k;
    p.pad_h = s.pad_h;
    p.pad_w = s.pad_w;
    p.activation = Rectifier(op.activation);
    launch_passes<Tile>(runtime, "conv2d_forward", static_cast<const float*>(op.w), false,
                        static_cast<float*>(op.workspace), s.n, p);
  }
};

template <typename T, typename Tile>
struct WinogradBackwardData : WinogradPass<Conv2dBackwardData> {
  static std::size_t workspace(const Conv2dShape& s, const DeviceInfo&) { return filter_bytes(s.k, s.c); }
  static void launch(Runtime& runtime, const Conv2dBackwardData& op) {
    const Conv2dShape& s = op.shape;
    WinogradParams p{};
    p.x = static_cast<const float*>(op.d_y);
    p.y = static_cast<float*>(op.d_x);
    p.h = s.p();
    p.w = s.q();
    p.inputs = s.k;
    p.rows = s.h;
    p.columns = s.w;
    p.outputs = s.c;
    p.pad_h = 2 - s.pad_h;
    p.pad_w = 2 - s.pad_w;
    p.mask = op.activation.kind == ActivationKind::none ? nullptr : static_cast<const float*>(op.saved);
    p.activation = Rectifier(op.activation);
    p.accumulate = op.write == Write::accumulate;
    launch_passes<Tile>(runtime, "conv2d_backward_data", static_cast<const float*>(op.w), true,
                        static_cast<float*>(op.workspace), s.n, p);
  }
};

}  // namespace

std::vector<Kernel> conv2d_forward_winograd() {
  return {TSUGI_CONV2D_WINOGRAD_ROWS(TSUGI_KERNEL, WinogradForward, WinogradTile, "winograd")};
}
std::vector<Kernel> conv2d_backward_data_winograd() {
  return {TSUGI_CONV2D_WINOGRAD_ROWS(TSUGI_KERNEL, WinogradBackwardData, WinogradTile, "winograd")};
}

#else
TSUGI_CONV2D_WINOGRAD_ROWS(TSUGI_TILE_INSTANCE, conv2d_winograd_kernel, WinogradParams, WinogradTile)
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
