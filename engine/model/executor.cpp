// Plans a program: which consumer masks which gradient, how long every buffer lives, where it lies.
#include "engine/model/executor.h"

#include <algorithm>

namespace tsugi {
namespace {

/// Whether a node's backward can apply the derivative of the activation that made its input (see kernels/api): pooling
/// and dropout have only what they made of its output.
bool can_mask(NodeKind kind, ActivationKind activation, bool only_consumer) {
  if (kind == NodeKind::conv2d || kind == NodeKind::dense) return true;
  return only_consumer && !saves_input(activation) && (kind == NodeKind::pool || kind == NodeKind::dropout);
}

}  // namespace

Executor::Executor(Backend& backend, const Model& model, const ParameterLayout& layout, int classes, int batch,
                   DType dtype, ExecutorMode mode, int frozen_layers)
    : backend_(backend),
      model_(model),
      layout_(layout),
      classes_(classes),
      batch_(batch),
      dtype_(dtype),
      mode_(mode),
      frozen_layers_(frozen_layers),
      graph_(build_graph(model, classes, mode == ExecutorMode::training)) {
  if (batch < 1) throw Error("executor: batch is " + std::to_string(batch) + ", expected at least 1");
  masks_own_output_.assign(graph_.nodes.size(), false);
  input_gradients_.resize(graph_.nodes.size());
  trained_.assign(graph_.nodes.size(), false);
  if (mode_ == ExecutorMode::training) {
    find_trained();
    place_gradients();
  }
  place_buffers();
}

/// A node without parameters of its own only passes gradients on: behind frozen layers (or the input) there is nobody
/// to take them.
void Executor::find_trained() {
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    const bool learns =
        node.kind == NodeKind::conv2d || node.kind == NodeKind::dense || node.kind == NodeKind::batch_norm;
    trained_[n] = learns && node.layer >= frozen_layers_;
    for (const int input : node.inputs) trained_[n] = trained_[n] || wants_gradient(input);
  }
}

bool Executor::wants_gradient(int value) const {
  const int producer = graph_.values[static_cast<std::size_t>(value)].producer;
  return producer >= 0 && trained_[static_cast<std::size_t>(producer)];
}

/// Walks backwards once: the first consumer met overwrites a gradient, the later ones add to it, the last one masks it.
void Executor::place_gradients() {
  std::vector<int> readers_left(graph_.values.size(), 0);
  for (const Node& node : graph_.nodes)
    for (const int input : node.inputs) ++readers_left[static_cast<std::size_t>(input)];
  std::vector<bool> written(graph_.values.size(), false);
  for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
    const Node& node = graph_.nodes[n];
    input_gradients_[n].resize(node.inputs.size());
    if (!trained_[n]) continue;
    // Last input first: a batch norm added to its own input writes the residual's gradient, then adds d_x from a spare.
    for (std::size_t i = node.inputs.size(); i-- > 0;) {
      const int input = node.inputs[i];
      const auto v = static_cast<std::size_t>(input);
      InputGradient placed;
      placed.wanted = wants_gradient(input);
      placed.write = written[v] ? Write::accumulate : Write::overwrite;
      written[v] = true;
      const int producer = graph_.values[v].producer;
      if (placed.wanted && --readers_left[v] == 0 && producer >= 0) {
        const Node& made_by = graph_.nodes[static_cast<std::size_t>(producer)];
        const bool has_mask = made_by.activation.kind != ActivationKind::none && made_by.kind != NodeKind::batch_norm;
        placed.masks = has_mask && can_mask(node.kind, made_by.activation.kind, graph_.values[v].consumers.size() == 1);
        if (has_mask && !placed.masks) masks_own_output_[static_cast<std::size_t>(producer)] = true;
      }
      input_gradients_[n][i] = placed;
    }
  }
}

int Executor::request(std::size_t bytes, int first, int last) {
  requests_.push_back({bytes, first, last});
  return static_cast<int>(requests_.size()) - 1;
}

void Executor::extend(int request, int time) {
  BufferRequest& buffer = requests_[static_cast<std::size_t>(request)];
  buffer.first = std::min(buffer.first, time);
  buffer.last = std::max(buffer.last, time);
}

/// Dropout overwrites its input when nobody else reads it: the masks that its neighbours take from the value stay
/// right, because a dropped element's gradient is zero anyway.
bool Executor::in_place(const Node& node) const {
  return node.kind == NodeKind::dropout && node.inputs[0] != 0 &&
         graph_.values[static_cast<std::size_t>(node.inputs[0])].consumers.size() == 1;
}

