// Softmax cross-entropy (loss, prediction and gradient in one launch), with and without a teacher, and softmax alone. A
// warp owns a sample: its row is read from memory once and, being short, from the caches after that.
#include <math.h>

#include "kernels/api/loss.h"
#include "kernels/cuda/device/element.h"
#include "kernels/cuda/device/warp.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kLossThreads = 128;

__device__ __forceinline__ float minus_infinity() { return __int_as_float(static_cast<int>(0xFF800000u)); }
__device__ __forceinline__ float quiet_nan() { return __int_as_float(0x7FC00000); }

/// This warp's row; the whole warp has none where that is not below n.
__device__ __forceinline__ int warp_row() {
  return static_cast<int>(blockIdx.x * (kLossThreads / kWarp) + threadIdx.x / kWarp);
}

/// The first of the row's largest logits (a NaN counts as largest, so that it is seen), for every lane.
template <typename T>
__device__ __forceinline__ Largest row_largest(const T* row, int classes, int lane) {
  Largest best{minus_infinity(), lane};  // classes beyond the row lose against every class in it, by their index
  for (int j = lane; j < classes; j += kWarp) {
    const Largest candidate{to_float(row[j]), j};
    if (comes_before(candidate, best)) best = candidate;
  }
  return warp_largest(best);
}

/// The teacher's part of a sample's loss: w, T^2 * KL(p || q), and what gives p (the teacher's softmax at temperature
/// T) and q (the sample's own) again.
struct Distilled {
  float weight = 0.0f, loss = 0.0f;
  float p_largest = 0.0f, p_inverse = 0.0f, q_largest = 0.0f, q_inverse = 0.0f;
};

/// For a whole warp; lane l owns classes l, l + 32, ... of both rows. A sample of weight 0 does not read the teacher.
template <typename T>
__device__ __forceinline__ Distilled distil_row(const SoftmaxCrossEntropy& p, int sample, const T* row,
                                                const float* teacher, int lane) {
  Distilled d;
  d.weight = p.distillation[sample];
  if (d.weight == 0.0f) return d;
  const float inverse_temperature = 1.0f / p.temperature;
  d.p_largest = row_largest(teacher, p.teacher_classes, lane).value;
  d.q_largest = row_largest(row, p.teacher_classes, lane).value;
  float p_sum = 0.0f, q_sum = 0.0f, difference = 0.0f;
  for (int j = lane; j < p.teacher_classes; j += kWarp) {
    const float a = (teacher[j] - d.p_largest) * inverse_temperature;
    const float b = (to_float(row[j]) - d.q_largest) * inverse_temperature;
    const float e = expf(a);
    p_sum += e;
    q_sum += expf(b);
    difference += e * (a - b);
  }
  p_sum = warp_sum(p_sum);
  q_sum = warp_sum(q_sum);
  d.p_inverse = 1.0f / p_sum;
  d.q_inverse = 1.0f / q_sum;
  d.loss = p.temperature * p.temperature * (warp_sum(difference) * d.p_inverse + logf(q_sum) - logf(p_sum));
  return d;
}

