// A model as data: the JSON description of its layers, checked, with every shape worked out.
#pragma once

#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "kernels/api/types.h"

namespace tsugi {

enum class LayerType {
  conv2d,
  dense,
  batch_norm,
  relu,
  leaky_relu,
  max_pool,
  average_pool,
  global_average_pool,
  dropout,
  add,
  flatten
};

/// "conv2d", "dense", ... as in the JSON.
const char* name_of(LayerType type);

/// Height, width and channels of one sample.
struct SampleShape {
  int h = 1, w = 1, c = 1;
  std::size_t count() const { return static_cast<std::size_t>(h) * w * c; }
  bool operator==(const SampleShape& o) const { return h == o.h && w == o.w && c == o.c; }
};

/// One layer. Fields that its type does not use keep their defaults.
struct Layer {
  LayerType type = LayerType::flatten;
  std::string name;         ///< unique; prefix of its parameters: "conv1.weight"
  std::vector<int> inputs;  ///< indices of earlier layers, -1 = the model's input; one, or two for add

  int filters = 0;  ///< conv2d: output channels
  int units = 0;    ///< dense: outputs; 0 = as many as there are classes
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int pad_h = 0, pad_w = 0;
  int groups = 1;                      ///< conv2d; resolved: "depthwise" becomes the number of input channels
  bool bias = true;                    ///< conv2d, dense
  float slope = 0.0f;                  ///< leaky_relu
  float rate = 0.0f;                   ///< dropout
  float eps = 1e-5f, momentum = 0.1f;  ///< batch_norm
};

struct Model {
  std::string name;
  SampleShape input;
  std::vector<Layer> layers;  ///< in order of execution; the last is a dense layer with units 0: the head
  std::string json;           ///< the description itself, as it goes into a checkpoint
  std::string training;       ///< JSON object of the training settings that suit this model; "{}" when it names none
};

/// Reads a description. `origin` (a file name, "built-in", "checkpoint") opens every message. Throws Error naming the
/// layer and both values: unknown layers and fields, missing fields, values out of range, inputs that do not exist.
Model parse_model(const std::string& json, const std::string& origin);

/// A built-in model by name, or else a JSON file by path. Throws Error naming the built-in models when it is neither.
Model find_model(const std::string& name_or_path, FileLog* files = nullptr);

std::vector<std::string> builtin_model_names();

/// The model with another input size (`--size`): only the input changes. Throws as parse_model.
Model with_input_size(const Model& model, int size);

/// How many layers `freeze_until` freezes: the layer of that name and all before it in the model's order; 0 for "".
/// Throws Error naming the layers that can be named for an unknown one, and for the head, behind which nothing is left
/// to train.
int frozen_layers(const Model& model, const std::string& freeze_until);

/// Output shape of every layer for `classes` classes. Throws Error naming the layer and both shapes.
std::vector<SampleShape> infer_shapes(const Model& model, int classes);

/// What `tsugi inspect` prints of a layer.
struct LayerCost {
  SampleShape output;
  std::size_t parameters = 0;
  double forward_flops = 0;  ///< a sample, multiply and add counted as two
};
std::vector<LayerCost> layer_costs(const Model& model, int classes);

/// FLOPs of a training step, a sample: of every convolution and dense layer forward, the gradient of its weights, and
/// the gradient of its input unless that is the model's input; each costs what forward costs.
double training_flops(const Model& model, int classes);

}  // namespace tsugi
