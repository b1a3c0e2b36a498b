#include "bench/measure/op_cases.h"

#include <tuple>

namespace tsugi::bench {
namespace {

constexpr const char* kSmoke = "smoke";

/// What tells cases apart.
auto key(const OpCase& o) {
  const PoolShape& p = o.pool;
  return std::make_tuple(o.kind, KernelCall{KernelOp::conv2d_forward, o.shape, DType::f32}, p.kind, p.r, p.s,
                         p.stride_h, p.stride_w, p.pad_h, p.pad_w, o.first, o.residual, o.activation.kind);
}

void add(std::vector<OpCase>& cases, const OpCase& made) {
  for (OpCase& known : cases) {
    if (key(known) != key(made)) continue;
    known.times += made.times;
    return;
  }
  cases.push_back(made);
}

OpCase square(const char* layer, NodeKind kind, int n, int size, int c, int k, int r) {
  OpCase made;
  made.model = kSmoke;
  made.layer = layer;
  made.kind = kind;
  Conv2dShape& s = made.shape;
  s.n = n, s.h = s.w = size, s.c = c, s.k = k, s.r = s.s = r, s.pad_h = s.pad_w = r / 2;
  return made;
}

OpCost product_cost(const OpCase& o, OpPass pass, DType dtype) {
  const std::size_t activations = (o.shape.x_count() + o.shape.y_count()) * size_of(dtype);
  const std::size_t weights = o.shape.w_count() * (pass == OpPass::backward_weight ? sizeof(float) : size_of(dtype));
  return {o.shape.flops(), static_cast<double>(activations + weights)};
}

}  // namespace

std::string op_name(const OpCase& op_case, OpPass pass) {
  constexpr const char* kKinds[] = {"conv2d", "dense", "batch_norm", "pool", "dropout", "add", "activation"};
  constexpr const char* kPasses[] = {"_forward", "_backward_data", "_backward_weight", "_backward"};
  return std::string(kKinds[static_cast<int>(op_case.kind)]) + kPasses[static_cast<int>(pass)];
}

std::vector<OpPass> passes_of(const OpCase& op_case) {
  if (!op_case.product())
    return op_case.first ? std::vector<OpPass>{OpPass::forward}
                         : std::vector<OpPass>{OpPass::forward, OpPass::backward};
  if (op_case.first) return {OpPass::forward, OpPass::backward_weight};
  return {OpPass::forward, OpPass::backward_data, OpPass::backward_weight};
}

KernelCall kernel_call(const OpCase& product, OpPass pass, DType dtype) {
  const KernelOp op = pass == OpPass::forward         ? KernelOp::conv2d_forward
                      : pass == OpPass::backward_data ? KernelOp::conv2d_backward_data
                                                      : KernelOp::conv2d_backward_weight;
  return {op, product.shape, dtype, product.kind == NodeKind::dense};
}

OpCost cost_of(const OpCase& o, OpPass pass, DType dtype) {
  if (o.product()) return product_cost(o, pass, dtype);
  const bool forward = pass == OpPass::forward, masked = o.activation.kind != ActivationKind::none;
  const double element = static_cast<double>(size_of(dtype));
  const double x = static_cast<double>(o.kind == NodeKind::pool ? o.pool.x_count() : o.shape.x_count());
  switch (o.kind) {
    case NodeKind::pool: {
      const auto y = static_cast<double>(o.pool.y_count());
      return {0.0,
              (x + y) * element + (o.pool.kind == PoolKind::max ? y : 0.0)};  // and where the maxima were, a byte each
    }
    case NodeKind::batch_norm:  // x -> y, and back: x and d_y -> d_x
      return {0.0, x * element * ((forward ? 2.0 : 3.0 + (masked ? 1.0 : 0.0)) + (o.residual ? 1.0 : 0.0))};
    case NodeKind::dropout:
      return {0.0, x * (2.0 * element + 1.0)};
    case NodeKind::add:
      return {0.0, x * element * 3.0};  // back: a copy for each input
    default:
      return {0.0, x * element * (forward ? 2.0 : 3.0)};
  }
}

OpCase case_of(const Model& model, const Node& node, int batch) {
  const Layer& layer = model.layers[static_cast<std::size_t>(node.layer)];
  OpCase made;
  made.model = model.name;
  made.layer = layer.name;
  made.kind = node.kind;
  made.first = node.inputs[0] == 0;
  Conv2dShape& s = made.shape;
  s.n = batch;
  if (node.kind == NodeKind::dense) {
    s.c = static_cast<int>(node.in.count());
    s.k = node.out.c;
    return made;
  }
  if (node.kind == NodeKind::conv2d) {
    s = conv2d_shape(layer, node.in, batch);
    return made;
  }
  s.h = node.in.h, s.w = node.in.w, s.c = node.in.c;
  if (node.kind == NodeKind::pool) {
    made.pool = pool_shape(layer, node.in, batch);
  } else {
    made.activation = node.activation;
    made.residual = node.kind == NodeKind::batch_norm && node.inputs.size() > 1;
  }
  return made;
}

std::vector<OpCase> op_cases(const ShapeList& list, int batch) {
  std::vector<OpCase> cases;
  for (const Node& node : build_graph(list.model, list.classes, true).nodes)
    add(cases, case_of(list.model, node, batch));
  return cases;
}

std::vector<OpCase> smoke_cases() {
  OpCase first = square("first", NodeKind::conv2d, 1, 6, 3, 8, 3);
  first.first = true;
  OpCase depthwise = square("depthwise", NodeKind::conv2d, 1, 4, 8, 8, 3);
  depthwise.shape.groups = 8;
  OpCase norm = square("norm", NodeKind::batch_norm, 2, 4, 8, 1, 1);
  norm.activation = {ActivationKind::relu, 0.0f};
  norm.residual = true;
  OpCase pool = square("max_pool", NodeKind::pool, 2, 4, 8, 1, 1);
  pool.pool.n = 2, pool.pool.h = pool.pool.w = 4, pool.pool.c = 8;
  OpCase average = pool;
  average.layer = "average_pool";
  average.pool.kind = PoolKind::average;
  OpCase relu = square("relu", NodeKind::activation, 2, 4, 8, 1, 1);
  relu.activation = {ActivationKind::relu, 0.0f};
  return {first,
          square("3x3", NodeKind::conv2d, 1, 4, 8, 8, 3),
          square("1x1", NodeKind::conv2d, 1, 4, 8, 8, 1),
          depthwise,
          square("dense", NodeKind::dense, 2, 1, 16, 8, 1),
          norm,
          pool,
          average,
          square("dropout", NodeKind::dropout, 2, 4, 8, 1, 1),
          square("add", NodeKind::add, 2, 4, 8, 1, 1),
          relu};
}

}  // namespace tsugi::bench
