// Dropout on the CPU. Forward draws 64 elements (16 Philox blocks) at a time, so that the generator's rounds vectorise.
#include "kernels/api/philox.h"
#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr std::size_t kDraw = 64;  ///< elements drawn together

/// kept[e] = element first + e of the sample is kept; `first` is a multiple of 4.
void draw_mask(const StepState& step, std::uint32_t sample, std::uint32_t draw_purpose, std::size_t first, float rate,
               std::uint8_t* kept) {
  std::uint32_t bits[4][kDraw / 4];
  const std::uint32_t block = static_cast<std::uint32_t>(first / 4);
  const std::uint64_t seed = step.seed;
  const std::uint32_t epoch = step.epoch;
#pragma omp simd
  for (std::uint32_t i = 0; i < kDraw / 4; ++i) {
    const Philox4 draw = philox(seed, epoch, sample, draw_purpose, block + i);
    bits[0][i] = draw.v[0];
    bits[1][i] = draw.v[1];
    bits[2][i] = draw.v[2];
    bits[3][i] = draw.v[3];
  }
  for (std::size_t i = 0; i < kDraw / 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) kept[4 * i + j] = uniform01(bits[j][i]) >= rate;
  }
}

template <typename T>
void dropout_block(const T* x, T* y, const std::uint8_t* kept, std::uint8_t* mask, std::size_t count, float scale) {
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) {
    y[i] = from_float<T>(kept[i] != 0 ? to_float(x[i]) * scale : 0.0f);
    mask[i] = kept[i];
  }
}

}  // namespace

void dropout_forward(const DropoutForward& op, int threads) {
  with_dtype(op.dtype, "dropout_forward", [&](auto element) {
    using T = decltype(element);
    const std::size_t blocks = (op.per_sample + kDraw - 1) / kDraw;
    const float scale = 1.0f / (1.0f - op.rate);
    parallel_for(threads, static_cast<std::size_t>(op.n) * blocks, kDraw, [&](std::size_t begin, std::size_t end) {
      std::uint8_t kept[kDraw];
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t sample = i / blocks, first = i % blocks * kDraw;
        draw_mask(*op.step, op.sample_ids[sample], op.draw_purpose, first, op.rate, kept);
        const std::size_t at = sample * op.per_sample + first;
        dropout_block(static_cast<const T*>(op.x) + at, static_cast<T*>(op.y) + at, kept, op.mask + at,
                      std::min(kDraw, op.per_sample - first), scale);
      }
    });
  });
}

void dropout_backward(const DropoutBackward& op, int threads) {
  with_dtype(op.dtype, "dropout_backward", [&](auto element) {
    using T = decltype(element);
    with_rectifier(op.activation, [&](auto act) {
      const std::uint8_t* mask = op.mask;
      const T* y = static_cast<const T*>(act.kMasks ? op.y : op.d_y);
      const T* d_y = static_cast<const T*>(op.d_y);
      T* d_x = static_cast<T*>(op.d_x);
      const float scale = 1.0f / (1.0f - op.rate);
      const bool accumulate = op.write == Write::accumulate;
      for_each_element(threads, op.count, [=](std::size_t i) {
        const float g = act.backward(to_float(y[i]), to_float(d_y[i])) * scale;
        const float before = accumulate ? to_float(d_x[i]) : 0.0f;
        d_x[i] = from_float<T>(before + (mask[i] != 0 ? g : 0.0f));
      });
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
