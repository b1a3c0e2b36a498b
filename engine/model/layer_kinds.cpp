// The table of layer kinds, and the rules that its rows name: output shapes and parameters.
#include "engine/model/layer.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Shapes = std::vector<SampleShape>;
using Parameters = std::vector<LayerParameter>;

std::string text_of(int rows, int columns) { return std::to_string(rows) + "x" + std::to_string(columns); }
std::string text_of(const SampleShape& s) { return text_of(s.h, s.w) + "x" + std::to_string(s.c); }

// -- shapes ---------------------------------------------------------------------------------------------------------
SampleShape same_shape(const Layer&, const Shapes& in, int) { return in[0]; }

SampleShape window_shape(const Layer& layer, SampleShape in) {
  const int h = in.h + 2 * layer.pad_h, w = in.w + 2 * layer.pad_w;
  if (layer.kernel_h > h || layer.kernel_w > w)
    throw Error("window " + text_of(layer.kernel_h, layer.kernel_w) + " exceeds the padded input " + text_of(h, w));
  in.h = (h - layer.kernel_h) / layer.stride_h + 1;
  in.w = (w - layer.kernel_w) / layer.stride_w + 1;
  return in;
}

/// Weights of one layer, counted in double, which cannot overflow.
void check_weights(double count) {
  constexpr int kMost = 1 << 30;
  if (count > kMost)
    throw Error("has " + std::to_string(count) + " parameters, at most " + std::to_string(kMost) + " are supported");
}

SampleShape conv2d_output(const Layer& layer, const Shapes& in, int) {
  const int c = in[0].c;
  if (c % layer.groups != 0 || layer.filters % layer.groups != 0)
    throw Error(std::to_string(layer.groups) + " groups do not divide " + std::to_string(c) + " input channels and " +
                std::to_string(layer.filters) + " filters");
  SampleShape out = window_shape(layer, in[0]);
  out.c = layer.filters;
  check_weights(static_cast<double>(layer.kernel_h) * layer.kernel_w * (c / layer.groups) * layer.filters);
  return out;
}

SampleShape dense_output(const Layer& layer, const Shapes& in, int classes) {
  if (in[0].h != 1 || in[0].w != 1)
    throw Error("input is " + text_of(in[0]) + ", expected 1x1xN: put a flatten or global_average_pool before it");
  const int units = layer.units == 0 ? classes : layer.units;
  check_weights(static_cast<double>(in[0].c) * units);
  return {1, 1, units};
}

SampleShape pool_output(const Layer& layer, const Shapes& in, int) {
  if (layer.pad_h >= layer.kernel_h || layer.pad_w >= layer.kernel_w)
    throw Error("padding " + text_of(layer.pad_h, layer.pad_w) + " reaches the window " +
                text_of(layer.kernel_h, layer.kernel_w));
  if (layer.kind->pool == PoolKind::max && layer.kernel_h * layer.kernel_w > 255)
    throw Error("window has " + std::to_string(layer.kernel_h * layer.kernel_w) +
                " positions, at most 255 are supported");
  return window_shape(layer, in[0]);
}

SampleShape add_output(const Layer&, const Shapes& in, int) {
  if (!(in[0] == in[1]))
    throw Error("inputs are " + text_of(in[0]) + " and " + text_of(in[1]) + ", expected equal shapes");
  return in[0];
}

SampleShape flatten_output(const Layer&, const Shapes& in, int) {
  if (in[0].count() > (1u << 30)) throw Error("input " + text_of(in[0]) + " is too large");
  return {1, 1, static_cast<int>(in[0].count())};
}

// -- parameters -----------------------------------------------------------------------------------------------------
Parameters with_bias(const Layer& layer, std::vector<std::int64_t> weight) {
  Parameters parameters = {{"weight", weight}};
  if (layer.bias) parameters.push_back({"bias", {weight[0]}});
  return parameters;
}

Parameters conv2d_parameters(const Layer& layer, const SampleShape& in, const SampleShape&) {
  return with_bias(layer, {layer.filters, layer.kernel_h, layer.kernel_w, in.c / layer.groups});
}

Parameters dense_parameters(const Layer& layer, const SampleShape& in, const SampleShape& out) {
  return with_bias(layer, {out.c, static_cast<std::int64_t>(in.count())});
}

Parameters batch_norm_parameters(const Layer&, const SampleShape& in, const SampleShape&) {
  return {{"gamma", {in.c}}, {"beta", {in.c}}, {"running_mean", {in.c}, false}, {"running_var", {in.c}, false}};
}

// -- fields ---------------------------------------------------------------------------------------------------------
LayerField needed(LayerField field) {
  field.needed = true;
  return field;
}

LayerField like(LayerField field, int Layer::*other) {
  field.like = other;
  return field;
}