void Executor::place_buffers() {
  const std::size_t element = size_of(dtype_);
  const auto batch = static_cast<std::size_t>(batch_);
  value_request_.assign(graph_.values.size(), -1);
  gradient_request_.assign(graph_.values.size(), -1);
  buffers_.resize(graph_.nodes.size());
  const int end_of_forward = static_cast<int>(graph_.nodes.size()) + 1;

  value_request_[0] = request(graph_.values[0].count * batch * element, 0, 0);
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    const auto out = static_cast<std::size_t>(node.output);
    value_request_[out] = in_place(node)
                              ? value_request_[static_cast<std::size_t>(node.inputs[0])]
                              : request(graph_.values[out].count * batch * element, forward_time(n), forward_time(n));
    for (const int input : node.inputs) extend(value_request_[static_cast<std::size_t>(input)], forward_time(n));
    extend(value_request_[out], forward_time(n));
    place_node(n);
  }
  extend(value_request_[static_cast<std::size_t>(graph_.logits)], end_of_forward);
  if (mode_ == ExecutorMode::training) {
    const auto logits = static_cast<std::size_t>(graph_.logits);
    gradient_request_[logits] = request(graph_.values[logits].count * batch * element, end_of_forward, end_of_forward);
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      if (!trained_[n]) continue;
      const Node& node = graph_.nodes[n];
      const int time = backward_time(n);
      extend(gradient_request_[static_cast<std::size_t>(node.output)], time);
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto v = static_cast<std::size_t>(node.inputs[i]);
        if (!input_gradients_[n][i].wanted) continue;
        const bool sole = graph_.values[v].consumers.size() == 1;
        const bool reuse =
            i == 0 && sole &&
            (node.kind == NodeKind::batch_norm || node.kind == NodeKind::dropout || node.kind == NodeKind::activation);
        if (gradient_request_[v] < 0)
          gradient_request_[v] = reuse ? gradient_request_[static_cast<std::size_t>(node.output)]
                                       : request(graph_.values[v].count * batch * element, time, time);
        extend(gradient_request_[v], time);
      }
    }
  }
  arena_layout_ = lay_out_arena(requests_);
}

/// Requests what node n saves for its backward pass and its scratch memory, and keeps alive what that pass reads.
void Executor::place_node(std::size_t n) {
  const Node& node = graph_.nodes[n];
  NodeBuffers& buffers = buffers_[n];
  const bool training = trained_[n];
  const int forward = forward_time(n), backward = backward_time(n);
  const std::size_t out_count =
      graph_.values[static_cast<std::size_t>(node.output)].count * static_cast<std::size_t>(batch_);

  if (const std::size_t bytes = workspace_bytes(node); bytes > 0) {
    buffers.forward_workspace = request(bytes, forward, forward);
    if (training) buffers.backward_workspace = request(bytes, backward, backward);
  }
  if (!training) {
    if (node.kind == NodeKind::dropout)
      buffers.saved = request(out_count, forward, forward);  // the op has no form without a mask
    return;
  }

  const auto keep = [&](int value) { extend(value_request_[static_cast<std::size_t>(value)], backward); };
  const bool masks_input = input_gradients_[n][0].masks;
  if (saves_input(node.activation.kind)) {
    buffers.saved_input = node.kind == NodeKind::activation ? value_request_[static_cast<std::size_t>(node.inputs[0])]
                                                            : request(out_count * size_of(dtype_), forward, forward);
  }
  if (node.activation.kind != ActivationKind::none && (node.kind == NodeKind::batch_norm || masks_own_output_[n]))
    extend(saved_request(n), backward);
  switch (node.kind) {
    case NodeKind::conv2d:
    case NodeKind::dense:
      keep(node.inputs[0]);
      if (masks_input) extend(saved_request(producer_of(node.inputs[0])), backward);
      break;
    case NodeKind::batch_norm:
      keep(node.inputs[0]);
      buffers.saved = request(static_cast<std::size_t>(node.in.c) * sizeof(float), forward, backward);
      buffers.saved_inv_std = request(static_cast<std::size_t>(node.in.c) * sizeof(float), forward, backward);
      if (input_gradients_[n][0].write == Write::accumulate)
        buffers.spare_gradient = request(out_count * size_of(dtype_), backward, backward);
      break;
    case NodeKind::pool:
      if (pool_shape(node).kind == PoolKind::max) {
        buffers.saved = request(out_count, forward, backward);
        if (masks_input) keep(node.output);
      } else if (masks_input) {
        keep(node.inputs[0]);
      }
      break;
    case NodeKind::dropout:
      buffers.saved = request(out_count, forward, backward);
      if (masks_input) keep(node.output);
      break;
    case NodeKind::add:
    case NodeKind::activation:
      break;
  }
}

/// Where the node's activation finds its derivative: in its output, or in the input that it saved.
int Executor::saved_request(std::size_t n) const {
  const Node& node = graph_.nodes[n];
  return saves_input(node.activation.kind) ? buffers_[n].saved_input
                                           : value_request_[static_cast<std::size_t>(node.output)];
}

std::size_t Executor::workspace_bytes(const Node& node) const {
  switch (node.kind) {
    case NodeKind::conv2d:
      return backend_.workspace_bytes(conv_shape(node), dtype_);
    case NodeKind::dense:
      return backend_.workspace_bytes(dense_shape(node), dtype_);
    case NodeKind::batch_norm:
      return backend_.workspace_bytes(batch_norm_shape(node), dtype_);
    default:
      return 0;
  }
}

Conv2dShape Executor::conv_shape(const Node& node) const { return conv2d_shape(layer_of(node), node.in, batch_); }

DenseShape Executor::dense_shape(const Node& node) const {
  return {batch_, static_cast<int>(node.in.count()), node.out.c};
}

BatchNormShape Executor::batch_norm_shape(const Node& node) const {
  return {batch_ * node.in.h * node.in.w, node.in.c};
}

PoolShape Executor::pool_shape(const Node& node) const { return tsugi::pool_shape(layer_of(node), node.in, batch_); }

}  // namespace tsugi
