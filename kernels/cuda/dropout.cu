// Dropout. The forward op draws four elements from one Philox block, as the contract says, and keeps a byte an element;
// the backward op reads the byte.
#include "kernels/api/philox.h"
#include "kernels/api/pointwise.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

struct DropoutForwardParams : DropoutForward {
  explicit DropoutForwardParams(const DropoutForward& op) : DropoutForward(op), scale(1.0f / (1.0f - op.rate)) {}
  float scale;
};

/// mask[i][e] = uniform01(philox(seed, epoch, sample_ids[i], purpose, e / 4).v[e % 4]) >= rate, y = mask ? x * scale :
/// 0. Grid: blockIdx.y strides over samples, x over their draws; a thread owns the four elements of one draw, moved by
/// one access of x, y and mask each where kVector (per_sample a multiple of 4, pointers aligned), else one by one.
/// Moves x, y and the mask once; the ten rounds of Philox weigh as much as the memory does on one multiprocessor.
template <typename T, bool kVector>
__global__ void __launch_bounds__(kBlockThreads) dropout_forward_draw(const DropoutForwardParams p) {
  const std::size_t draws = (p.per_sample + 3) / 4;
  const std::uint64_t seed = p.step->seed;
  const std::uint32_t epoch = p.step->epoch;
  for (int sample = static_cast<int>(blockIdx.y); sample < p.n; sample += static_cast<int>(gridDim.y)) {
    const std::uint32_t id = p.sample_ids[sample];
    for (std::size_t draw = grid_thread(); draw < draws; draw += grid_threads()) {
      const Philox4 words = philox(seed, epoch, id, p.draw_purpose, static_cast<std::uint32_t>(draw));
      const std::size_t at = static_cast<std::size_t>(sample) * p.per_sample + draw * 4;
      const T* x = static_cast<const T*>(p.x) + at;
      T* y = static_cast<T*>(p.y) + at;
      if (kVector) {
        const Vec<T, 4> in = load_vec<T, 4>(x);
        Vec<T, 4> out;
        Vec<std::uint8_t, 4> kept;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          kept.v[k] = uniform01(words.v[k]) >= p.rate ? 1 : 0;
          out.v[k] = from_float<T>(kept.v[k] != 0 ? to_float(in.v[k]) * p.scale : 0.0f);
        }
        store_vec<T, 4>(y, out);
        store_vec<std::uint8_t, 4>(p.mask + at, kept);
      } else {
        const std::size_t left = p.per_sample - draw * 4;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          if (static_cast<std::size_t>(k) >= left) continue;
          const bool kept = uniform01(words.v[k]) >= p.rate;
          y[k] = from_float<T>(kept ? to_float(x[k]) * p.scale : 0.0f);
          p.mask[at + k] = kept ? 1 : 0;
        }
      }
    }
  }
}

struct DropoutBackwardParams : DropoutBackward {
  explicit DropoutBackwardParams(const DropoutBackward& op)
      : DropoutBackward(op), scale(1.0f / (1.0f - op.rate)), rectifier(op.activation) {
    if (op.activation.kind == ActivationKind::none) y = d_y;  // which changes nothing
  }
  float scale;
  Rectifier rectifier;
};

template <typename T, int N>
__device__ __forceinline__ void dropout_gradient(const DropoutBackwardParams& p, std::size_t i) {
  const Vec<T, N> sign = load_vec<T, N>(static_cast<const T*>(p.y) + i);
  const Vec<T, N> gradient = load_vec<T, N>(static_cast<const T*>(p.d_y) + i);
  const Vec<std::uint8_t, N> kept = load_vec<std::uint8_t, N>(p.mask + i);
  T* d_x = static_cast<T*>(p.d_x) + i;
  Vec<T, N> out = {};
  const bool accumulate = p.write == Write::accumulate;
  if (accumulate) out = load_vec<T, N>(d_x);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float g = p.rectifier.backward(to_float(sign.v[k]), to_float(gradient.v[k])) * p.scale;
    const float added = kept.v[k] != 0 ? g : 0.0f;
    out.v[k] = from_float<T>(accumulate ? to_float(out.v[k]) + added : added);
  }
  store_vec<T, N>(d_x, out);
}

/// d_x (=|+=) activation'(y) * (mask ? d_y * scale : 0). Grid-stride over vectors of N elements, the last count % N one
/// at a time; moves y (with an activation), d_y, the mask and d_x once, 16 bytes an access (the mask's 4 or 8).
template <typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) dropout_backward_mask(const DropoutBackwardParams p) {
  const std::size_t vectors = p.count / N;
  for (std::size_t i = grid_thread(); i < vectors; i += grid_threads()) dropout_gradient<T, N>(p, i * N);
  const std::size_t rest = vectors * N + grid_thread();
  if (N > 1 && rest < p.count) dropout_gradient<T, 1>(p, rest);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T>
void forward(Runtime& runtime, const DropoutForward& op) {
  const dim3 grid(flat_blocks((op.per_sample + 3) / 4), static_cast<unsigned>(op.n < 65535 ? op.n : 65535));
  const bool vector = op.per_sample % 4 == 0 && aligned(4 * sizeof(T), op.x, op.y) && aligned(4, op.mask);
  runtime.launch("dropout_forward", vector ? &dropout_forward_draw<T, true> : &dropout_forward_draw<T, false>, grid,
                 kBlockThreads, DropoutForwardParams(op));
}

template <typename T>
void backward(Runtime& runtime, const DropoutBackward& op) {
  constexpr int kWidth = vector_width<T>();
  const DropoutBackwardParams params(op);
  if (aligned(16, params.y, op.d_y, op.d_x) && aligned(kWidth, op.mask)) {
    runtime.launch("dropout_backward", &dropout_backward_mask<T, kWidth>, flat_blocks((op.count + kWidth - 1) / kWidth),
                   kBlockThreads, params);
  } else {
    runtime.launch("dropout_backward", &dropout_backward_mask<T, 1>, flat_blocks(op.count), kBlockThreads, params);
  }
}

}  // namespace

void dropout_forward(Runtime& runtime, const DropoutForward& op) {
  (op.dtype == DType::f16 ? forward<__half> : forward<float>)(runtime, op);
}
void dropout_backward(Runtime& runtime, const DropoutBackward& op) {
  (op.dtype == DType::f16 ? backward<__half> : backward<float>)(runtime, op);
}

#else
template __global__ void dropout_forward_draw<float, true>(const DropoutForwardParams);
template __global__ void dropout_forward_draw<float, false>(const DropoutForwardParams);
template __global__ void dropout_forward_draw<__half, true>(const DropoutForwardParams);
template __global__ void dropout_forward_draw<__half, false>(const DropoutForwardParams);
template __global__ void dropout_backward_mask<float, 4>(const DropoutBackwardParams);
template __global__ void dropout_backward_mask<float, 1>(const DropoutBackwardParams);
template __global__ void dropout_backward_mask<__half, 8>(const DropoutBackwardParams);
template __global__ void dropout_backward_mask<__half, 1>(const DropoutBackwardParams);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
