// Dequantise-and-gather on the CPU: one pass over memory, a pixel's channels at a time.
#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {

void dequantize_gather(const DequantizeGather& op, int threads) {
  with_dtype(op.dtype, "dequantize_gather", [&](auto element) {
    using T = decltype(element);
    T* x = static_cast<T*>(op.x);
    const auto c = static_cast<std::size_t>(op.c), pixels = static_cast<std::size_t>(op.count) / c;
    // Pixels of all rows in one range: shares are even for few long rows and for many short ones.
    parallel_for(threads, static_cast<std::size_t>(op.n) * pixels, c, [=](std::size_t begin, std::size_t end) {
      for (std::size_t p = begin; p < end; ++p) {
        const std::uint8_t* from = op.rows + (op.index[p / pixels] * pixels + p % pixels) * c;
        T* to = x + p * c;
#pragma omp simd
        for (std::size_t k = 0; k < c; ++k)
          to[k] = from_float<T>(op.offset[k] + op.scale[k] * static_cast<float>(from[k]));
      }
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