/// With p = softmax(logits[i]) and t = (1 - smoothing) [j == label] + smoothing / classes: sample_loss[i] =
/// -sum t log p, d_logits[i] = grad_scale * loss_scale * (p - t), predicted[i] = the first of the largest, -1
/// where the softmax is NaN.
/// Grid: four samples a block, one a warp; lane l owns classes l, l + 32, ..., and reads and writes no others, so that
/// d_logits may be logits. Accesses of neighbouring lanes are neighbours. A label outside [0, classes) makes the
/// sample's loss and gradient NaN. Overwrites.
/// Distilled, with weight w, teacher classes c and temperature T: sample_loss[i] = (1 - w) * the above + w * T^2 *
/// KL(softmax(teacher[i] / T) || q) with q = softmax(logits[i][0, c) / T), and the gradient is theirs likewise.
template <typename T, bool kDistilled>
__device__ __forceinline__ void cross_entropy_row(const SoftmaxCrossEntropy& p) {
  const int sample = warp_row(), lane = static_cast<int>(threadIdx.x) % kWarp;
  if (sample >= p.n) return;
  const std::size_t first = static_cast<std::size_t>(sample) * p.classes;
  const T* row = static_cast<const T*>(p.logits) + first;
  const int label = p.labels[sample];
  const float* teacher = kDistilled ? p.teacher + static_cast<std::size_t>(sample) * p.teacher_classes : nullptr;
  Distilled d;
  if (kDistilled) d = distil_row(p, sample, row, teacher, lane);
  const Largest best = row_largest(row, p.classes, lane);
  float sum = 0.0f, shifted_sum = 0.0f, shifted_label = 0.0f;
  for (int j = lane; j < p.classes; j += kWarp) {
    const float shifted = to_float(row[j]) - best.value;
    sum += expf(shifted);
    shifted_sum += shifted;
    if (j == label) shifted_label = shifted;
  }
  sum = warp_sum(sum);
  shifted_sum = warp_sum(shifted_sum);
  shifted_label = warp_sum(shifted_label);  // one lane's, and zeros
  const bool known = label >= 0 && label < p.classes;
  const float classes = static_cast<float>(p.classes), log_sum = logf(sum);
  if (lane == 0) {
    float loss = (1.0f - p.smoothing) * (log_sum - shifted_label);
    if (p.smoothing != 0.0f) loss += p.smoothing * (log_sum - shifted_sum / classes);  // 0 * infinity is no loss
    if (kDistilled && d.weight != 0.0f) loss = (1.0f - d.weight) * loss + d.weight * d.loss;
    p.sample_loss[sample] = known ? loss : quiet_nan();
    if (p.predicted != nullptr) p.predicted[sample] = sum == sum ? best.index : -1;
  }
  if (p.d_logits == nullptr) return;
  T* d_row = static_cast<T*>(p.d_logits) + first;
  const float scale = known ? p.grad_scale * (p.loss_scale != nullptr ? p.loss_scale->scale : 1.0f) : quiet_nan();
  const float inverse = 1.0f / sum, off_target = p.smoothing / classes, on_target = off_target + (1.0f - p.smoothing);
  for (int j = lane; j < p.classes; j += kWarp) {
    const float probability = expf(to_float(row[j]) - best.value) * inverse;
    float gradient = probability - (j == label ? on_target : off_target);
    if (kDistilled && d.weight != 0.0f) {
      gradient *= 1.0f - d.weight;
      if (j < p.teacher_classes) {
        const float theirs = expf((teacher[j] - d.p_largest) / p.temperature) * d.p_inverse;
        const float own = expf((to_float(row[j]) - d.q_largest) / p.temperature) * d.q_inverse;
        gradient += d.weight * p.temperature * (own - theirs);
      }
    }
    d_row[j] = from_float<T>(scale * gradient);
  }
}

template <typename T>
__global__ void __launch_bounds__(kLossThreads) softmax_cross_entropy_row(const SoftmaxCrossEntropy p) {
  cross_entropy_row<T, false>(p);
}

template <typename T>
__global__ void __launch_bounds__(kLossThreads) softmax_cross_entropy_distilled_row(const SoftmaxCrossEntropy p) {
  cross_entropy_row<T, true>(p);
}

/// probabilities[i] = softmax(logits[i]). Grid and lanes as above. Overwrites.
template <typename T>
__global__ void __launch_bounds__(kLossThreads) softmax_row(const Softmax p) {
  const int sample = warp_row(), lane = static_cast<int>(threadIdx.x) % kWarp;
  if (sample >= p.n) return;
  const std::size_t first = static_cast<std::size_t>(sample) * p.classes;
  const T* row = static_cast<const T*>(p.logits) + first;
  const float largest = row_largest(row, p.classes, lane).value;
  float sum = 0.0f;
  for (int j = lane; j < p.classes; j += kWarp) sum += expf(to_float(row[j]) - largest);
  const float inverse = 1.0f / warp_sum(sum);
  for (int j = lane; j < p.classes; j += kWarp) p.probabilities[first + j] = expf(to_float(row[j]) - largest) * inverse;
}

#ifndef __CUDACC_RTC__
namespace {

dim3 row_grid(int n) { return dim3(static_cast<unsigned>((n + kLossThreads / kWarp - 1) / (kLossThreads / kWarp))); }

}  // namespace

void softmax_cross_entropy(Runtime& runtime, const SoftmaxCrossEntropy& op) {
  const bool narrow = op.dtype == DType::f16;
  if (op.teacher != nullptr) {
    runtime.launch("softmax_cross_entropy_distilled",
                   narrow ? &softmax_cross_entropy_distilled_row<__half> : &softmax_cross_entropy_distilled_row<float>,
                   row_grid(op.n), kLossThreads, op);
    return;
  }
  runtime.launch("softmax_cross_entropy",
                 narrow ? &softmax_cross_entropy_row<__half> : &softmax_cross_entropy_row<float>, row_grid(op.n),
                 kLossThreads, op);
}

void softmax(Runtime& runtime, const Softmax& op) {
  runtime.launch("softmax", op.dtype == DType::f16 ? &softmax_row<__half> : &softmax_row<float>, row_grid(op.n),
                 kLossThreads, op);
}

#else
template __global__ void softmax_cross_entropy_row<float>(const SoftmaxCrossEntropy);
template __global__ void softmax_cross_entropy_row<__half>(const SoftmaxCrossEntropy);
template __global__ void softmax_cross_entropy_distilled_row<float>(const SoftmaxCrossEntropy);
template __global__ void softmax_cross_entropy_distilled_row<__half>(const SoftmaxCrossEntropy);
template __global__ void softmax_row<float>(const Softmax);
template __global__ void softmax_row<__half>(const Softmax);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
