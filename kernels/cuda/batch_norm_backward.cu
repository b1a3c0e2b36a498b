// The backward op of batch normalisation, fused with the mask of the activation and the gradient of the residual: sums
// over blocks of rows, a small launch that merges them and writes the parameters' gradients, and one pass for d_x.
#include "kernels/api/batch_norm.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

template <typename Act>
struct BatchNormSums {
  const void *x, *saved, *d_y;  ///< saved: null without an activation
  int rows, c, rows_per_block;
  Act activation;
  const float* mean;             ///< [c]
  float *sum_g, *sum_g_centred;  ///< [gridDim.x,c]
};

/// Calls use(offset, x, y, d_y) with the vectors of every height-th row from `row` to `end`, loaded kRows at a time;
/// at: offset of the first.
template <int kRows, typename T, int N, typename Use>
__device__ __forceinline__ void for_rows(const T* x, const T* y, const T* d_y, int row, int end, int height,
                                         std::size_t at, std::size_t stride, const Use& use) {
  for (; end - row > (kRows - 1) * height; row += kRows * height, at += kRows * stride) {
    Vec<T, N> vx[kRows], vy[kRows], vd[kRows];
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      vx[k] = load_vec<T, N>(x + at + k * stride);
      vd[k] = load_vec<T, N>(d_y + at + k * stride);
      vy[k] = load_vec<T, N>(y + at + k * stride);
    }
#pragma unroll
    for (int k = 0; k < kRows; ++k) use(at + k * stride, vx[k], vy[k], vd[k]);
  }
  for (; row < end; row += height, at += stride) {
    use(at, load_vec<T, N>(x + at), load_vec<T, N>(y + at), load_vec<T, N>(d_y + at));
  }
}

/// sum_g[b][c] = sum of g and sum_g_centred[b][c] = sum of g (x - mean) over the rows of block b, with g =
/// activation' d_y. Grid and order as in batch_norm_statistics. Reads x, d_y and, with an activation, saved once.
template <typename T, int N, typename Act>
__global__ void __launch_bounds__(kBlockThreads) batch_norm_sums(const BatchNormSums<Act> p) {
  constexpr int kRows = N == 8 ? 2 : 4;
  TileSums<2 * N>& shared = shared_memory<TileSums<2 * N>>();
  const int c0 = tile_channel<N>(), height = static_cast<int>(blockDim.y);
  const int begin = static_cast<int>(blockIdx.x) * p.rows_per_block;
  const int end = p.rows - begin < p.rows_per_block ? p.rows : begin + p.rows_per_block;
  float sum[2 * N] = {};  // of g, and of g (x - mean)
  if (c0 < p.c) {
    float mean[N];
    load_channels<N>(p.mean, c0, mean);
    const std::size_t stride = static_cast<std::size_t>(p.c) * height;
    const int row = begin + static_cast<int>(threadIdx.y);
    const std::size_t at = static_cast<std::size_t>(row) * p.c + c0;
    const T *x = static_cast<const T*>(p.x), *d_y = static_cast<const T*>(p.d_y);
    const T* y = p.saved != nullptr ? static_cast<const T*>(p.saved) : d_y;  // which changes nothing
    const auto add = [&](std::size_t, const Vec<T, N>& vx, const Vec<T, N>& vy, const Vec<T, N>& vd) {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float g = p.activation.backward(to_float(vy.v[i]), to_float(vd.v[i]));
        sum[i] += g;
        sum[N + i] += g * (to_float(vx.v[i]) - mean[i]);
      }
    };
    for_rows<kRows, T, N>(x, y, d_y, row, end, height, at, stride, add);
  }
  sum_tile_rows<2 * N>(shared, sum);
  if (threadIdx.y != 0 || c0 >= p.c) return;
  const std::size_t at = static_cast<std::size_t>(blockIdx.x) * p.c + c0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    p.sum_g[at + i] = sum[i];
    p.sum_g_centred[at + i] = sum[N + i];
  }
}

struct BatchNormFinish {
  int rows, c, blocks;
  bool through_statistics, accumulate;
  const float *sum_g, *sum_g_centred;  ///< [blocks,c] of batch_norm_sums
  const float *gamma, *inv_std;
  float *d_gamma, *d_beta;     ///< [c]
  float *slope_of_x, *offset;  ///< [c]: d_x = gamma inv_std g - slope_of_x (x - mean) - offset
};

