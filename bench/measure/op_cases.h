// The ops of a training step of a model, one by one: what benchmarks time, with what each has to compute and to move.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/shape_lists.h"
#include "engine/model/graph.h"
#include "kernels/api/conv2d.h"
#include "kernels/api/kernel_choice.h"
#include "kernels/api/pool.h"

namespace tsugi::bench {

/// A direction of an op. Convolutions and dense layers have backward_data and backward_weight, other ops `backward`.
enum class OpPass : std::uint8_t { forward, backward_data, backward_weight, backward };

/// What a model's step fuses into a product.
struct Epilogue {
  bool bias = false;      ///< forward: added; backward_weight: its gradient is computed, too
  Activation activation;  ///< forward: applied; backward_data: its mask is
  Write write = Write::overwrite;
};

struct OpCase {
  std::string model;  ///< "faces-cnn", "resnet-18"
  std::string layer;  ///< the first layer of this shape
  NodeKind kind = NodeKind::conv2d;
  /// conv2d: itself. dense: a 1x1 convolution of one pixel. pool: see `pool`. Others: n, h, w, c of their tensor.
  Conv2dShape shape;
  PoolShape pool;
  Activation activation;  ///< of batch_norm, add and activation
  Epilogue epilogue;      ///< of products; none by default: they are timed alone, as every library computes them
  bool residual = false;  ///< batch_norm: adds a second input
  bool first = false;     ///< reads the photo: nothing needs the gradient of its input
  int times = 1;          ///< layers of this shape in the model

  bool product() const { return kind == NodeKind::conv2d || kind == NodeKind::dense; }
};

/// "conv2d_forward", "pool_backward".
std::string op_name(const OpCase& op_case, OpPass pass);

/// The passes that training needs of it, in order.
std::vector<OpPass> passes_of(const OpCase& op_case);

/// A pass of a convolution or a dense layer as the choice of kernels knows it.
KernelCall kernel_call(const OpCase& product, OpPass pass, DType dtype);

/// What one call does at least.
struct OpCost {
  double flops =
      0.0;  ///< of products, a multiply and an add counted as two; 0 for ops whose arithmetic hides behind memory
  double bytes = 0.0;  ///< inputs read once, outputs written once
};

OpCost cost_of(const OpCase& op_case, OpPass pass, DType dtype);

/// The op of one node of a model's graph.
OpCase case_of(const Model& model, const Node& node, int batch);

/// Every different op of a list at a batch size, in the order of the model, after fusion.
std::vector<OpCase> op_cases(const ShapeList& list, int batch);

/// Small shapes of every kind, for a smoke test on the emulator.
std::vector<OpCase> smoke_cases();

}  // namespace tsugi::bench
