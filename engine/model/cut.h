// A model cut in two at one layer: the lower part turns a photo into activations, the upper part goes on from them.
// What a device need not train it need not compute more than once, and activations can travel instead of photos.
#pragma once

#include <string>
#include <vector>

#include "engine/model/description.h"

namespace tsugi {

/// Layers keep their names, and so do their parameters; both parts carry the whole model's description (Model::json).
struct ModelCut {
  std::string layer;  ///< whose output crosses the cut
  Model lower;        ///< up to `layer`, its last one; no head, no parameters behind
  Model upper;        ///< the rest; its input is the layer's output
};

/// Cuts `model` at the layer of that name. Nothing else may cross: every other layer of the lower part is read in the
/// lower part alone, and the model's input as well. Throws Error naming the layers that can be cut at when `layer` is
/// unknown, is the head (nothing would be left to train), computes nothing yet, or is jumped over (naming who reads
/// what).
ModelCut cut_model(const Model& model, const std::string& layer);

/// A layer that the model can be cut at, and what that costs and saves.
struct CutPlace {
  std::string layer;
  SampleShape shape;            ///< of the activations
  std::size_t parameters = 0;   ///< of the upper part
  double training_flops = 0.0;  ///< of the upper part, a sample
  double share = 0.0;           ///< of the whole model's training_flops
};

/// All of them, in the model's order, for `classes` classes.
std::vector<CutPlace> cut_places(const Model& model, int classes);

/// The place that leaves the most parameters to train within `most` of the model's training FLOPs; among equal ones
/// that with the fewest values, then the last that is more than another view of its input. Where every place costs
/// more, the cheapest. Throws Error when the model cannot be cut anywhere.
CutPlace default_cut(const Model& model, int classes, double most = 0.25);

}  // namespace tsugi
