// A model as data: the JSON description of its layers, checked, with every shape worked out.
#pragma once

#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/model/layer.h"

namespace tsugi {

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

/// A model by name, or else a JSON file by path. Throws Error naming the models when it is neither.
Model find_model(const std::string& name_or_path, FileLog* files = nullptr);

/// "faces-resnet", "faces-cnn", "faces-mobile"; and with those of the literature behind them (literature_models.h).
std::vector<std::string> builtin_model_names();
std::vector<std::string> model_names();

/// The model with another input size (`--size`): only the input changes. Throws as parse_model.
Model with_input_size(const Model& model, int size);

/// How many layers `freeze_until` freezes: the layer of that name and all before it in the model's order; 0 for "".
/// Throws Error naming the layers that can be named for an unknown one, and for the head, behind which nothing is left
/// to train.
int frozen_layers(const Model& model, const std::string& freeze_until);

/// A field of a model's JSON that no row of layer_kinds() has, and what it is: of the model, and of every layer.
struct DescribedField {
  const char* name;
  const char* help;
};
const std::vector<DescribedField>& model_fields();
const std::vector<DescribedField>& fields_of_every_layer();

/// Fills in what layers take from the shapes of their inputs (resolve() in layer.h). Throws as infer_shapes.
void resolve_shapes(Model& model);

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
