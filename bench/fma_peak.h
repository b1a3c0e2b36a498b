// The machine's limit, measured: fused multiply-adds a second with nothing to load, float32 and (where the processor
// has it) bfloat16 dot products. What bench programs compare kernels with.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace tsugi {
namespace bench {

#if defined(__AVX512F__)
constexpr int kPeakLanes = 16;
#elif defined(__AVX__)
constexpr int kPeakLanes = 8;
#else
constexpr int kPeakLanes = 4;
#endif
typedef float PeakVector __attribute__((vector_size(kPeakLanes * 4)));
constexpr int kPeakSums = kPeakLanes == 16 ? 24 : 12;  ///< independent sums: enough to hide the latency
constexpr int kPeakSteps = 200000;

struct PeakF32 {
  static constexpr double kFlops = 2.0 * kPeakLanes;  ///< of one instruction
  static PeakVector step(PeakVector sum, PeakVector a, PeakVector b) { return sum * a + b; }
};

#if defined(__AVX512BF16__)
struct PeakBf16 {
  static constexpr double kFlops = 4.0 * kPeakLanes;
  static PeakVector step(PeakVector sum, PeakVector a, PeakVector b) {
    return (PeakVector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

template <typename Math>
PeakVector spin() {
  PeakVector sum[kPeakSums], a = PeakVector{} + 0.999f, b = PeakVector{} + 0.001f;
  for (int i = 0; i < kPeakSums; ++i) sum[i] = PeakVector{} + static_cast<float>(i);
  for (int step = 0; step < kPeakSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kPeakSums; ++i) sum[i] = Math::step(sum[i], a, b);
  }
  for (int i = 1; i < kPeakSums; ++i) sum[0] += sum[i];
  return sum[0];
}

/// Floating-point operations a second on `threads` threads: the median of several runs.
template <typename Math>
double measure_peak(int threads) {
  std::vector<double> rates;
  for (int run = 0; run < 15; ++run) {
    const auto start = std::chrono::steady_clock::now();
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; ++thread) {
      const float result = spin<Math>()[0];
      asm volatile("" : : "x"(result));  // the loop must run
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rates.push_back(Math::kFlops * kPeakSums * kPeakSteps * threads / seconds);
  }
  std::nth_element(rates.begin(), rates.begin() + 7, rates.end());
  return rates[7];
}

}  // namespace bench
}  // namespace tsugi
