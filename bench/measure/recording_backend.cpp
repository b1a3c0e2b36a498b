#include "bench/measure/recording_backend.h"

#include <cstring>
#include <limits>

namespace tsugi::bench {
namespace {

OpCase convolution(const Conv2dShape& shape) {
  OpCase made;
  made.shape = shape;
  return made;
}

OpCase dense(const DenseShape& shape) {
  OpCase made;
  made.kind = NodeKind::dense;
  made.shape.n = shape.n, made.shape.c = shape.in, made.shape.k = shape.out;
  return made;
}

OpCase pointwise(NodeKind kind, std::size_t count, Activation activation) {
  constexpr std::size_t kMost = std::numeric_limits<int>::max();
  if (count > kMost)
    throw Error("plan: a tensor of " + std::to_string(count) + " elements, at most " + std::to_string(kMost) +
                " are planned for");
  OpCase made;
  made.kind = kind;
  made.shape.w = static_cast<int>(count);
  made.activation = activation;
  return made;
}

OpCase batch_norm(const BatchNormShape& shape, Activation activation, bool residual) {
  OpCase made;
  made.kind = NodeKind::batch_norm;
  made.shape.w = shape.rows, made.shape.c = shape.c;
  made.activation = activation;
  made.residual = residual;
  return made;
}

OpCase pool(const PoolShape& shape) {
  OpCase made;
  made.kind = NodeKind::pool;
  made.pool = shape;
  return made;
}

bool masks(const Activation& activation) { return activation.kind != ActivationKind::none; }

/// What a backward op moves beside its least: the activation whose mask it applies, and the gradient that it adds to.
double extra_bytes(Activation activation, Write write, std::size_t tensor_bytes) {
  return static_cast<double>(tensor_bytes) *
         ((masks(activation) ? 1.0 : 0.0) + (write == Write::accumulate ? 1.0 : 0.0));
}

}  // namespace

void RecordingBackend::start() { noted_ = {}; }

void RecordingBackend::take(RecordedStep& step) {
  step.ops = std::move(noted_.ops);
  step.upload_bytes = noted_.upload_bytes;
  step.download_bytes = noted_.download_bytes;
  step.copies = noted_.copies;
}

void* RecordingBackend::allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 256;
  const std::size_t address = next_;
  next_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return reinterpret_cast<void*>(address);
}

std::size_t RecordingBackend::free_bytes() const {
  return device_memory_ == 0 ? static_cast<std::size_t>(-1) : device_memory_;
}

void RecordingBackend::copy_to_device(void*, const void*, std::size_t bytes) {
  noted_.upload_bytes += bytes, ++noted_.copies;
}

/// Losses and norms of zero: what a trainer takes for a step that went well.
void RecordingBackend::copy_to_host(void* to, const void*, std::size_t bytes) {
  std::memset(to, 0, bytes);
  noted_.download_bytes += bytes, ++noted_.copies;
}

void RecordingBackend::note(OpFeatures features, std::initializer_list<std::pair<const void*, std::size_t>> operands,
                            double more_bytes) {
  RecordedOp op;
  op.features = std::move(features);
  op.features.bytes += more_bytes;
  op.part = part_;
  op.layer = layer_;
  for (const auto& [memory, bytes] : operands)
    if (memory != nullptr && bytes > 0) op.touches.push_back({reinterpret_cast<std::size_t>(memory), bytes});
  noted_.ops.push_back(std::move(op));
}

void RecordingBackend::conv2d_forward(const Conv2dForward& op) {
  const std::size_t e = size_of(op.dtype);
  note(features_of(convolution(op.shape), OpPass::forward, op.dtype),
       {{op.x, op.shape.x_count() * e}, {op.w, op.shape.w_count() * e}, {op.y, op.shape.y_count() * e}});
}

void RecordingBackend::conv2d_backward_data(const Conv2dBackwardData& op) {
  const std::size_t e = size_of(op.dtype), x = op.shape.x_count() * e;
  note(features_of(convolution(op.shape), OpPass::backward_data, op.dtype),
       {{op.d_y, op.shape.y_count() * e},
        {op.w, op.shape.w_count() * e},
        {masks(op.activation) ? op.x : nullptr, x},
        {op.d_x, x}},
       extra_bytes(op.activation, op.write, x));
}

