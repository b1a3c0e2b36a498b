// Dequantise-and-gather: stored 8-bit activations -> a batch in the type that the kernels compute in.
#include "kernels/api/dequantize_gather.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// x[i,e] = offset[e % c] + scale[e % c] * rows[index[i],e].
/// Grid: rows of the batch x parts of a row, grid-stride over a row; a thread owns N neighbouring elements. A warp
/// reads 32 N consecutive bytes and writes 512 consecutive bytes (N > 1); the tables, a few hundred bytes, come from
/// the cache. Moves rows and x once. N > 1: c is a multiple of N, rows are aligned to N bytes, x to 16, the tables to 4
/// N. Overwrites.
template <typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) dequantize_row(const DequantizeGather op) {
  const std::size_t row = blockIdx.x, count = static_cast<std::size_t>(op.count);
  const std::uint8_t* from = op.rows + op.index[row] * count;
  T* to = static_cast<T*>(op.x) + row * count;
  const unsigned vectors = static_cast<unsigned>(op.count) / N, channel_vectors = static_cast<unsigned>(op.c) / N;
  for (unsigned i = blockIdx.y * blockDim.x + threadIdx.x; i < vectors; i += gridDim.y * blockDim.x) {
    const unsigned c0 = i % channel_vectors * N;
    const Vec<std::uint8_t, N> levels = load_vec<std::uint8_t, N>(from + static_cast<std::size_t>(i) * N);
    Vec<T, N> out;
    constexpr int kStep = N < 4 ? N : 4;  // floats of one access
#pragma unroll
    for (int k = 0; k < N; k += kStep) {
      const Vec<float, kStep> scale = load_vec<float, kStep>(op.scale + c0 + k);
      const Vec<float, kStep> offset = load_vec<float, kStep>(op.offset + c0 + k);
#pragma unroll
      for (int j = 0; j < kStep; ++j)
        out.v[k + j] = from_float<T>(offset.v[j] + scale.v[j] * static_cast<float>(levels.v[k + j]));
    }
    store_vec<T, N>(to + static_cast<std::size_t>(i) * N, out);
  }
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T>
void run(Runtime& runtime, const DequantizeGather& op) {
  constexpr int kWidth = vector_width<T>();
  const bool vector = op.c % kWidth == 0 && aligned(kWidth, op.rows) && aligned(16, op.x, op.scale, op.offset);
  const unsigned vectors = static_cast<unsigned>(op.count / (vector ? kWidth : 1));
  const unsigned parts = (vectors + kBlockThreads - 1) / kBlockThreads, most = 64;
  const dim3 grid(static_cast<unsigned>(op.n), parts < most ? parts : most);
  runtime.launch("dequantize_gather", vector ? &dequantize_row<T, kWidth> : &dequantize_row<T, 1>, grid, kBlockThreads,
                 op);
}

}  // namespace

void dequantize_gather(Runtime& runtime, const DequantizeGather& op) {
  (op.dtype == DType::f16 ? run<__half> : run<float>)(runtime, op);
}

#else
template __global__ void dequantize_row<float, 4>(const DequantizeGather);
template __global__ void dequantize_row<float, 1>(const DequantizeGather);
template __global__ void dequantize_row<__half, 8>(const DequantizeGather);
template __global__ void dequantize_row<__half, 1>(const DequantizeGather);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