/// d_beta (=|+=) sum g, d_gamma (=|+=) inv_std * sum of g (x - mean), and the coefficients of batch_norm_gradient.
/// Blocks and order of the sums as in batch_norm_merge.
__global__ void __launch_bounds__(kMergeChannels* kMergeParts) batch_norm_finish(const BatchNormFinish p) {
  MergeShared& shared = shared_memory<MergeShared>();
  const int channel = static_cast<int>(blockIdx.x * kMergeChannels + threadIdx.x);
  const int c = channel < p.c ? channel : p.c - 1;
  float g = 0.0f, g_centred = 0.0f;
  for (int b = static_cast<int>(threadIdx.y); b < p.blocks; b += static_cast<int>(blockDim.y)) {
    const std::size_t at = static_cast<std::size_t>(b) * p.c + c;
    g += p.sum_g[at];
    g_centred += p.sum_g_centred[at];
  }
  const float sum_g = sum_parts(shared, g), inv_std = p.inv_std[c];
  const float sum_g_x_hat = sum_parts(shared, g_centred) * inv_std;
  if (threadIdx.y != 0 || channel >= p.c) return;
  p.d_beta[c] = p.accumulate ? p.d_beta[c] + sum_g : sum_g;
  p.d_gamma[c] = p.accumulate ? p.d_gamma[c] + sum_g_x_hat : sum_g_x_hat;
  const float scale = p.gamma[c] * inv_std, rows = static_cast<float>(p.rows);
  p.slope_of_x[c] = p.through_statistics ? scale * inv_std * (sum_g_x_hat / rows) : 0.0f;
  p.offset[c] = p.through_statistics ? scale * (sum_g / rows) : 0.0f;
}

template <typename Act>
struct BatchNormGradient {
  const void *x, *saved, *d_y;  ///< saved: null without an activation
  void *d_x, *d_residual;       ///< d_residual: or null
  int rows, c, rows_per_block;
  Act activation;
  bool accumulate_residual;
  const float *gamma, *mean, *inv_std, *slope_of_x, *offset;  ///< [c]
};

/// d_x = gamma inv_std g - slope_of_x (x - mean) - offset, and d_residual (=|+=) g = activation' d_y.
/// Grid and rows as in batch_norm_normalise, the rows that batch_norm_sums read last first. Moves each tensor once.
/// d_x may be d_y: a thread reads an element before it writes it, and no other thread touches it.
template <typename T, int N, typename Act>
__global__ void __launch_bounds__(kBlockThreads) batch_norm_gradient(const BatchNormGradient<Act> p) {
  constexpr int kRows = N == 8 ? 1 : 2;
  const int c0 = tile_channel<N>(), height = static_cast<int>(blockDim.y);
  if (c0 >= p.c) return;
  const int begin = static_cast<int>(gridDim.x - 1 - blockIdx.x) * p.rows_per_block;
  const int end = p.rows - begin < p.rows_per_block ? p.rows : begin + p.rows_per_block;
  float mean[N], scale[N], slope_of_x[N], offset[N], inv_std[N];
  load_channels<N>(p.mean, c0, mean);
  load_channels<N>(p.gamma, c0, scale);
  load_channels<N>(p.inv_std, c0, inv_std);
  load_channels<N>(p.slope_of_x, c0, slope_of_x);
  load_channels<N>(p.offset, c0, offset);
#pragma unroll
  for (int i = 0; i < N; ++i) scale[i] *= inv_std[i];
  const std::size_t stride = static_cast<std::size_t>(p.c) * height;
  const int row = begin + static_cast<int>(threadIdx.y);
  const std::size_t at = static_cast<std::size_t>(row) * p.c + c0;
  const T *x = static_cast<const T*>(p.x), *d_y = static_cast<const T*>(p.d_y);
  const T* y = p.saved != nullptr ? static_cast<const T*>(p.saved) : d_y;  // which changes nothing
  T *d_x = static_cast<T*>(p.d_x), *d_residual = static_cast<T*>(p.d_residual);
  const auto write = [&](std::size_t i0, const Vec<T, N>& vx, const Vec<T, N>& vy, const Vec<T, N>& vd) {
    Vec<T, N> result, old = {}, passed;
    if (d_residual != nullptr && p.accumulate_residual) old = load_vec<T, N>(d_residual + i0);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float g = p.activation.backward(to_float(vy.v[i]), to_float(vd.v[i]));
      result.v[i] = from_float<T>(scale[i] * g - slope_of_x[i] * (to_float(vx.v[i]) - mean[i]) - offset[i]);
      passed.v[i] = from_float<T>(g + to_float(old.v[i]));
    }
    store_vec<T, N>(d_x + i0, result);
    if (d_residual != nullptr) store_vec<T, N>(d_residual + i0, passed);
  };
  for_rows<kRows, T, N>(x, y, d_y, row, end, height, at, stride, write);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T, int N, typename Act>
