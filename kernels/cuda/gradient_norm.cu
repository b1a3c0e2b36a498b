// The norm of the whole gradient, and what follows from it: the clip factor and the next loss scale. Two launches: sums
// of squares of chunks, then their sum. Chunks are the same on every device, so the bits are too.
#include <math.h>

#include "kernels/api/optimizer.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kNormPerThread =
    32;  ///< elements that a thread sums in float32: errs by at most 16 units in the last place
constexpr int kNormChunk = kBlockThreads * kNormPerThread;

struct SumOfSquares {
  std::size_t count;
  const float* g;
  double* partial;  ///< [gridDim.x]
};

/// One thread's share of a chunk, [begin, end) in steps of 256 vectors of N, in the arithmetic of Sum.
template <typename Sum, int N>
__device__ __forceinline__ Sum thread_squares(const float* g, std::size_t begin, std::size_t count) {
  Sum sum = 0;
#pragma unroll
  for (int k = 0; k < kNormPerThread / N; ++k) {
    const std::size_t i = begin + static_cast<std::size_t>(k) * kBlockThreads * N;
    if (i + N <= count) {
      const Vec<float, N> v = load_vec<float, N>(g + i);
#pragma unroll
      for (int j = 0; j < N; ++j) sum += static_cast<Sum>(v.v[j]) * static_cast<Sum>(v.v[j]);
    } else {
#pragma unroll
      for (int j = 0; j < N; ++j) {
        const Sum v = i + j < count ? static_cast<Sum>(g[i + j]) : 0;
        sum += v * v;
      }
    }
  }
  return sum;
}

/// partial[b] = sum of g[i]^2 over chunk b of 8192 elements: 32 in float32 a thread, then float64. Squares overflow
/// float32 long before the gradient does, so a thread whose sum is not finite adds again in float64.
/// Grid: a block a chunk. Reads g once, 16 bytes an access where N is 4, neighbours by neighbouring threads.
template <int N>
__global__ void __launch_bounds__(kBlockThreads) gradient_norm_chunks(const SumOfSquares p) {
  BlockSum& shared = shared_memory<BlockSum>();
  const std::size_t begin = static_cast<std::size_t>(blockIdx.x) * kNormChunk + threadIdx.x * N;
  const float fast = thread_squares<float, N>(p.g, begin, p.count);
  double sum = static_cast<double>(fast);
  if (!(fast <= 3.402823466e38f)) sum = thread_squares<double, N>(p.g, begin, p.count);
  const double total = block_sum(shared, sum);
  if (threadIdx.x == 0) p.partial[blockIdx.x] = total;
}

struct GradientNormFinish {
  int chunks;
  const double* partial;  ///< [chunks]
  float max_norm;
  float *norm, *scale;    ///< [1]
  LossScale* loss_scale;  ///< [1], or null
};

/// norm = sqrt(sum of partial) / loss scale, scale = (finite(norm) && norm > max_norm > 0 ? max_norm / norm : 1) / loss
/// scale, loss scale = the next one. One block; a thread sums every 256th chunk.
__global__ void __launch_bounds__(kBlockThreads) gradient_norm_finish(const GradientNormFinish p) {
  BlockSum& shared = shared_memory<BlockSum>();
  double sum = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < p.chunks; i += kBlockThreads) sum += p.partial[i];
  const double total = block_sum(shared, sum);
  if (threadIdx.x != 0) return;
  const float unscale = p.loss_scale != nullptr ? 1.0f / p.loss_scale->scale : 1.0f;
  const float norm = static_cast<float>(sqrt(total) * static_cast<double>(unscale));
  const bool finite = norm <= 3.402823466e38f;  // false for a NaN
  *p.norm = norm;
  *p.scale = (finite && p.max_norm > 0.0f && norm > p.max_norm ? p.max_norm / norm : 1.0f) * unscale;
  if (p.loss_scale != nullptr) *p.loss_scale = next_loss_scale(*p.loss_scale, finite);
}

#ifndef __CUDACC_RTC__
namespace {

std::size_t chunks_of(std::size_t count) { return (count + kNormChunk - 1) / kNormChunk; }

}  // namespace

std::size_t gradient_norm_workspace(const GradientNorm& op) {
  return (chunks_of(op.count) * sizeof(double) + 15) / 16 * 16;
}

void gradient_norm(Runtime& runtime, const GradientNorm& op) {
  const std::size_t chunks = chunks_of(op.count);
  double* partial = static_cast<double*>(op.workspace);
  const SumOfSquares sums{op.count, op.g, partial};
  runtime.launch("gradient_norm", aligned(16, op.g) ? &gradient_norm_chunks<4> : &gradient_norm_chunks<1>,
                 dim3(static_cast<unsigned>(chunks)), kBlockThreads, sums);
  const GradientNormFinish finish{static_cast<int>(chunks), partial, op.max_norm, op.norm, op.scale, op.loss_scale};
  runtime.launch("gradient_norm (finish)", &gradient_norm_finish, dim3(1), kBlockThreads, finish);
}

#else
template __global__ void gradient_norm_chunks<4>(const SumOfSquares);
template __global__ void gradient_norm_chunks<1>(const SumOfSquares);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