LayerField count(const char* name, const char* help, int Layer::*member, const char* word = nullptr) {
  LayerField field{name, help, member};
  field.low = 1, field.high = 1 << 20, field.word = word;
  return field;
}

LayerField pair(const char* name, const char* help, int Layer::*rows, int Layer::*columns, int low) {
  LayerField field{name, help, rows, columns};
  field.low = low, field.high = 1024;
  return field;
}

LayerField number(const char* name, const char* help, float Layer::*member, double low) {
  LayerField field{name, help};
  field.number = member, field.low = low, field.high = 1.0;
  return field;
}

LayerField flag(const char* name, const char* help, bool Layer::*member) {
  LayerField field{name, help};
  field.flag = member;
  return field;
}

LayerKind activation(const char* name, ActivationKind kind, std::vector<LayerField> fields = {}) {
  return {name, NodeKind::activation, std::move(fields), same_shape, nullptr, kind};
}

}  // namespace

const std::vector<LayerKind>& layer_kinds() {
  static const LayerField filters = needed(count("filters", "Output channels", &Layer::filters));
  static const LayerField bias = flag("bias", "Add a number to each output channel", &Layer::bias);
  static const LayerField kernel = needed(pair("kernel", "Size of the window", &Layer::kernel_h, &Layer::kernel_w, 1));
  static const LayerField stride = pair("stride", "Step of the window", &Layer::stride_h, &Layer::stride_w, 1);
  static const LayerField pool_stride = like(stride, &Layer::kernel_h);
  static const LayerField pad = pair("pad", "Zeros around the input, on every side", &Layer::pad_h, &Layer::pad_w, 0);
  static const LayerField groups =
      count("groups", "Parts of the channels that are convolved apart; \"depthwise\" = as many as there are channels",
            &Layer::groups, "depthwise");
  static const LayerField units =
      needed(count("units", "Outputs; \"classes\" = one a person, of the last layer", &Layer::units, "classes"));
  static const std::vector<LayerKind> table = {
      {"conv2d", NodeKind::conv2d, {filters, kernel, stride, pad, groups, bias}, conv2d_output, conv2d_parameters},
      {"dense", NodeKind::dense, {units, bias}, dense_output, dense_parameters},
      {"batch_norm",
       NodeKind::batch_norm,
       {number("eps", "Added to the variance", &Layer::eps, 1e-12),
        number("momentum", "Share of a batch in the running statistics", &Layer::momentum, 0.0)},
       same_shape,
       batch_norm_parameters},
      activation("relu", ActivationKind::relu),
      activation("leaky_relu", ActivationKind::leaky_relu, {number("slope", "Of what is below 0", &Layer::slope, 0.0)}),
      activation("silu", ActivationKind::silu),
      activation("hard_swish", ActivationKind::hard_swish),
      activation("gelu", ActivationKind::gelu),
      {"max_pool", NodeKind::pool, {kernel, pool_stride, pad}, pool_output},
      {"average_pool", NodeKind::pool, {kernel, pool_stride, pad}, pool_output, nullptr, {}, PoolKind::average},
      {"global_average_pool", NodeKind::pool, {}, pool_output, nullptr, {}, PoolKind::average, true},
      {"dropout",
       NodeKind::dropout,
       {number("rate", "Share of the values that a step leaves out", &Layer::rate, 0.0)},
       same_shape},
      {"add", NodeKind::add, {}, add_output},
      {"flatten", {}, {}, flatten_output},
  };
  return table;
}

void resolve(Layer& layer, const SampleShape& in) {
  if (layer.groups == 0) layer.groups = in.c;
  if (!layer.kind->global) return;
  layer.kernel_h = layer.stride_h = in.h;
  layer.kernel_w = layer.stride_w = in.w;
}

Conv2dShape conv2d_shape(const Layer& layer, const SampleShape& in, int batch) {
  Conv2dShape shape;
  shape.n = batch, shape.h = in.h, shape.w = in.w, shape.c = in.c;
  shape.k = layer.filters, shape.r = layer.kernel_h, shape.s = layer.kernel_w;
  shape.stride_h = layer.stride_h, shape.stride_w = layer.stride_w;
  shape.pad_h = layer.pad_h, shape.pad_w = layer.pad_w;
  shape.groups = layer.groups;
  return shape;
}

PoolShape pool_shape(const Layer& layer, const SampleShape& in, int batch) {
  PoolShape shape;
  shape.n = batch, shape.h = in.h, shape.w = in.w, shape.c = in.c;
  shape.r = layer.kernel_h, shape.s = layer.kernel_w;
  shape.stride_h = layer.stride_h, shape.stride_w = layer.stride_w;
  shape.pad_h = layer.pad_h, shape.pad_w = layer.pad_w;
  shape.kind = layer.kind->pool;
  return shape;
}

}  // namespace tsugi