void RecordingBackend::conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  const std::size_t e = size_of(op.dtype);
  note(
      features_of(convolution(op.shape), OpPass::backward_weight, op.dtype),
      {{op.x, op.shape.x_count() * e}, {op.d_y, op.shape.y_count() * e}, {op.d_w, op.shape.w_count() * sizeof(float)}});
}

void RecordingBackend::dense_forward(const DenseForward& op) {
  const OpCase made = dense(op.shape);
  const std::size_t e = size_of(op.dtype);
  note(features_of(made, OpPass::forward, op.dtype),
       {{op.x, made.shape.x_count() * e}, {op.w, made.shape.w_count() * e}, {op.y, made.shape.y_count() * e}});
}

void RecordingBackend::dense_backward_data(const DenseBackwardData& op) {
  const OpCase made = dense(op.shape);
  const std::size_t e = size_of(op.dtype), x = made.shape.x_count() * e;
  note(features_of(made, OpPass::backward_data, op.dtype),
       {{op.d_y, made.shape.y_count() * e},
        {op.w, made.shape.w_count() * e},
        {masks(op.activation) ? op.x : nullptr, x},
        {op.d_x, x}},
       extra_bytes(op.activation, op.write, x));
}

void RecordingBackend::dense_backward_weight(const DenseBackwardWeight& op) {
  const OpCase made = dense(op.shape);
  const std::size_t e = size_of(op.dtype);
  note(features_of(made, OpPass::backward_weight, op.dtype), {{op.x, made.shape.x_count() * e},
                                                              {op.d_y, made.shape.y_count() * e},
                                                              {op.d_w, made.shape.w_count() * sizeof(float)}});
}

void RecordingBackend::batch_norm_forward(const BatchNormForward& op) {
  const OpCase made = batch_norm(op.shape, op.activation, op.residual != nullptr);
  const std::size_t x = made.shape.x_count() * size_of(op.dtype);
  note(features_of(made, OpPass::forward, op.dtype), {{op.x, x}, {op.residual, x}, {op.y, x}});
}

void RecordingBackend::batch_norm_backward(const BatchNormBackward& op) {
  const OpCase made = batch_norm(op.shape, op.activation, op.d_residual != nullptr);
  const std::size_t x = made.shape.x_count() * size_of(op.dtype);
  note(features_of(made, OpPass::backward, op.dtype),
       {{op.x, x}, {masks(op.activation) ? op.y : nullptr, x}, {op.d_y, x}, {op.d_x, x}, {op.d_residual, x}});
}

void RecordingBackend::pool_forward(const PoolForward& op) {
  const std::size_t e = size_of(op.dtype);
  note(features_of(pool(op.shape), OpPass::forward, op.dtype),
       {{op.x, op.shape.x_count() * e}, {op.y, op.shape.y_count() * e}, {op.argmax, op.shape.y_count()}});
}

void RecordingBackend::pool_backward(const PoolBackward& op) {
  const std::size_t e = size_of(op.dtype), x = op.shape.x_count() * e, y = op.shape.y_count() * e;
  const bool masked = masks(op.activation), by_y = op.shape.kind == PoolKind::max;
  note(features_of(pool(op.shape), OpPass::backward, op.dtype),
       {{op.d_y, y},
        {op.argmax, op.shape.y_count()},
        {masked && by_y ? op.y : nullptr, y},
        {masked && !by_y ? op.x : nullptr, x},
        {op.d_x, x}},
       extra_bytes(op.activation, Write::overwrite, by_y ? y : x) + extra_bytes({}, op.write, x));
}

void RecordingBackend::activation_forward(const ActivationForward& op) {
  const std::size_t bytes = op.count * size_of(op.dtype);
  note(features_of(pointwise(NodeKind::activation, op.count, op.activation), OpPass::forward, op.dtype),
       {{op.x, bytes}, {op.y, bytes}});
}

