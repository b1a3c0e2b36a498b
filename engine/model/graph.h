// A model after fusion: the ops that really run, in order, and the values that flow between them.
#pragma once

#include <vector>

#include "engine/model/description.h"

namespace tsugi {

/// One op. An activation layer joins its producer as an epilogue, an add layer joins the batch norm before it, and
/// flatten is only another view of the same value.
struct Node {
  NodeKind kind = NodeKind::activation;
  int layer = 0;            ///< the Model layer whose fields and parameters it uses
  std::vector<int> inputs;  ///< values; batch_norm: [x] or [x, residual]; add: [a, b]
  int output = 0;           ///< value
  SampleShape in, out;
  Activation activation;  ///< fused epilogue, or the op itself
};

struct Value {
  std::size_t count = 0;       ///< elements a sample
  int producer = -1;           ///< node, -1 = the model's input
  std::vector<int> consumers;  ///< nodes in order; a node that reads it twice stands here twice
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<Value> values;  ///< values[0] is the input
  int logits = 0;             ///< value
  int features = 0;           ///< value that the head reads: one vector a sample
};

/// Fuses `model` for `classes` classes. Without `training`, dropout layers vanish. Throws as infer_shapes.
Graph build_graph(const Model& model, int classes, bool training);

}  // namespace tsugi
