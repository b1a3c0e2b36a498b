// The device's limits for benchmarks: multiply-adds with nothing to load, and a copy with nothing to compute. What
// kernels are compared with is measured in the same run, on the same clocks.
#include "kernels/cuda/device/element.h"

#if !defined(__CUDACC_RTC__)
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kPeakThreads = 256;
constexpr int kPeakSums = 16;  // independent: more than the latency of a multiply-add in instructions

struct FmaPeakParams {
  float* out;  // [1], written only if a sum comes out as a number that no sum reaches
  float factor, term;
  int steps;
};

struct CopyPeakParams {
  const void* from;
  void* to;
  unsigned vectors;  // of 16 bytes
};

/// sums[16] of a thread go through sum = sum * factor + term `steps` times, in registers. The result is looked at, so
/// that the compiler cannot leave the loop out, and never written.
__global__ void __launch_bounds__(kPeakThreads) fma_peak_f32(const FmaPeakParams p) {
  float sums[kPeakSums];
#pragma unroll
  for (int i = 0; i < kPeakSums; ++i) sums[i] = static_cast<float>(threadIdx.x + i);
#pragma unroll 4
  for (int step = 0; step < p.steps; ++step) {
#pragma unroll
    for (int i = 0; i < kPeakSums; ++i) sums[i] = fmaf(sums[i], p.factor, p.term);
  }
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kPeakSums; ++i) total += sums[i];
  if (total == -1.0f) *p.out = total;
}

/// The same in half2: two multiply-adds an instruction.
__global__ void __launch_bounds__(kPeakThreads) fma_peak_f16(const FmaPeakParams p) {
  const __half2 factor = __float2half2_rn(p.factor), term = __float2half2_rn(p.term);
  __half2 sums[kPeakSums];
#pragma unroll
  for (int i = 0; i < kPeakSums; ++i) sums[i] = __float2half2_rn(static_cast<float>((threadIdx.x + i) % 8));
#pragma unroll 4
  for (int step = 0; step < p.steps; ++step) {
#pragma unroll
    for (int i = 0; i < kPeakSums; ++i) sums[i] = __hfma2(sums[i], factor, term);
  }
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kPeakSums; ++i) total += __low2float(sums[i]) + __high2float(sums[i]);
  if (total == -1.0f) *p.out = total;
}

/// to = from, 16 bytes a thread, neighbours side by side.
__global__ void __launch_bounds__(kPeakThreads) copy_peak(const CopyPeakParams p) {
  const unsigned i = blockIdx.x * kPeakThreads + threadIdx.x;
  if (i >= p.vectors) return;
  store_vec(static_cast<float*>(p.to) + std::size_t{4} * i,
            load_vec<float, 4>(static_cast<const float*>(p.from) + std::size_t{4} * i));
}

#if !defined(__CUDACC_RTC__)

constexpr int kPeakBlocksPerMultiprocessor = 8;

double fma_burst(Runtime& runtime, DType dtype, int steps, float* out) {
  const unsigned blocks = static_cast<unsigned>(runtime.info().multiprocessors * kPeakBlocksPerMultiprocessor);
  const FmaPeakParams params{out, 0.5f, 0.25f, steps};
  const bool pairs = dtype == DType::f16;
  runtime.launch("fma_peak", pairs ? &fma_peak_f16 : &fma_peak_f32, dim3(blocks), dim3(kPeakThreads), params);
  return (pairs ? 4.0 : 2.0) * kPeakSums * steps * kPeakThreads * blocks;
}

void copy_burst(Runtime& runtime, const void* from, std::size_t bytes, void* to) {
  const CopyPeakParams params{from, to, static_cast<unsigned>(bytes / 16)};
  runtime.launch("copy_peak", &copy_peak, dim3((params.vectors + kPeakThreads - 1) / kPeakThreads), dim3(kPeakThreads),
                 params);
}

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
