// Checks of whole op structs: layers with weights or windows, and what makes a batch: augmentation, dequantisation.
#include "kernels/api/op_checker.h"
#include "kernels/api/validate.h"

namespace tsugi {

namespace {

// Convolutions and dense layers: the same tensors, of other shapes.

template <typename Op>
void validate_forward(const char* name, const Op& op) {
  const OpChecker check(name);
  validate(op.shape, name);
  check.floating("dtype", op.dtype);
  check.saved(op.activation, op.saved, row_alignment(op.dtype));
  check.rows("x", op.x, op.dtype);
  check.tensor("w", op.w, op.dtype);
  check.rows("y", op.y, op.dtype);
  check.distinct("y", op.y, "x", op.x);
  check.distinct("y", op.y, "saved", op.saved);
  check.optional("bias", op.bias);
  check.workspace(op.workspace);
}

template <typename Op>
void validate_backward_data(const char* name, const Op& op) {
  const OpChecker check(name);
  validate(op.shape, name);
  check.floating("dtype", op.dtype);
  check.rows("d_y", op.d_y, op.dtype);
  check.tensor("w", op.w, op.dtype);
  check.mask("saved", op.activation, op.saved, row_alignment(op.dtype));
  check.rows("d_x", op.d_x, op.dtype);
  check.distinct("d_x", op.d_x, "d_y", op.d_y);
  check.workspace(op.workspace);
}

template <typename Op>
void validate_backward_weight(const char* name, const Op& op) {
  const OpChecker check(name);
  validate(op.shape, name);
  check.floating("dtype", op.dtype);
  check.rows("x", op.x, op.dtype);
  check.rows("d_y", op.d_y, op.dtype);
  check.not_null("d_w", op.d_w);
  check.optional("d_bias", op.d_bias);
  check.workspace(op.workspace);
}

}  // namespace

void validate(const Conv2dForward& op) { validate_forward("conv2d_forward", op); }
void validate(const Conv2dBackwardData& op) { validate_backward_data("conv2d_backward_data", op); }
void validate(const Conv2dBackwardWeight& op) { validate_backward_weight("conv2d_backward_weight", op); }
void validate(const DenseForward& op) { validate_forward("dense_forward", op); }
void validate(const DenseBackwardData& op) { validate_backward_data("dense_backward_data", op); }
void validate(const DenseBackwardWeight& op) { validate_backward_weight("dense_backward_weight", op); }

void validate(const BatchNormForward& op) {
  const OpChecker check("batch_norm_forward");
  validate(op.shape, "batch_norm_forward");
  check.floating("dtype", op.dtype);
  check.saved(op.activation, op.saved, size_of(op.dtype));
  check.above("eps", static_cast<double>(op.eps), 0.0);
  check.probability("momentum", op.momentum);
  check.tensor("x", op.x, op.dtype);
  check.not_null("gamma", op.gamma);
  check.not_null("beta", op.beta);
  check.not_null("running_mean", op.running_mean);
  check.not_null("running_var", op.running_var);
  check.tensor("y", op.y, op.dtype);
  check.distinct("y", op.y, "saved", op.saved);
  check.aligned("residual", op.residual, size_of(op.dtype));
  check.optional("saved_mean", op.saved_mean);
  check.optional("saved_inv_std", op.saved_inv_std);
  check.workspace(op.workspace);
  if ((op.saved_mean == nullptr) != (op.saved_inv_std == nullptr)) {
    check.fail("one of saved_mean and saved_inv_std is null, expected both or neither");
  }
  if (op.saved_mean != nullptr) check.distinct("y", op.y, "x", op.x);
}

void validate(const BatchNormBackward& op) {
  const OpChecker check("batch_norm_backward");
  validate(op.shape, "batch_norm_backward");
  check.floating("dtype", op.dtype);
  check.tensor("x", op.x, op.dtype);
  check.mask("saved", op.activation, op.saved, size_of(op.dtype));
  check.tensor("d_y", op.d_y, op.dtype);
  check.not_null("gamma", op.gamma);
  check.not_null("saved_mean", op.saved_mean);
  check.not_null("saved_inv_std", op.saved_inv_std);
  check.not_null("d_gamma", op.d_gamma);
  check.not_null("d_beta", op.d_beta);
  check.tensor("d_x", op.d_x, op.dtype);
  check.aligned("d_residual", op.d_residual, size_of(op.dtype));
  check.workspace(op.workspace);
  check.distinct("d_residual", op.d_residual, "d_y", op.d_y);
  check.distinct("d_residual", op.d_residual, "d_x", op.d_x);
}

void validate(const PoolForward& op) {
  const OpChecker check("pool_forward");
  validate(op.shape, "pool_forward");
  check.floating("dtype", op.dtype);
  check.tensor("x", op.x, op.dtype);
  check.tensor("y", op.y, op.dtype);
  check.distinct("y", op.y, "x", op.x);
}

void validate(const PoolBackward& op) {
  const OpChecker check("pool_backward");
  validate(op.shape, "pool_backward");
  check.floating("dtype", op.dtype);
  check.rectifier(op.activation);
  check.tensor("d_y", op.d_y, op.dtype);
  if (op.shape.kind == PoolKind::max) {
    check.not_null("argmax", op.argmax);
    check.mask("y", op.activation, op.y, size_of(op.dtype));
  } else {
    check.mask("x", op.activation, op.x, size_of(op.dtype));
  }
  check.tensor("d_x", op.d_x, op.dtype);
  check.distinct("d_x", op.d_x, "d_y", op.d_y);
}

void validate(const AugmentForward& op) {
  const OpChecker check("augment_forward");
  check.at_least({{"n", op.n}, {"h", op.h}, {"w", op.w}}, 1);
  check.at_least("photo_h", op.photo_h, op.h);
  check.at_least("photo_w", op.photo_w, op.w);
  check.at_least("variants", op.variants, 1);
  check.floating("dtype", op.dtype);
  const AugmentStrength& s = op.strength;
  check.probability("mirror", s.mirror);
  check.probability("blur_probability", s.blur_probability);
  check.probability("noise_probability", s.noise_probability);
  check.at_least("rotation", static_cast<double>(s.rotation), 0.0);
  check.in_range("scale", static_cast<double>(s.scale), 0.0, 1.0);
  check.at_least({{"shift", s.shift}, {"brightness", s.brightness}, {"contrast", s.contrast}}, 0.0);
  check.at_least({{"blur_sigma", s.blur_sigma}, {"noise_sigma", s.noise_sigma}}, 0.0);
  check.not_null("step", op.step);
  check.not_null("photos", op.photos);
  check.not_null("photo_index", op.photo_index);
  check.not_null("sample_ids", op.sample_ids);
  check.tensor("x", op.x, op.dtype);
  check.workspace(op.workspace);
}

void validate(const DequantizeGather& op) {
  const OpChecker check("dequantize_gather");
  check.at_least({{"n", op.n}, {"c", op.c}}, 1);
  check.at_least("count", op.count, op.c);
  if (op.count % op.c != 0) {
    check.fail("count is " + std::to_string(op.count) + ", expected a multiple of the " + std::to_string(op.c) +
               " channels");
  }
  check.floating("dtype", op.dtype);
  check.not_null("rows", op.rows);
  check.not_null("index", op.index);
  check.not_null("scale", op.scale);
  check.not_null("offset", op.offset);
  check.tensor("x", op.x, op.dtype);
}

}  // namespace tsugi
