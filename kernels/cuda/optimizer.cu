// SGD with momentum and Nesterov, Adam and AdamW: one launch updates every parameter of the model. Each optimizer is a
// rule, what one element becomes; the kernel around it moves the buffers and writes the copy that other kernels read.
#include <math.h>

#include "kernels/api/optimizer.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

/// g' = g + decay * w; m = momentum * m + g'; w -= lr * (nesterov ? g' + momentum * m : m).
struct SgdRule {
  static constexpr int kMoments = 1;
  float momentum;
  bool nesterov;

  /// What a launch reads of the step once a thread.
  struct Step {
    __device__ __forceinline__ Step(const SgdRule&, const StepState& step) : lr(step.lr) {}
    float lr;
  };

  __device__ __forceinline__ float update(const Step& step, float w, float g, float decay, float (&m)[kMoments]) const {
    const float d = g + decay * w;
    m[0] = momentum * m[0] + d;
    return w - step.lr * (nesterov ? d + momentum * m[0] : m[0]);
  }
};

/// m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= lr * (m / c1) / (sqrt(v / c2) + eps); decay joins g, or, decoupled,
/// shrinks w first.
struct AdamRule {
  static constexpr int kMoments = 2;
  float beta1, beta2, eps;
  bool decoupled;

  struct Step {
    __device__ __forceinline__ Step(const AdamRule&, const StepState& step)
        : lr(step.lr), inverse1(1.0f / step.adam_correction1), inverse2(1.0f / step.adam_correction2) {}
    float lr, inverse1, inverse2;
  };

  __device__ __forceinline__ float update(const Step& step, float w, float g, float decay, float (&m)[kMoments]) const {
    const float kept = decoupled ? 1.0f - step.lr * decay : 1.0f, d = decoupled ? g : g + decay * w;
    m[0] = beta1 * m[0] + (1.0f - beta1) * d;
    m[1] = beta2 * m[1] + (1.0f - beta2) * d * d;
    return kept * w - step.lr * (m[0] * step.inverse1) / (sqrtf(m[1] * step.inverse2) + eps);
  }
};

template <typename Rule>
struct UpdateParams {
  std::size_t count, decayed;
  const StepState* step;
  const float* scale;
  const LossScale* loss_scale;  ///< or null
  float weight_decay;
  Rule rule;
  float* w;
  const float* g;
  float* moment[2];  ///< the rule's moments; all null where it needs none (SGD without momentum)
  void* compute;     ///< or null
};

/// Elements [i, i + N).
template <typename Rule, typename T, int N>
__device__ __forceinline__ void update_elements(const UpdateParams<Rule>& p, const typename Rule::Step& step,
                                                float scale, std::size_t i) {
  constexpr int kMoments = Rule::kMoments;
  const bool keeps = p.moment[0] != nullptr;
  Vec<float, N> w = load_vec<float, N>(p.w + i), moments[kMoments] = {};
  const Vec<float, N> g = load_vec<float, N>(p.g + i);
  if (keeps) {
#pragma unroll
    for (int k = 0; k < kMoments; ++k) moments[k] = load_vec<float, N>(p.moment[k] + i);
  }
  Vec<T, N> copy;
#pragma unroll
  for (int j = 0; j < N; ++j) {
    float m[kMoments];
#pragma unroll
    for (int k = 0; k < kMoments; ++k) m[k] = moments[k].v[j];
    const float decay = i + j < p.decayed ? p.weight_decay : 0.0f;
    w.v[j] = p.rule.update(step, w.v[j], scale * g.v[j], decay, m);
    copy.v[j] = from_float<T>(w.v[j]);
#pragma unroll
    for (int k = 0; k < kMoments; ++k) moments[k].v[j] = m[k];
  }
  store_vec<float, N>(p.w + i, w);
  if (keeps) {
#pragma unroll
    for (int k = 0; k < kMoments; ++k) store_vec<float, N>(p.moment[k] + i, moments[k]);
  }
  if (p.compute != nullptr) store_vec<T, N>(static_cast<T*>(p.compute) + i, copy);
}

/// w, the moments and, in type T, compute = rule(w, scale * g, moments) for every parameter; nothing where the loss
/// scale says skip. Grid-stride over vectors of N elements, the last count % N one at a time: a warp moves 512
/// consecutive bytes an access. Reads w, g and the moments, writes w, the moments and the copy, each once.
template <typename Rule, typename T, int N>
__global__ void __launch_bounds__(kBlockThreads) update_parameters(const UpdateParams<Rule> p) {
  if (p.loss_scale != nullptr && p.loss_scale->skip != 0) return;
  const typename Rule::Step step(p.rule, *p.step);
  const float scale = *p.scale;
  const std::size_t vectors = p.count / N;
  for (std::size_t i = grid_thread(); i < vectors; i += grid_threads()) {
    update_elements<Rule, T, N>(p, step, scale, i * N);
  }
  const std::size_t rest = vectors * N + grid_thread();
  if (N > 1 && rest < p.count) update_elements<Rule, T, 1>(p, step, scale, rest);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename Rule>
void update(Runtime& runtime, const char* name, const UpdateBuffers& b, float weight_decay, const Rule& rule, float* m,
            float* v) {
  const UpdateParams<Rule> params{b.count, b.decayed, b.step, b.scale, b.loss_scale, weight_decay,
                                  rule,    b.w,       b.g,    {m, v},  b.compute};
  const bool half_copy = b.compute != nullptr && b.compute_dtype == DType::f16;
  const bool vector = aligned(16, b.w, b.g, m, v) && aligned(half_copy ? 8 : 16, b.compute);
  void (*kernel)(UpdateParams<Rule>) = nullptr;
  if (half_copy) {
    kernel = vector ? &update_parameters<Rule, __half, 4> : &update_parameters<Rule, __half, 1>;
  } else {
    kernel = vector ? &update_parameters<Rule, float, 4> : &update_parameters<Rule, float, 1>;
  }
  runtime.launch(name, kernel, flat_blocks(vector ? (b.count + 3) / 4 : b.count), kBlockThreads, params);
}

}  // namespace

void sgd_update(Runtime& runtime, const SgdUpdate& op) {
  update(runtime, "sgd_update", op.buffers, op.weight_decay, SgdRule{op.momentum, op.nesterov}, op.m, nullptr);
}

void adam_update(Runtime& runtime, const AdamUpdate& op) {
  const AdamRule rule{op.beta1, op.beta2, op.eps, op.decoupled};
  update(runtime, "adam_update", op.buffers, op.weight_decay, rule, op.m, op.v);
}

#else
#define TSUGI_INSTANCE(Rule)                                                             \
  template __global__ void update_parameters<Rule, float, 4>(const UpdateParams<Rule>);  \
  template __global__ void update_parameters<Rule, float, 1>(const UpdateParams<Rule>);  \
  template __global__ void update_parameters<Rule, __half, 4>(const UpdateParams<Rule>); \
  template __global__ void update_parameters<Rule, __half, 1>(const UpdateParams<Rule>);
TSUGI_INSTANCE(SgdRule)
TSUGI_INSTANCE(AdamRule)
#undef TSUGI_INSTANCE
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