void backward(Runtime& runtime, const BatchNormBackward& op, const Act& act) {
  const BatchNormShape& s = op.shape;
  const BatchNormBlocks blocks(s);
  const BatchNormScratch scratch(op.workspace, s, blocks);
  const ChannelTile tile = channel_tile(s.c, N);
  const dim3 grid(static_cast<unsigned>(blocks.count), tile.slabs);
  const dim3 pass_grid(static_cast<unsigned>(blocks.pass_count), tile.slabs);
  const void* saved = op.activation.kind == ActivationKind::none ? nullptr : op.saved;
  const BatchNormSums<Act> sums{op.x,        saved, op.d_y,        s.rows,        s.c,
                                blocks.rows, act,   op.saved_mean, scratch.first, scratch.second};
  runtime.launch("batch_norm_sums", &batch_norm_sums<T, N, Act>, grid, tile.block(), sums);
  const bool through_statistics = op.mode == BatchNormMode::batch_statistics;
  const BatchNormFinish finish{s.rows,
                               s.c,
                               blocks.count,
                               through_statistics,
                               op.write == Write::accumulate,
                               scratch.first,
                               scratch.second,
                               op.gamma,
                               op.saved_inv_std,
                               op.d_gamma,
                               op.d_beta,
                               scratch.coefficient0,
                               scratch.coefficient1};
  runtime.launch("batch_norm_finish", &batch_norm_finish, merge_grid(s.c), merge_block(blocks.count), finish);
  const BatchNormGradient<Act> gradient{op.x,
                                        saved,
                                        op.d_y,
                                        op.d_x,
                                        op.d_residual,
                                        s.rows,
                                        s.c,
                                        blocks.pass_rows,
                                        act,
                                        op.write_residual == Write::accumulate,
                                        op.gamma,
                                        op.saved_mean,
                                        op.saved_inv_std,
                                        scratch.coefficient0,
                                        scratch.coefficient1};
  runtime.launch("batch_norm_gradient", &batch_norm_gradient<T, N, Act>, pass_grid, tile.block(), gradient);
}

}  // namespace

void batch_norm_backward(Runtime& runtime, const BatchNormBackward& op) {
  const bool is_aligned = aligned(16, op.x, op.saved, op.d_y, op.d_x, op.d_residual);
  with_kernel_activation(op.activation, [&](auto act) {
    using Act = decltype(act);
    if (op.dtype == DType::f16) {
      pick(runtime, op, act, is_aligned, 8, &backward<__half, 8, Act>, &backward<__half, 1, Act>);
    } else {
      pick(runtime, op, act, is_aligned, 4, &backward<float, 4, Act>, &backward<float, 1, Act>);
    }
  });
}

#else
#define TSUGI_INSTANCE(T, N, Act)                                                \
  template __global__ void batch_norm_sums<T, N, Act>(const BatchNormSums<Act>); \
  template __global__ void batch_norm_gradient<T, N, Act>(const BatchNormGradient<Act>);
TSUGI_INSTANCE(float, 4, Rectifier)
TSUGI_INSTANCE(float, 1, Rectifier)
TSUGI_INSTANCE(__half, 8, Rectifier)
TSUGI_INSTANCE(__half, 1, Rectifier)
TSUGI_INSTANCE(float, 4, SmoothActivation)
TSUGI_INSTANCE(float, 1, SmoothActivation)
TSUGI_INSTANCE(__half, 8, SmoothActivation)
TSUGI_INSTANCE(__half, 1, SmoothActivation)
#undef TSUGI_INSTANCE
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
