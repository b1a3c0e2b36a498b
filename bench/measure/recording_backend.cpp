#include "bench/measure/recording_backend.h"

#include <cstring>
#include <limits>

namespace tsugi::bench {
namespace {

OpCase product(NodeKind kind, const Conv2dShape& shape, const Epilogue& epilogue) {
  OpCase made;
  made.kind = kind;
  made.shape = shape;
  made.epilogue = epilogue;
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

/// What a forward op moves beside its least: the input that its activation saves.
double saved_bytes(const void* saved, std::size_t tensor_bytes) {
  return saved == nullptr ? 0.0 : static_cast<double>(tensor_bytes);
}

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

void RecordingBackend::note(OpFeatures features) { noted_.ops.push_back({std::move(features), part_, layer_, {}, {}}); }

void RecordingBackend::note(const OpCase& op_case, OpPass pass, DType dtype, double more_bytes) {
  OpFeatures features = features_of(op_case, pass, dtype);
  features.bytes += more_bytes;
  noted_.ops.push_back({std::move(features), part_, layer_, op_case, pass});
}

template <class Forward>
void RecordingBackend::note_forward(NodeKind kind, const Conv2dShape& shape, const Forward& op) {
  note(product(kind, shape, {op.bias != nullptr, op.activation, Write::overwrite}), OpPass::forward, op.dtype,
       saved_bytes(op.saved, shape.y_count() * size_of(op.dtype)));
}

template <class BackwardData>
void RecordingBackend::note_backward_data(NodeKind kind, const Conv2dShape& shape, const BackwardData& op) {
  note(product(kind, shape, {false, op.activation, op.write}), OpPass::backward_data, op.dtype,
       extra_bytes(op.activation, op.write, shape.x_count() * size_of(op.dtype)));
}

template <class BackwardWeight>
void RecordingBackend::note_backward_weight(NodeKind kind, const Conv2dShape& shape, const BackwardWeight& op) {
  note(product(kind, shape, {op.d_bias != nullptr, {}, op.write}), OpPass::backward_weight, op.dtype);
}

void RecordingBackend::compute_conv2d_forward(const Conv2dForward& op) { note_forward(NodeKind::conv2d, op.shape, op); }
void RecordingBackend::compute_conv2d_backward_data(const Conv2dBackwardData& op) {
  note_backward_data(NodeKind::conv2d, op.shape, op);
}
void RecordingBackend::compute_conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  note_backward_weight(NodeKind::conv2d, op.shape, op);
}
void RecordingBackend::compute_dense_forward(const DenseForward& op) {
  note_forward(NodeKind::dense, as_conv2d(op.shape), op);
}
void RecordingBackend::compute_dense_backward_data(const DenseBackwardData& op) {
  note_backward_data(NodeKind::dense, as_conv2d(op.shape), op);
}
void RecordingBackend::compute_dense_backward_weight(const DenseBackwardWeight& op) {
  note_backward_weight(NodeKind::dense, as_conv2d(op.shape), op);
}

void RecordingBackend::compute_batch_norm_forward(const BatchNormForward& op) {
  const OpCase made = batch_norm(op.shape, op.activation, op.residual != nullptr);
  note(made, OpPass::forward, op.dtype, saved_bytes(op.saved, made.shape.x_count() * size_of(op.dtype)));
}

void RecordingBackend::compute_batch_norm_backward(const BatchNormBackward& op) {
  note(batch_norm(op.shape, op.activation, op.d_residual != nullptr), OpPass::backward, op.dtype);
}

void RecordingBackend::compute_pool_forward(const PoolForward& op) { note(pool(op.shape), OpPass::forward, op.dtype); }

void RecordingBackend::compute_pool_backward(const PoolBackward& op) {
  const std::size_t x = op.shape.x_count() * size_of(op.dtype), y = op.shape.y_count() * size_of(op.dtype);
  note(pool(op.shape), OpPass::backward, op.dtype,
       extra_bytes(op.activation, Write::overwrite, op.shape.kind == PoolKind::max ? y : x) +
           extra_bytes({}, op.write, x));
}

void RecordingBackend::compute_activation_forward(const ActivationForward& op) {
  note(pointwise(NodeKind::activation, op.count, op.activation), OpPass::forward, op.dtype);
}

/// Without an activation it is a copy or a sum: what the gradient of an add is made of.
void RecordingBackend::compute_activation_backward(const ActivationBackward& op) {
  const std::size_t bytes = op.count * size_of(op.dtype);
  note(pointwise(NodeKind::activation, op.count, op.activation), OpPass::backward, op.dtype,
       extra_bytes(op.activation, op.write, bytes));
  noted_.ops.back().features.bytes -= static_cast<double>(bytes);
}

void RecordingBackend::compute_dropout_forward(const DropoutForward& op) {
  const std::size_t count = op.per_sample * static_cast<std::size_t>(op.n);
  note(pointwise(NodeKind::dropout, count, {}), OpPass::forward, op.dtype);
}

void RecordingBackend::compute_dropout_backward(const DropoutBackward& op) {
  note(pointwise(NodeKind::dropout, op.count, {}), OpPass::backward, op.dtype,
       extra_bytes(op.activation, op.write, op.count * size_of(op.dtype)));
}

void RecordingBackend::compute_add_forward(const AddForward& op) {
  note(pointwise(NodeKind::add, op.count, op.activation), OpPass::forward, op.dtype,
       saved_bytes(op.saved, op.count * size_of(op.dtype)));
}

void RecordingBackend::compute_cast(const Cast& op) { note(cast_features(op.count, op.from_dtype, op.to_dtype)); }

void RecordingBackend::compute_softmax_cross_entropy(const SoftmaxCrossEntropy& op) {
  note(loss_features(op.n, op.classes, op.dtype));
}

void RecordingBackend::compute_softmax(const Softmax&) {
  throw Error("plan: a training step has no softmax of its own");
}

void RecordingBackend::compute_augment_forward(const AugmentForward& op) {
  note(augment_features(op.n, op.h, op.w, op.photo_h, op.photo_w, op.dtype));
}

void RecordingBackend::compute_dequantize_gather(const DequantizeGather&) {
  throw Error("plan: steps on features are not planned, photos only");
}

void RecordingBackend::compute_gradient_norm(const GradientNorm& op) { note(norm_features(op.count)); }

void RecordingBackend::note_update(const char* op, const UpdateBuffers& b, int moments) {
  note(update_features(op, b.count, moments, b.compute == nullptr ? DType::f32 : b.compute_dtype));
}

void RecordingBackend::compute_sgd_update(const SgdUpdate& op) {
  note_update("sgd_update", op.buffers, op.m != nullptr ? 1 : 0);
}
void RecordingBackend::compute_adam_update(const AdamUpdate& op) { note_update("adam_update", op.buffers, 2); }

}  // namespace tsugi::bench
