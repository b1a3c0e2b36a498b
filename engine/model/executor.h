// A graph made executable for one batch size, type and backend: every buffer has its place in the arena, and
// forward and backward are lists of op calls. This is the only file that turns layers into kernels.
#pragma once

#include <vector>

#include "engine/core/arena.h"
#include "engine/model/graph.h"
#include "engine/model/parameters.h"
#include "engine/model/step_probe.h"
#include "kernels/api/backend.h"
#include "kernels/api/philox.h"

namespace tsugi {

enum class ExecutorMode { inference, training };

/// What one pass reads and writes beside the arena. All pointers are device memory.
struct Pass {
  const float* parameters = nullptr;  ///< [layout.count()] float32
  const void* compute = nullptr;      ///< the same in the program's dtype; equals `parameters` for float32
  float* statistics = nullptr;        ///< [layout.statistics_count()]
  float* gradients = nullptr;         ///< [layout.count()]; backward only
  Write write = Write::overwrite;     ///< of the gradients: the first micro-batch overwrites, the others add
  BatchNormMode batch_norm = BatchNormMode::running_statistics;
  const StepState* step = nullptr;
  const std::uint32_t* sample_ids = nullptr;  ///< [batch]; keys of dropout
  StepProbe* probe = nullptr;                 ///< host; told of every node, null = nobody listens
};

class Executor {
 public:
  /// Plans the model's graph for batches of `batch` samples. Nothing is allocated on the device. The first
  /// `frozen_layers` layers are only run forward, their batch norms with the running statistics, which stay; their
  /// gradients are never written.
  Executor(Backend& backend, const Model& model, const ParameterLayout& layout, int classes, int batch, DType dtype,
           ExecutorMode mode, int frozen_layers = 0);

  std::size_t arena_bytes() const { return arena_layout_.peak; }
  int batch() const { return batch_; }
  int classes() const { return classes_; }
  DType dtype() const { return dtype_; }

  /// Uses the block at `arena` (arena_bytes() bytes, device) from now on.
  void bind(void* arena) { arena_ = static_cast<std::uint8_t*>(arena); }

  void* input() const { return value(0); }                   ///< [batch,h,w,c], to be filled before forward()
  void* logits() const { return value(graph_.logits); }      ///< [batch,classes]
  void* features() const { return value(graph_.features); }  ///< [batch,features_count()], what the head reads
  std::size_t features_count() const { return graph_.values[static_cast<std::size_t>(graph_.features)].count; }
  void* d_logits() const { return gradient(graph_.logits); }  ///< training only

  void forward(const Pass& pass);
  void backward(const Pass& pass);  ///< after forward() of the same batch, with d_logits() filled

 private:
  /// Buffers of one node, as indices of requests_ (-1: none).
  struct NodeBuffers {
    int saved = -1;  ///< argmax, dropout mask, or batch norm's mean
    int saved_inv_std = -1;
    int saved_input = -1;  ///< of an activation that needs it
    int forward_workspace = -1, backward_workspace = -1;
    int spare_gradient = -1;  ///< batch norm's d_x where it must be added to another consumer's
  };
  /// How a node's backward treats the gradient of its i-th input.
  struct InputGradient {
    bool wanted = false;
    Write write = Write::overwrite;
    bool masks = false;  ///< applies the mask of the activation that produced the input
  };

  void find_trained();
  void place_buffers();
  void place_gradients();
  void place_node(std::size_t node);
  void extend(int request, int time);
  int request(std::size_t bytes, int first, int last);
  bool wants_gradient(int value) const;
  std::size_t producer_of(int value) const {
    return static_cast<std::size_t>(graph_.values[static_cast<std::size_t>(value)].producer);
  }
  int saved_request(std::size_t node) const;
  bool in_place(const Node& node) const;
  std::size_t workspace_bytes(const Node& node) const;

  int forward_time(std::size_t node) const { return static_cast<int>(node) + 1; }
  int backward_time(std::size_t node) const {
    return 2 * static_cast<int>(graph_.nodes.size()) + 1 - static_cast<int>(node);
  }

  void* at(int request) const {
    return request < 0 ? nullptr : arena_ + arena_layout_.offsets[static_cast<std::size_t>(request)];
  }
  void* value(int index) const { return at(value_request_[static_cast<std::size_t>(index)]); }
  void* gradient(int index) const { return at(gradient_request_[static_cast<std::size_t>(index)]); }

  const Layer& layer_of(const Node& node) const { return model_.layers[static_cast<std::size_t>(node.layer)]; }
  const void* saved(std::size_t node) const { return at(saved_request(node)); }
  /// Where a forward op leaves its activation's input, or null.
  void* saved_input(std::size_t node) const { return at(buffers_[node].saved_input); }
  const void* saved_of_input(const Node& node) const;
  Conv2dShape conv_shape(const Node& node) const;
  DenseShape dense_shape(const Node& node) const;
  BatchNormShape batch_norm_shape(const Node& node) const;
  PoolShape pool_shape(const Node& node) const;
  const void* weight(const Node& node, const Pass& pass) const;
  const float* vector(const Node& node, const Pass& pass, const char* name) const;
  float* vector_gradient(const Node& node, const Pass& pass, const char* name) const;
  float* statistic(const Node& node, const Pass& pass, const char* name) const;
  Activation mask_of(const Node& node, std::size_t input) const;

  void forward_node(std::size_t index, const Pass& pass);
  void forward_batch_norm(std::size_t index, const Pass& pass);
  void backward_node(std::size_t index, const Pass& pass);
  void backward_conv2d(std::size_t index, const Pass& pass);
  void backward_dense(std::size_t index, const Pass& pass);
  void backward_batch_norm(std::size_t index, const Pass& pass);
  void backward_pool(std::size_t index, const Pass& pass);
  void backward_add(std::size_t index);

  Backend& backend_;
  const Model& model_;
  const ParameterLayout& layout_;
  int classes_, batch_;
  DType dtype_;
  ExecutorMode mode_;
  int frozen_layers_;
  Graph graph_;

  std::vector<BufferRequest> requests_;
  ArenaLayout arena_layout_;
  std::uint8_t* arena_ = nullptr;
  std::vector<int> value_request_, gradient_request_;
  std::vector<NodeBuffers> buffers_;
  std::vector<bool> trained_;  ///< the node has a backward pass: its own parameters learn, or those of a node before it
  std::vector<std::vector<InputGradient>> input_gradients_;
  std::vector<bool> masks_own_output_;  ///< the node's backward starts with its own activation's mask
};

}  // namespace tsugi