/// Without an activation it is a copy or a sum: what the gradient of an add is made of.
void RecordingBackend::activation_backward(const ActivationBackward& op) {
  const std::size_t bytes = op.count * size_of(op.dtype);
  OpFeatures features =
      features_of(pointwise(NodeKind::activation, op.count, op.activation), OpPass::backward, op.dtype);
  features.bytes = 2.0 * static_cast<double>(bytes) + extra_bytes(op.activation, op.write, bytes);
  note(features, {{masks(op.activation) ? op.y : nullptr, bytes}, {op.d_y, bytes}, {op.d_x, bytes}});
}

void RecordingBackend::dropout_forward(const DropoutForward& op) {
  const std::size_t count = op.per_sample * static_cast<std::size_t>(op.n), bytes = count * size_of(op.dtype);
  note(features_of(pointwise(NodeKind::dropout, count, {}), OpPass::forward, op.dtype),
       {{op.x, bytes}, {op.y, bytes}, {op.mask, count}});
}

void RecordingBackend::dropout_backward(const DropoutBackward& op) {
  const std::size_t bytes = op.count * size_of(op.dtype);
  note(features_of(pointwise(NodeKind::dropout, op.count, {}), OpPass::backward, op.dtype),
       {{op.mask, op.count}, {masks(op.activation) ? op.y : nullptr, bytes}, {op.d_y, bytes}, {op.d_x, bytes}},
       extra_bytes(op.activation, op.write, bytes));
}

void RecordingBackend::add_forward(const AddForward& op) {
  const std::size_t bytes = op.count * size_of(op.dtype);
  note(features_of(pointwise(NodeKind::add, op.count, op.activation), OpPass::forward, op.dtype),
       {{op.a, bytes}, {op.b, bytes}, {op.y, bytes}});
}

void RecordingBackend::cast(const Cast& op) {
  note(cast_features(op.count, op.from_dtype, op.to_dtype),
       {{op.from, op.count * size_of(op.from_dtype)}, {op.to, op.count * size_of(op.to_dtype)}});
}

void RecordingBackend::softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  const std::size_t bytes = static_cast<std::size_t>(op.n) * static_cast<std::size_t>(op.classes) * size_of(op.dtype);
  note(loss_features(op.n, op.classes, op.dtype), {{op.logits, bytes}, {op.d_logits, bytes}});
}

void RecordingBackend::softmax(const Softmax&) { throw Error("plan: a training step has no softmax of its own"); }

void RecordingBackend::augment_forward(const AugmentForward& op) {
  const std::size_t x = static_cast<std::size_t>(op.n) * static_cast<std::size_t>(op.h) *
                        static_cast<std::size_t>(op.w) * 3 * size_of(op.dtype);
  note(augment_features(op.n, op.h, op.w, op.photo_h, op.photo_w, op.dtype), {{op.x, x}});  // photos: others each time
}

void RecordingBackend::dequantize_gather(const DequantizeGather&) {
  throw Error("plan: steps on features are not planned, photos only");
}

void RecordingBackend::gradient_norm(const GradientNorm& op) {
  note(norm_features(op.count), {{op.g, op.count * sizeof(float)}});
}

void RecordingBackend::note_update(const char* op, const UpdateBuffers& b, const float* m, const float* v) {
  const std::size_t bytes = b.count * sizeof(float);
  const DType compute = b.compute == nullptr ? DType::f32 : b.compute_dtype;
  note(update_features(op, b.count, (m != nullptr ? 1 : 0) + (v != nullptr ? 1 : 0), compute),
       {{b.w, bytes}, {b.g, bytes}, {m, bytes}, {v, bytes}, {b.compute, b.count * size_of(b.compute_dtype)}});
}

void RecordingBackend::sgd_update(const SgdUpdate& op) { note_update("sgd_update", op.buffers, op.m, nullptr); }
void RecordingBackend::adam_update(const AdamUpdate& op) { note_update("adam_update", op.buffers, op.m, op.v); }

}  // namespace tsugi::bench
