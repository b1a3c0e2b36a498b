// The backward pass of a program: each node, in reverse, turns the gradient of its output into those of its inputs
// and parameters.
#include "engine/model/executor.h"

namespace tsugi {

/// The activation whose mask this node applies to the gradient of its input; none when it does not.
Activation Executor::mask_of(const Node& node, std::size_t input) const {
  if (!input_gradients_[producer_of(node.output)][input].masks) return {};
  return graph_.nodes[producer_of(node.inputs[input])].activation;
}

/// What that activation saved; null where there is none.
const void* Executor::saved_of_input(const Node& node) const {
  return input_gradients_[producer_of(node.output)][0].masks ? saved(producer_of(node.inputs[0])) : nullptr;
}

void Executor::backward(const Pass& pass) {
  for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
    if (!trained_[n]) continue;
    if (pass.probe != nullptr) pass.probe->enter(StepPart::backward, graph_.nodes[n].layer);
    backward_node(n, pass);
  }
}

void Executor::backward_node(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const std::size_t count =
      graph_.values[static_cast<std::size_t>(node.output)].count * static_cast<std::size_t>(batch_);
  void* d_y = gradient(node.output);
  if (masks_own_output_[n] && node.kind != NodeKind::activation && node.kind != NodeKind::batch_norm)
    backend_.activation_backward({count, dtype_, node.activation, saved(n), d_y, Write::overwrite, d_y});
  switch (node.kind) {
    case NodeKind::conv2d:
      backward_conv2d(n, pass);
      break;
    case NodeKind::dense:
      backward_dense(n, pass);
      break;
    case NodeKind::batch_norm:
      backward_batch_norm(n, pass);
      break;
    case NodeKind::pool:
      backward_pool(n, pass);
      break;
    case NodeKind::add:
      backward_add(n);
      break;
    case NodeKind::dropout:
      if (input_gradients_[n][0].wanted)
        backend_.dropout_backward({count, dtype_, layer_of(node).rate,
                                   static_cast<const std::uint8_t*>(at(buffers_[n].saved)), value(node.output),
                                   mask_of(node, 0), d_y, input_gradients_[n][0].write, gradient(node.inputs[0])});
      break;
    case NodeKind::activation: {
      // Its consumers may have applied its mask already; then only the gradient's place changes.
      const Activation left = masks_own_output_[n] ? node.activation : Activation{};
      if (input_gradients_[n][0].wanted)
        backend_.activation_backward(
            {count, dtype_, left, saved(n), d_y, input_gradients_[n][0].write, gradient(node.inputs[0])});
      break;
    }
  }
}

void Executor::backward_conv2d(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const void* x = value(node.inputs[0]);
  const void* d_y = gradient(node.output);
  void* workspace = at(buffers_[n].backward_workspace);
  backend_.conv2d_backward_weight({conv_shape(node), dtype_, x, d_y, pass.write, vector_gradient(node, pass, "weight"),
                                   vector_gradient(node, pass, "bias"), workspace});
  if (input_gradients_[n][0].wanted)
    backend_.conv2d_backward_data({conv_shape(node), dtype_, d_y, weight(node, pass), saved_of_input(node),
                                   mask_of(node, 0), input_gradients_[n][0].write, gradient(node.inputs[0]),
                                   workspace});
}

void Executor::backward_dense(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const void* x = value(node.inputs[0]);
  const void* d_y = gradient(node.output);
  void* workspace = at(buffers_[n].backward_workspace);
  backend_.dense_backward_weight({dense_shape(node), dtype_, x, d_y, pass.write, vector_gradient(node, pass, "weight"),
                                  vector_gradient(node, pass, "bias"), workspace});
  if (input_gradients_[n][0].wanted)
    backend_.dense_backward_data({dense_shape(node), dtype_, d_y, weight(node, pass), saved_of_input(node),
                                  mask_of(node, 0), input_gradients_[n][0].write, gradient(node.inputs[0]), workspace});
}

void Executor::backward_batch_norm(std::size_t n, const Pass& pass) {
  const Node& node = graph_.nodes[n];
  const InputGradient& placed = input_gradients_[n][0];
  const bool residual = node.inputs.size() > 1 && input_gradients_[n][1].wanted;
  BatchNormBackward op;
  op.shape = batch_norm_shape(node);
  op.dtype = dtype_;
  op.mode = pass.batch_norm;
  op.x = value(node.inputs[0]);
  op.saved = saved(n);
  op.d_y = gradient(node.output);
  op.gamma = vector(node, pass, "gamma");
  op.saved_mean = static_cast<const float*>(at(buffers_[n].saved));
  op.saved_inv_std = static_cast<const float*>(at(buffers_[n].saved_inv_std));
  op.activation = node.activation;
  op.write = pass.write;
  op.d_gamma = vector_gradient(node, pass, "gamma");
  op.d_beta = vector_gradient(node, pass, "beta");
  const bool add = placed.write == Write::accumulate;
  // A batch norm right behind the model's input has nowhere to send d_x: its output's gradient is overwritten.
  op.d_x = !placed.wanted ? gradient(node.output) : add ? at(buffers_[n].spare_gradient) : gradient(node.inputs[0]);
  op.write_residual = residual ? input_gradients_[n][1].write : Write::overwrite;
  op.d_residual = residual ? gradient(node.inputs[1]) : nullptr;
  op.workspace = at(buffers_[n].backward_workspace);
  backend_.batch_norm_backward(op);
  if (placed.wanted && add) {
    const std::size_t count =
        graph_.values[static_cast<std::size_t>(node.output)].count * static_cast<std::size_t>(batch_);
    backend_.activation_backward({count, dtype_, {}, nullptr, op.d_x, Write::accumulate, gradient(node.inputs[0])});
  }
}

void Executor::backward_pool(std::size_t n, const Pass&) {
  const Node& node = graph_.nodes[n];
  if (!input_gradients_[n][0].wanted) return;
  backend_.pool_backward({pool_shape(node), dtype_, gradient(node.output),
                          static_cast<const std::uint8_t*>(at(buffers_[n].saved)), value(node.output),
                          value(node.inputs[0]), mask_of(node, 0), input_gradients_[n][0].write,
                          gradient(node.inputs[0])});
}

void Executor::backward_add(std::size_t n) {
  const Node& node = graph_.nodes[n];
  const std::size_t count =
      graph_.values[static_cast<std::size_t>(node.output)].count * static_cast<std::size_t>(batch_);
  for (const std::size_t i : {std::size_t{1}, std::size_t{0}})  // as planned: last input first
    if (input_gradients_[n][i].wanted)
      backend_.activation_backward(
          {count, dtype_, {}, nullptr, gradient(node.output), input_gradients_[n][i].write, gradient(node.inputs[i])});
}

}  // namespace tsugi
