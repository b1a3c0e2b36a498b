// Works out every layer's output shape, parameters and FLOPs from the description.
#include <string>

#include "engine/model/description.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

std::string text_of(const SampleShape& s) {
  return std::to_string(s.h) + "x" + std::to_string(s.w) + "x" + std::to_string(s.c);
}

[[noreturn]] void fail(const Model& model, const Layer& layer, const std::string& message) {
  throw Error("model " + model.name + ": layer " + layer.name + " (" + name_of(layer.type) + "): " + message);
}

SampleShape window_shape(const Model& model, const Layer& layer, const SampleShape& in) {
  if (layer.kernel_h > in.h + 2 * layer.pad_h || layer.kernel_w > in.w + 2 * layer.pad_w)
    fail(model, layer,
         "window " + std::to_string(layer.kernel_h) + "x" + std::to_string(layer.kernel_w) +
             " exceeds the padded input " + std::to_string(in.h + 2 * layer.pad_h) + "x" +
             std::to_string(in.w + 2 * layer.pad_w));
  SampleShape out = in;
  out.h = (in.h + 2 * layer.pad_h - layer.kernel_h) / layer.stride_h + 1;
  out.w = (in.w + 2 * layer.pad_w - layer.kernel_w) / layer.stride_w + 1;
  return out;
}

/// Weights of one layer, counted in double, which cannot overflow.
void check_weights(const Model& model, const Layer& layer, double count) {
  constexpr double kMaxWeights = 1 << 30;
  if (count > kMaxWeights)
    fail(model, layer,
         "has " + std::to_string(count) + " parameters, at most " + std::to_string(1 << 30) + " are supported");
}

SampleShape conv_shape(const Model& model, const Layer& layer, const SampleShape& in) {
  const int groups = layer.groups == 0 ? in.c : layer.groups;
  if (in.c % groups != 0 || layer.filters % groups != 0)
    fail(model, layer,
         std::to_string(groups) + " groups do not divide " + std::to_string(in.c) + " input channels and " +
             std::to_string(layer.filters) + " filters");
  SampleShape out = window_shape(model, layer, in);
  out.c = layer.filters;
  check_weights(model, layer, static_cast<double>(layer.kernel_h) * layer.kernel_w * (in.c / groups) * layer.filters);
  return out;
}

SampleShape pool_shape(const Model& model, const Layer& layer, const SampleShape& in) {
  if (layer.pad_h >= layer.kernel_h || layer.pad_w >= layer.kernel_w)
    fail(model, layer,
         "padding " + std::to_string(layer.pad_h) + "x" + std::to_string(layer.pad_w) + " reaches the window " +
             std::to_string(layer.kernel_h) + "x" + std::to_string(layer.kernel_w));
  if (layer.type == LayerType::max_pool && layer.kernel_h * layer.kernel_w > 255)
    fail(model, layer,
         "window has " + std::to_string(layer.kernel_h * layer.kernel_w) + " positions, at most 255 are supported");
  return window_shape(model, layer, in);
}

SampleShape output_shape(const Model& model, const Layer& layer, const SampleShape& in, const SampleShape* second,
                         int classes) {
  switch (layer.type) {
    case LayerType::conv2d:
      return conv_shape(model, layer, in);
    case LayerType::max_pool:
    case LayerType::average_pool:
      return pool_shape(model, layer, in);
    case LayerType::global_average_pool:
      return {1, 1, in.c};
    case LayerType::flatten:
      if (in.count() > (1u << 30)) fail(model, layer, "input " + text_of(in) + " is too large");
      return {1, 1, static_cast<int>(in.count())};
    case LayerType::dense:
      if (in.h != 1 || in.w != 1)
        fail(model, layer,
             "input is " + text_of(in) + ", expected 1x1xN: put a flatten or global_average_pool before it");
      check_weights(model, layer, static_cast<double>(in.c) * (layer.units == 0 ? classes : layer.units));
      return {1, 1, layer.units == 0 ? classes : layer.units};
    case LayerType::add:
      if (!(in == *second))
        fail(model, layer, "inputs are " + text_of(in) + " and " + text_of(*second) + ", expected equal shapes");
      return in;
    default:
      return in;
  }
}

}  // namespace

std::vector<SampleShape> infer_shapes(const Model& model, int classes) {
  constexpr std::size_t kMaxCount = std::size_t{1} << 30;
  std::vector<SampleShape> shapes;
  const auto shape_of = [&](int index) { return index < 0 ? model.input : shapes[static_cast<std::size_t>(index)]; };
  for (const Layer& layer : model.layers) {
    const SampleShape in = shape_of(layer.inputs[0]);
    const SampleShape second = layer.inputs.size() > 1 ? shape_of(layer.inputs[1]) : in;
    const SampleShape out = output_shape(model, layer, in, &second, classes);
    if (out.count() > kMaxCount)
      fail(model, layer,
           "output " + text_of(out) + " has more than " + std::to_string(kMaxCount) + " elements a sample");
    shapes.push_back(out);
  }
  return shapes;
}

std::vector<LayerCost> layer_costs(const Model& model, int classes) {
  const std::vector<SampleShape> shapes = infer_shapes(model, classes);
  std::vector<LayerCost> costs;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const SampleShape in = layer.inputs[0] < 0 ? model.input : shapes[static_cast<std::size_t>(layer.inputs[0])];
    LayerCost cost;
    cost.output = shapes[i];
    if (layer.type == LayerType::conv2d) {
      const int groups = layer.groups == 0 ? in.c : layer.groups;
      const std::size_t filter = static_cast<std::size_t>(layer.kernel_h) * layer.kernel_w * (in.c / groups);
      cost.parameters = filter * layer.filters + (layer.bias ? layer.filters : 0);
      cost.forward_flops = 2.0 * static_cast<double>(filter) * static_cast<double>(cost.output.count());
    } else if (layer.type == LayerType::dense) {
      cost.parameters = in.count() * cost.output.count() + (layer.bias ? cost.output.count() : 0);
      cost.forward_flops = 2.0 * static_cast<double>(in.count()) * static_cast<double>(cost.output.count());
    } else if (layer.type == LayerType::batch_norm) {
      cost.parameters = 2 * static_cast<std::size_t>(in.c);
    }
    costs.push_back(cost);
  }
  return costs;
}

double training_flops(const Model& model, int classes) {
  const std::vector<LayerCost> costs = layer_costs(model, classes);
  double flops = 0.0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    int from = model.layers[i].inputs[0];
    while (from >= 0 &&
           model.layers[static_cast<std::size_t>(from)].type == LayerType::flatten)  // another view of the same values
      from = model.layers[static_cast<std::size_t>(from)].inputs[0];
    flops += (from < 0 ? 2.0 : 3.0) * costs[i].forward_flops;
  }
  return flops;
}

}  // namespace tsugi
