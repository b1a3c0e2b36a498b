// Gradient norm, SGD and Adam of the double-precision reference. State is float32, as the API says; one element's
// update is computed in double and rounded once.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {
namespace {

/// Stores the new weight and its copy for the kernels.
void store_weight(const UpdateBuffers& buffers, std::size_t i, double weight) {
  buffers.w[i] = static_cast<float>(weight);
  if (buffers.compute == nullptr) return;
  // Rounded from the float32 weight, not from the double: the copy is a cast of the weights.
  for_type(buffers.compute_dtype, [&](auto element) {
    static_cast<decltype(element)*>(buffers.compute)[i] = decltype(element)(buffers.w[i]);
  });
}

bool skips(const UpdateBuffers& buffers) { return buffers.loss_scale != nullptr && buffers.loss_scale->skip != 0; }

double scaled_gradient(const UpdateBuffers& buffers, std::size_t i) {
  return static_cast<double>(*buffers.scale) * static_cast<double>(buffers.g[i]);
}

}  // namespace

void gradient_norm(const GradientNorm& op) {
  double squares = 0.0;
  for (std::size_t i = 0; i < op.count; ++i) {
    squares += static_cast<double>(op.g[i]) * static_cast<double>(op.g[i]);
  }
  const double loss_scale = op.loss_scale == nullptr ? 1.0 : static_cast<double>(op.loss_scale->scale);
  const double norm = std::sqrt(squares) / loss_scale, max_norm = static_cast<double>(op.max_norm);
  const bool clips = std::isfinite(norm) && norm > max_norm && max_norm > 0.0;
  *op.norm = static_cast<float>(norm);
  *op.scale = static_cast<float>((clips ? max_norm / norm : 1.0) / loss_scale);
  if (op.loss_scale != nullptr) *op.loss_scale = next_loss_scale(*op.loss_scale, std::isfinite(*op.norm));
}

void sgd_update(const SgdUpdate& op) {
  const UpdateBuffers& buffers = op.buffers;
  if (skips(buffers)) return;
  const double lr = static_cast<double>(buffers.step->lr), momentum = static_cast<double>(op.momentum);
  for (std::size_t i = 0; i < buffers.count; ++i) {
    const double weight = static_cast<double>(buffers.w[i]);
    const double decay = i < buffers.decayed ? static_cast<double>(op.weight_decay) : 0.0;
    const double gradient = scaled_gradient(buffers, i) + decay * weight;
    double m = gradient;
    if (op.m != nullptr) {  // null without momentum
      m += momentum * static_cast<double>(op.m[i]);
      op.m[i] = static_cast<float>(m);
    }
    store_weight(buffers, i, weight - lr * (op.nesterov ? gradient + momentum * m : m));
  }
}

void adam_update(const AdamUpdate& op) {
  const UpdateBuffers& buffers = op.buffers;
  if (skips(buffers)) return;
  const StepState& step = *buffers.step;
  const double lr = static_cast<double>(step.lr), eps = static_cast<double>(op.eps);
  const double beta1 = static_cast<double>(op.beta1), beta2 = static_cast<double>(op.beta2);
  const double correction1 = static_cast<double>(step.adam_correction1);
  const double correction2 = static_cast<double>(step.adam_correction2);
  for (std::size_t i = 0; i < buffers.count; ++i) {
    double weight = static_cast<double>(buffers.w[i]);
    double gradient = scaled_gradient(buffers, i);
    const double decay = i < buffers.decayed ? static_cast<double>(op.weight_decay) : 0.0;
    if (op.decoupled) {
      weight -= lr * decay * weight;
    } else {
      gradient += decay * weight;
    }
    const double m = beta1 * static_cast<double>(op.m[i]) + (1.0 - beta1) * gradient;
    const double v = beta2 * static_cast<double>(op.v[i]) + (1.0 - beta2) * gradient * gradient;
    op.m[i] = static_cast<float>(m);
    op.v[i] = static_cast<float>(v);
    store_weight(buffers, i, weight - lr * (m / correction1) / (std::sqrt(v / correction2) + eps));
  }
}

}  // namespace reference
}  // namespace tsugi
