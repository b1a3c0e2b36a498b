// Works out every layer's output shape, parameters and FLOPs from the description.
#include <string>

#include "engine/model/description.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// A layer's output; `in` is that of its inputs.
SampleShape output_shape(const Model& model, const Layer& layer, const std::vector<SampleShape>& in, int classes) {
  constexpr std::size_t kMaxCount = std::size_t{1} << 30;
  try {
    const SampleShape out = layer.kind->shape(layer, in, classes);
    if (out.count() > kMaxCount)
      throw Error("output " + std::to_string(out.h) + "x" + std::to_string(out.w) + "x" + std::to_string(out.c) +
                  " has more than " + std::to_string(kMaxCount) + " elements a sample");
    return out;
  } catch (const Error& error) {
    throw Error("model " + model.name + ": layer " + layer.name + " (" + layer.kind->name + "): " + error.what());
  }
}

/// Every layer's output shape; `prepare` sees a layer and the shape of its first input before its own is worked out.
template <typename AnyModel, typename Prepare>
std::vector<SampleShape> walk_shapes(AnyModel& model, int classes, const Prepare& prepare) {
  std::vector<SampleShape> shapes;
  for (auto& layer : model.layers) {
    std::vector<SampleShape> in;
    for (const int input : layer.inputs)
      in.push_back(input < 0 ? model.input : shapes[static_cast<std::size_t>(input)]);
    prepare(layer, in[0]);
    shapes.push_back(output_shape(model, layer, in, classes));
  }
  return shapes;
}

}  // namespace

std::vector<SampleShape> infer_shapes(const Model& model, int classes) {
  return walk_shapes(model, classes, [](const Layer&, const SampleShape&) {});
}

void resolve_shapes(Model& model) { walk_shapes(model, 2, resolve); }

std::vector<LayerCost> layer_costs(const Model& model, int classes) {
  const std::vector<SampleShape> shapes = infer_shapes(model, classes);
  std::vector<LayerCost> costs;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    const SampleShape in = layer.inputs[0] < 0 ? model.input : shapes[static_cast<std::size_t>(layer.inputs[0])];
    LayerCost cost;
    cost.output = shapes[i];
    if (layer.kind->parameters != nullptr)
      for (const LayerParameter& parameter : layer.kind->parameters(layer, in, shapes[i]))
        if (parameter.learned) cost.parameters += parameter.count();
    if (layer.kind->node == NodeKind::conv2d) cost.forward_flops = conv2d_shape(layer, in, 1).flops();
    if (layer.kind->node == NodeKind::dense)
      cost.forward_flops = 2.0 * static_cast<double>(in.count()) * static_cast<double>(cost.output.count());
    costs.push_back(cost);
  }
  return costs;
}

double training_flops(const Model& model, int classes) {
  const std::vector<LayerCost> costs = layer_costs(model, classes);
  double flops = 0.0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    int from = model.layers[i].inputs[0];
    while (from >= 0 && !model.layers[static_cast<std::size_t>(from)].kind->node)  // another view of the same values
      from = model.layers[static_cast<std::size_t>(from)].inputs[0];
    flops += (from < 0 ? 2.0 : 3.0) * costs[i].forward_flops;
  }
  return flops;
}

}  // namespace tsugi
