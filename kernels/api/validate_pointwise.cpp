// Checks of whole op structs: element-by-element ops, the loss and the optimizers.
#include "kernels/api/op_checker.h"
#include "kernels/api/validate.h"

namespace tsugi {

void validate(const ActivationForward& op) {
  const OpChecker check("activation_forward");
  check.floating("dtype", op.dtype);
  check.activation(op.activation);
  if (op.count == 0) return;
  check.tensor("x", op.x, op.dtype);
  check.tensor("y", op.y, op.dtype);
}

void validate(const ActivationBackward& op) {
  const OpChecker check("activation_backward");
  check.floating("dtype", op.dtype);
  check.activation(op.activation);
  if (op.count == 0) return;
  check.mask("saved", op.activation, op.saved, size_of(op.dtype));
  check.tensor("d_y", op.d_y, op.dtype);
  check.tensor("d_x", op.d_x, op.dtype);
  if (op.write == Write::accumulate) check.distinct("d_x (accumulated)", op.d_x, "d_y", op.d_y);
}

void validate(const DropoutForward& op) {
  const OpChecker check("dropout_forward");
  check.at_least("n", op.n, 1);
  check.floating("dtype", op.dtype);
  check.in_range("rate", static_cast<double>(op.rate), 0.0, 1.0);
  if (op.per_sample == 0) return;
  // A draw's block number is 32-bit, and a block holds four numbers.
  check.in_range("per_sample", static_cast<double>(op.per_sample), 0.0, 4.0 * 4294967296.0);
  check.not_null("step", op.step);
  check.not_null("sample_ids", op.sample_ids);
  check.tensor("x", op.x, op.dtype);
  check.tensor("y", op.y, op.dtype);
  check.not_null("mask", op.mask);
}

void validate(const DropoutBackward& op) {
  const OpChecker check("dropout_backward");
  check.floating("dtype", op.dtype);
  check.in_range("rate", static_cast<double>(op.rate), 0.0, 1.0);
  check.activation(op.activation);
  check.rectifier(op.activation);
  if (op.count == 0) return;
  check.not_null("mask", op.mask);
  check.mask("y", op.activation, op.y, size_of(op.dtype));
  check.tensor("d_y", op.d_y, op.dtype);
  check.tensor("d_x", op.d_x, op.dtype);
  if (op.write == Write::accumulate) check.distinct("d_x (accumulated)", op.d_x, "d_y", op.d_y);
}

void validate(const AddForward& op) {
  const OpChecker check("add_forward");
  check.floating("dtype", op.dtype);
  check.saved(op.activation, op.saved, size_of(op.dtype));
  if (op.count == 0) return;
  check.tensor("a", op.a, op.dtype);
  check.tensor("b", op.b, op.dtype);
  check.tensor("y", op.y, op.dtype);
  check.distinct("y", op.y, "saved", op.saved);
}

void validate(const Cast& op) {
  const OpChecker check("cast");
  check.floating("from_dtype", op.from_dtype);
  check.floating("to_dtype", op.to_dtype);
  if (op.count == 0) return;
  check.tensor("from", op.from, op.from_dtype);
  check.tensor("to", op.to, op.to_dtype);
}

void validate(const SoftmaxCrossEntropy& op) {
  const OpChecker check("softmax_cross_entropy");
  check.at_least({{"n", op.n}, {"classes", op.classes}}, 1);
  check.floating("dtype", op.dtype);
  check.in_range("smoothing", static_cast<double>(op.smoothing), 0.0, 1.0);
  check.tensor("logits", op.logits, op.dtype);
  check.not_null("labels", op.labels);
  check.not_null("sample_loss", op.sample_loss);
  check.optional("predicted", op.predicted);
  check.aligned("d_logits", op.d_logits, size_of(op.dtype));
  check.optional("loss_scale", op.loss_scale);
  check.optional("teacher", op.teacher);
  if (op.teacher == nullptr) {
    if (op.distillation != nullptr) check.fail("distillation is given, but teacher is null");
    return;
  }
  check.not_null("distillation", op.distillation);
  check.at_least("teacher_classes", op.teacher_classes, 1);
  if (op.teacher_classes > op.classes) {
    check.fail("teacher_classes is " + std::to_string(op.teacher_classes) + ", expected at most the classes, " +
               std::to_string(op.classes));
  }
  check.above("temperature", static_cast<double>(op.temperature), 0.0);
}

void validate(const Softmax& op) {
  const OpChecker check("softmax");
  check.at_least({{"n", op.n}, {"classes", op.classes}}, 1);
  check.floating("dtype", op.dtype);
  check.tensor("logits", op.logits, op.dtype);
  check.not_null("probabilities", op.probabilities);
}

void validate(const GradientNorm& op) {
  const OpChecker check("gradient_norm");
  check.at_least("max_norm", static_cast<double>(op.max_norm), 0.0);
  if (op.count != 0) check.not_null("g", op.g);
  check.optional("loss_scale", op.loss_scale);
  check.workspace(op.workspace);
  check.not_null("norm", op.norm);
  check.not_null("scale", op.scale);
}

namespace {

void validate_buffers(const OpChecker& check, const UpdateBuffers& buffers) {
  if (buffers.decayed > buffers.count) {
    check.fail("decayed is " + std::to_string(buffers.decayed) + ", expected at most the count, " +
               std::to_string(buffers.count));
  }
  if (buffers.compute != nullptr) {
    check.floating("compute_dtype", buffers.compute_dtype);
    check.aligned("compute", buffers.compute, size_of(buffers.compute_dtype));
  }
  check.optional("loss_scale", buffers.loss_scale);
  check.not_null("step", buffers.step);
  check.not_null("scale", buffers.scale);
  if (buffers.count == 0) return;
  check.not_null("w", buffers.w);
  check.not_null("g", buffers.g);
}

}  // namespace

void validate(const SgdUpdate& op) {
  const OpChecker check("sgd_update");
  validate_buffers(check, op.buffers);
  check.in_range("momentum", static_cast<double>(op.momentum), 0.0, 1.0);
  check.at_least("weight_decay", static_cast<double>(op.weight_decay), 0.0);
  if (op.buffers.count != 0 && op.momentum != 0.0f) check.not_null("m", op.m);
}

void validate(const AdamUpdate& op) {
  const OpChecker check("adam_update");
  validate_buffers(check, op.buffers);
  check.in_range("beta1", static_cast<double>(op.beta1), 0.0, 1.0);
  check.in_range("beta2", static_cast<double>(op.beta2), 0.0, 1.0);
  check.above("eps", static_cast<double>(op.eps), 0.0);
  check.at_least("weight_decay", static_cast<double>(op.weight_decay), 0.0);
  if (op.buffers.count == 0) return;
  check.not_null("m", op.m);
  check.not_null("v", op.v);
}

}  // namespace tsugi
