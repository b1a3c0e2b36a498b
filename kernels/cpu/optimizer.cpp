// The optimizer on the CPU: the gradient's norm and the fused updates, each one pass over all parameters.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr std::size_t kNormChunk = 8192;  ///< elements summed in float32; chunks are summed in float64, in order

std::size_t chunk_count(std::size_t count) { return (count + kNormChunk - 1) / kNormChunk; }

double sum_of_squares(const float* g, std::size_t count) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < count; ++i) sum += g[i] * g[i];
  if (std::isfinite(sum)) return sum;
  double wide = 0.0;  // squares overflow float32 long before the gradient does
  for (std::size_t i = 0; i < count; ++i) wide += static_cast<double>(g[i]) * g[i];
  return wide;
}

/// Calls f(begin, end, weight_decay) so that a range lies on one side of the border between decayed elements and
/// others.
template <typename F>
void for_each_range(const UpdateBuffers& b, float weight_decay, int threads, const F& f) {
  parallel_for(
      threads, b.count, 4,
      [&](std::size_t begin, std::size_t end) {
        const std::size_t border = std::min(std::max(b.decayed, begin), end);
        if (begin < border) f(begin, border, weight_decay);
        if (border < end) f(border, end, 0.0f);
      },
      64);
}

/// What follows every update of w[begin, end): the copy that the kernels compute with.
void derive(const UpdateBuffers& b, std::size_t begin, std::size_t end) {
  const float* w = b.w;
  if (b.compute != nullptr) {
    with_dtype(b.compute_dtype, "update", [&](auto element) {
      using T = decltype(element);
      T* compute = static_cast<T*>(b.compute);
#pragma omp simd
      for (std::size_t i = begin; i < end; ++i) compute[i] = from_float<T>(w[i]);
    });
  }
}

bool skips(const UpdateBuffers& b) { return b.loss_scale != nullptr && b.loss_scale->skip != 0; }

constexpr std::size_t kUpdateBlock = 4096;  ///< elements updated before their copies are made: they are still in L1

/// Calls update(begin, end) and derive() on cache-sized blocks of [begin, end).
template <typename F>
void blockwise(const UpdateBuffers& b, std::size_t begin, std::size_t end, const F& update) {
  for (std::size_t i = begin; i < end; i += kUpdateBlock) {
    const std::size_t stop = std::min(end, i + kUpdateBlock);
    update(i, stop);
    derive(b, i, stop);
  }
}

}  // namespace

std::size_t gradient_norm_workspace_bytes(const GradientNorm& op) { return chunk_count(op.count) * sizeof(double); }

void gradient_norm(const GradientNorm& op, int threads) {
  double* partial = static_cast<double*>(op.workspace);
  const std::size_t chunks = chunk_count(op.count);
  parallel_for(threads, chunks, kNormChunk, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      partial[i] = sum_of_squares(op.g + i * kNormChunk, std::min(kNormChunk, op.count - i * kNormChunk));
  });
  double sum = 0.0;
  for (std::size_t i = 0; i < chunks; ++i) sum += partial[i];
  const float unscale = op.loss_scale == nullptr ? 1.0f : 1.0f / op.loss_scale->scale;
  const float norm = static_cast<float>(std::sqrt(sum) * static_cast<double>(unscale));
  const float clip = std::isfinite(norm) && op.max_norm > 0.0f && norm > op.max_norm ? op.max_norm / norm : 1.0f;
  *op.norm = norm;
  *op.scale = clip * unscale;
  if (op.loss_scale != nullptr) *op.loss_scale = next_loss_scale(*op.loss_scale, std::isfinite(norm));
}

void sgd_update(const SgdUpdate& op, int threads) {
  const UpdateBuffers& b = op.buffers;
  if (skips(b)) return;
  const float scale = *b.scale, lr = b.step->lr, momentum = op.momentum;
  const bool nesterov = op.nesterov;
  for_each_range(b, op.weight_decay, threads, [&](std::size_t first, std::size_t last, float decay) {
    blockwise(b, first, last, [&, decay](std::size_t begin, std::size_t end) {
      float* w = b.w;
      float* m = op.m;
      const float* g = b.g;
      if (m == nullptr) {  // without momentum
#pragma omp simd
        for (std::size_t i = begin; i < end; ++i) w[i] -= lr * (scale * g[i] + decay * w[i]);
        return;
      }
#pragma omp simd
      for (std::size_t i = begin; i < end; ++i) {
        const float d = scale * g[i] + decay * w[i];
        const float v = momentum * m[i] + d;
        m[i] = v;
        w[i] -= lr * (nesterov ? d + momentum * v : v);
      }
    });
  });
}

void adam_update(const AdamUpdate& op, int threads) {
  const UpdateBuffers& b = op.buffers;
  if (skips(b)) return;
  const float scale = *b.scale, lr = b.step->lr, beta1 = op.beta1, beta2 = op.beta2, eps = op.eps;
  const float inverse1 = 1.0f / b.step->adam_correction1, inverse2 = 1.0f / b.step->adam_correction2;
  for_each_range(b, op.weight_decay, threads, [&](std::size_t first, std::size_t last, float decay) {
    const float joined = op.decoupled ? 0.0f : decay;
    const float kept = op.decoupled ? 1.0f - lr * decay : 1.0f;
    blockwise(b, first, last, [&](std::size_t begin, std::size_t end) {
      float* w = b.w;
      float* m = op.m;
      float* v = op.v;
      const float* g = b.g;
#pragma omp simd
      for (std::size_t i = begin; i < end; ++i) {
        const float d = scale * g[i] + joined * w[i];
        m[i] = beta1 * m[i] + (1.0f - beta1) * d;
        v[i] = beta2 * v[i] + (1.0f - beta2) * d * d;
        w[i] = kept * w[i] - lr * (m[i] * inverse1) / (std::sqrt(v[i] * inverse2) + eps);
      }
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
