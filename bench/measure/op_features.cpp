#include "bench/measure/op_features.h"

#include <algorithm>

namespace tsugi::bench {
namespace {

constexpr int kLanes = 16;   // channels that are no multiple of it leave a rest for slower loops
constexpr int kShallow = 8;  // fewer input channels than this leave lanes of a vector or a matrix unit empty

std::string conv_form(const Conv2dShape& s) {
  const bool strided = s.stride_h > 1 || s.stride_w > 1;
  if (s.groups > 1) return s.groups != s.c ? "grouped" : strided ? "depthwise_strided" : "depthwise";
  if (s.c < kShallow) return "shallow";
  if (strided) return s.r * s.s == 1 ? "pointwise_strided" : "strided";
  if (s.r * s.s == 1) return "pointwise";
  return s.r == 3 && s.s == 3 ? "3x3" : "window";
}

std::string pool_form(const PoolShape& p) {
  const bool global = p.r == p.h && p.s == p.w, overlaps = p.r > p.stride_h || p.s > p.stride_w;
  const std::string kind = p.kind == PoolKind::max ? "max" : global ? "global" : "average";
  return kind + (overlaps && !global ? "_overlapping" : p.c % kLanes != 0 ? "_ragged" : "");
}

std::string form_of(const OpCase& o) {
  switch (o.kind) {
    case NodeKind::conv2d:
      return conv_form(o.shape);
    case NodeKind::batch_norm:
      return std::string(o.residual ? "residual" : "") + (o.shape.c % kLanes == 0 ? ""
                                                          : o.residual            ? "_ragged"
                                                                                  : "ragged");
    case NodeKind::pool:
      return pool_form(o.pool);
    default:
      return "";
  }
}

ProductSize product_of(const Conv2dShape& s, OpPass pass) {
  const double taps = static_cast<double>(s.r) * s.s * (s.c / s.groups);
  const double out = static_cast<double>(s.n) * s.p() * s.q();
  if (pass == OpPass::forward) return {out, static_cast<double>(s.k), taps};
  if (pass == OpPass::backward_data)
    return {static_cast<double>(s.n) * s.h * s.w, static_cast<double>(s.c), s.flops() / 2.0 / s.n / s.h / s.w / s.c};
  return {static_cast<double>(s.k), taps, out};
}

/// Windows that overlap read their input more often than once, from a cache.
double overlap(const PoolShape& p) {
  return std::max(1.0, static_cast<double>(p.y_count()) * p.r * p.s / static_cast<double>(p.x_count()));
}

double& at(OpFeatures& features, Axis axis) { return features.at[static_cast<std::size_t>(axis)]; }

OpFeatures streaming(const char* op, double bytes, DType dtype) {
  OpFeatures f;
  f.op = op;
  f.dtype = dtype;
  f.bytes = bytes;
  at(f, Axis::bytes) = bytes;
  return f;
}

}  // namespace

const char* name_of(Axis axis) {
  constexpr const char* kNames[kAxes] = {"c", "k", "width", "n", "bytes"};
  return kNames[static_cast<int>(axis)];
}

OpFeatures features_of(const OpCase& o, OpPass pass, DType dtype) {
  const OpCost cost = cost_of(o, pass, dtype);
  const bool pool = o.kind == NodeKind::pool;
  OpFeatures f = streaming("", cost.bytes * (pool ? overlap(o.pool) : 1.0), dtype);
  f.op = op_name(o, pass);
  f.form = form_of(o);
  f.flops = cost.flops;
  at(f, Axis::samples) = pool ? o.pool.n : o.shape.n;
  at(f, Axis::channels) = pool ? o.pool.c : o.shape.c;
  at(f, Axis::width) = pool ? o.pool.q() : o.shape.q();
  if (o.product()) {
    at(f, Axis::filters) = o.shape.k;
    f.product = product_of(o.shape, pass);
    f.weight_bytes =
        static_cast<double>(o.shape.w_count() * (pass == OpPass::backward_weight ? sizeof(float) : size_of(dtype)));
  }
  return f;
}

OpFeatures augment_features(int n, int h, int w, int stored_h, int stored_w, DType dtype) {
  const double read = 3.0 * stored_h * stored_w, written = 3.0 * h * w * static_cast<double>(size_of(dtype));
  return streaming("augment_forward", n * (read + written), dtype);
}

OpFeatures loss_features(int n, int classes, DType dtype) {
  constexpr double kPerSample = 12.0;  // label, loss and prediction
  return streaming("softmax_cross_entropy", n * (2.0 * classes * static_cast<double>(size_of(dtype)) + kPerSample),
                   dtype);
}

OpFeatures norm_features(std::size_t count) {
  return streaming("gradient_norm", static_cast<double>(count * sizeof(float)), DType::f32);
}

OpFeatures update_features(const char* op, std::size_t count, int moments, DType compute) {
  const double floats = 3.0 + 2.0 * moments;  // reads the gradient; reads and writes weights and moments
  const double copy = compute == DType::f32 ? 0.0 : static_cast<double>(size_of(compute));
  return streaming(op, static_cast<double>(count) * (floats * sizeof(float) + copy), compute);
}

OpFeatures cast_features(std::size_t count, DType from, DType to) {
  return streaming("cast", static_cast<double>(count * (size_of(from) + size_of(to))), to);
}

std::string stand_in(const std::string& op, const std::string& form) {
  if (const std::size_t rest = form.rfind('_');
      rest != std::string::npos && (form.substr(rest) == "_ragged" || form.substr(rest) == "_overlapping"))
    return form.substr(0, rest);
  if (op == "batch_norm_forward" || op == "batch_norm_backward") return "";
  if (form == "depthwise_strided") return "depthwise";
  if (form == "pointwise_strided") return "pointwise";
  if (form == "pointwise" || form == "strided" || form == "shallow" || form == "grouped" || form == "3x3")
    return "window";
  if (form == "global" || form == "average") return "max";
  return "";
}

}  // namespace tsugi::bench
