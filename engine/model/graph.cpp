// Turns the list of layers into fused ops: conv2d/dense/batch_norm/add + activation, batch_norm + add.
#include "engine/model/graph.h"

namespace tsugi {
namespace {

bool takes_activation(NodeKind kind) {
  return kind != NodeKind::pool && kind != NodeKind::dropout && kind != NodeKind::activation;
}

class Builder {
 public:
  Builder(const Model& model, int classes, bool training)
      : model_(model), training_(training), shapes_(infer_shapes(model, classes)), uses_(model.layers.size(), 0) {
    for (const Layer& layer : model.layers)
      for (const int input : layer.inputs)
        if (input >= 0) ++uses_[static_cast<std::size_t>(input)];
    graph_.values.push_back({model.input.count(), -1, {}});
  }

  Graph build() {
    for (std::size_t i = 0; i < model_.layers.size(); ++i) add_layer(static_cast<int>(i));
    graph_.logits = value_of_.back();
    graph_.features = graph_.nodes.back().inputs[0];
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
      for (const int input : graph_.nodes[n].inputs) value(input).consumers.push_back(static_cast<int>(n));
    return std::move(graph_);
  }

 private:
  Value& value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
  int value_of(int layer) const { return layer < 0 ? 0 : value_of_[static_cast<std::size_t>(layer)]; }
  SampleShape shape_of(int layer) const { return layer < 0 ? model_.input : shapes_[static_cast<std::size_t>(layer)]; }

  /// The node that makes `layer`'s output, if nobody but one reader sees that output.
  Node* sole_producer(int layer) {
    if (layer < 0 || uses_[static_cast<std::size_t>(layer)] != 1) return nullptr;
    const int producer = value(value_of(layer)).producer;
    return producer < 0 || shared(value_of(layer), layer) ? nullptr : &graph_.nodes[static_cast<std::size_t>(producer)];
  }

  /// Whether another layer's output is the same value (a flatten or a skipped dropout between them) with readers of its
  /// own.
  bool shared(int value_index, int layer) const {
    for (std::size_t other = 0; other < value_of_.size(); ++other)
      if (static_cast<int>(other) != layer && value_of_[other] == value_index && uses_[other] > 1) return true;
    return false;
  }

  void add_layer(int index) {
    const Layer& layer = model_.layers[static_cast<std::size_t>(index)];
    const int source = layer.inputs[0];
    const std::optional<NodeKind>& kind = layer.kind->node;
    const bool passes_on = !kind || (kind == NodeKind::dropout && (!training_ || layer.rate == 0.0f));
    if (passes_on) {
      value_of_.push_back(value_of(source));
      return;
    }
    if (kind == NodeKind::activation && fuse_activation(source, layer)) return;
    if (kind == NodeKind::add && fuse_add(layer)) return;
    push_node(index, layer);
  }

  static Activation activation_of(const Layer& layer) {
    const ActivationKind kind = layer.kind->activation;
    return {kind, kind == ActivationKind::leaky_relu ? layer.slope : 0.0f};
  }

  bool fuse_activation(int source, const Layer& layer) {
    Node* producer = sole_producer(source);
    if (producer == nullptr || !takes_activation(producer->kind) || producer->activation.kind != ActivationKind::none)
      return false;
    producer->activation = activation_of(layer);
    value_of_.push_back(value_of(source));
    return true;
  }

  bool fuse_add(const Layer& layer) {
    for (const int side : {0, 1}) {
      const int main = layer.inputs[static_cast<std::size_t>(side)];
      const int other = layer.inputs[static_cast<std::size_t>(1 - side)];
      Node* producer = sole_producer(main);
      if (producer == nullptr || producer->kind != NodeKind::batch_norm || producer->inputs.size() != 1 ||
          producer->activation.kind != ActivationKind::none || value_of(main) == value_of(other))
        continue;
      if (value(value_of(other)).producer >= value(value_of(main)).producer) continue;  // not computed yet
      producer->inputs.push_back(value_of(other));
      value_of_.push_back(value_of(main));
      return true;
    }
    return false;
  }

  void push_node(int index, const Layer& layer) {
    Node node;
    node.layer = index;
    node.in = shape_of(layer.inputs[0]);
    node.out = shape_of(index);
    for (const int input : layer.inputs) node.inputs.push_back(value_of(input));
    node.kind = *layer.kind->node;
    node.activation = activation_of(layer);
    node.output = static_cast<int>(graph_.values.size());
    graph_.values.push_back({node.out.count(), static_cast<int>(graph_.nodes.size()), {}});
    graph_.nodes.push_back(node);
    value_of_.push_back(node.output);
  }

  const Model& model_;
  bool training_;
  std::vector<SampleShape> shapes_;
  std::vector<int> uses_;      // layers that read a layer's output
  std::vector<int> value_of_;  // the value that holds a layer's output
  Graph graph_;
};

}  // namespace

Graph build_graph(const Model& model, int classes, bool training) { return Builder(model, classes, training).build(); }

}  // namespace tsugi
