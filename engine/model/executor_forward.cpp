// The forward pass of a program: one op call a node.
#include "engine/model/executor.h"

namespace tsugi {

const void* Executor::weight(const Node& node, const Pass& pass) const {
  const ParameterInfo* info = layout_.find(node.layer, "weight");
  return static_cast<const std::uint8_t*>(pass.compute) + info->offset * size_of(dtype_);
}

const float* Executor::vector(const Node& node, const Pass& pass, const char* name) const {
  const ParameterInfo* info = layout_.find(node.layer, name);
  return info == nullptr ? nullptr : pass.parameters + info->offset;
}

float* Executor::vector_gradient(const Node& node, const Pass& pass, const char* name) const {
  const ParameterInfo* info = layout_.find(node.layer, name);
  return info == nullptr ? nullptr : pass.gradients + info->offset;
}

float* Executor::statistic(const Node& node, const Pass& pass, const char* name) const {
  return pass.statistics + layout_.find_statistic(node.layer, name)->offset;
}

void Executor::forward(const Pass& pass) {
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
    if (pass.probe != nullptr) pass.probe->enter(StepPart::forward, graph_.nodes[n].layer);
    forward_node(n, pass);
  }
}

void Executor::forward_batch_norm(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const Layer& layer = layer_of(node);
  BatchNormForward op;
  op.shape = batch_norm_shape(node);
  op.dtype = dtype_;
  op.mode = node.layer < frozen_layers_ ? BatchNormMode::running_statistics : pass.batch_norm;
  op.eps = layer.eps;
  op.momentum = layer.momentum;
  op.x = value(node.inputs[0]);
  op.residual = node.inputs.size() > 1 ? value(node.inputs[1]) : nullptr;
  op.gamma = vector(node, pass, "gamma");
  op.beta = vector(node, pass, "beta");
  op.activation = node.activation;
  op.running_mean = statistic(node, pass, "running_mean");
  op.running_var = statistic(node, pass, "running_var");
  op.saved_mean = static_cast<float*>(at(buffers_[n].saved));
  op.saved_inv_std = static_cast<float*>(at(buffers_[n].saved_inv_std));
  op.y = value(node.output);
  op.workspace = at(buffers_[n].forward_workspace);
  op.saved = saved_input(n);
  backend_.batch_norm_forward(op);
}

void Executor::forward_node(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const void* x = value(node.inputs[0]);
  void* y = value(node.output);
  void* workspace = at(buffers_[n].forward_workspace);
  const std::size_t count =
      graph_.values[static_cast<std::size_t>(node.output)].count * static_cast<std::size_t>(batch_);
  switch (node.kind) {
    case NodeKind::conv2d:
      backend_.conv2d_forward({conv_shape(node), dtype_, x, weight(node, pass), vector(node, pass, "bias"),
                               node.activation, y, workspace, saved_input(n)});
      break;
    case NodeKind::dense:
      backend_.dense_forward({dense_shape(node), dtype_, x, weight(node, pass), vector(node, pass, "bias"),
                              node.activation, y, workspace, saved_input(n)});
      break;
    case NodeKind::batch_norm:
      forward_batch_norm(n, pass);
      break;
    case NodeKind::pool:
      backend_.pool_forward({pool_shape(node), dtype_, x, y, static_cast<std::uint8_t*>(at(buffers_[n].saved))});
      break;
    case NodeKind::dropout: {
      DropoutForward op;
      op.n = batch_;
      op.per_sample = node.out.count();
      op.dtype = dtype_;
      op.rate = layer_of(node).rate;
      op.draw_purpose = purpose::kDropout + static_cast<std::uint32_t>(node.layer);
      op.step = pass.step;
      op.sample_ids = pass.sample_ids;
      op.x = x;
      op.y = y;
      op.mask = static_cast<std::uint8_t*>(at(buffers_[n].saved));
      backend_.dropout_forward(op);
      break;
    }
    case NodeKind::add:
      backend_.add_forward({count, dtype_, x, value(node.inputs[1]), node.activation, y, saved_input(n)});
      break;
    case NodeKind::activation:
      backend_.activation_forward({count, dtype_, node.activation, x, y});
      break;
  }
}

}  // namespace tsugi
