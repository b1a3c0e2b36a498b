// Fused multiply-adds as fast as this processor does them, in the widest vectors that this program was compiled for.
#include "kernels/cpu/peak.h"

#include <cstring>
#include <string>

#include "kernels/api/error.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr int kSums = kVector == 16 ? 24 : 12;  // independent: enough to hide the latency of a multiply-add

struct F32 {
  static constexpr double kFlops = 2.0 * kVector;  // of one instruction
  static FloatVector step(FloatVector sum, FloatVector a, FloatVector b) { return sum * a + b; }
};

#if defined(__AVX512BF16__)
struct Bf16Pairs {
  static constexpr double kFlops = 4.0 * kVector;
  static FloatVector step(FloatVector sum, FloatVector a, FloatVector b) {
    return (FloatVector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

/// One thread's share. The sum is handed out, so that the loop must run.
template <typename Math>
float spin(int steps) {
  FloatVector sum[kSums], a = FloatVector{} + 0.999f, b = FloatVector{} + 0.001f;
  for (int i = 0; i < kSums; ++i) sum[i] = FloatVector{} + static_cast<float>(i);
  for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = Math::step(sum[i], a, b);
  }
  for (int i = 1; i < kSums; ++i) sum[0] += sum[i];
  return sum[0][0];
}

template <typename Math>
double burst(int steps, int threads) {
  parallel(threads, [&](int) {
    volatile float result = spin<Math>(steps);
    (void)result;
  });
  return Math::kFlops * kSums * steps * threads;
}

}  // namespace

double fma_burst(DType dtype, int steps, int threads) {
  if (dtype == DType::f32) return burst<F32>(steps, threads);
#if defined(__AVX512BF16__)
  if (dtype == DType::bf16) return burst<Bf16Pairs>(steps, threads);
#endif
  throw Error(std::string("cpu: no multiply-adds in ") + name_of(dtype) + " to measure in this build");
}

void copy_burst(const void* from, std::size_t bytes, void* to, int threads) {
  constexpr std::size_t kPage = 4096;
  parallel_for(
      threads, bytes, 1,
      [&](std::size_t begin, std::size_t end) {
        std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, end - begin);
      },
      kPage);
}

}  // namespace cpu
}  // namespace tsugi
