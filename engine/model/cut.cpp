// Which layers lie below a cut, whether anything else crosses it, and the two models that it leaves.
#include "engine/model/cut.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// Flatten and dropout only pass values on when nothing is trained.
bool computes(const Layer& layer) { return layer.kind->node && layer.kind->node != NodeKind::dropout; }

/// [layers] whether each is needed for the output of layer `top`, itself included.
std::vector<bool> layers_below(const Model& model, std::size_t top) {
  std::vector<bool> below(model.layers.size(), false);
  below[top] = true;
  for (std::size_t i = top + 1; i-- > 0;)
    if (below[i])
      for (const int input : model.layers[i].inputs)
        if (input >= 0) below[static_cast<std::size_t>(input)] = true;
  return below;
}

/// Why the model cannot be cut at layer `top`; empty when it can.
std::string obstacle(const Model& model, std::size_t top) {
  if (top + 1 == model.layers.size()) return "it is the head, and nothing would be left to train";
  const std::vector<bool> below = layers_below(model, top);
  bool computed = false;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    computed = computed || (below[i] && computes(layer));
    if (below[i]) continue;
    for (const int input : layer.inputs) {
      if (input < 0) return layer.name + " reads the model's input beside it";
      if (below[static_cast<std::size_t>(input)] && static_cast<std::size_t>(input) != top)
        return layer.name + " reads " + model.layers[static_cast<std::size_t>(input)].name + " beside it";
    }
  }
  return computed ? "" : "nothing is computed up to there";
}

std::vector<std::size_t> places(const Model& model) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < model.layers.size(); ++i)
    if (obstacle(model, i).empty()) found.push_back(i);
  return found;
}

[[noreturn]] void refuse(const Model& model, const std::string& layer, const std::string& why) {
  std::string known;
  for (const std::size_t i : places(model)) known += (known.empty() ? "" : ", ") + model.layers[i].name;
  throw Error("model " + model.name + ": cannot be cut at " + layer + ": " + why + "; it can be cut at " +
              (known.empty() ? "no layer" : known));
}

/// The layers that `taken` marks as a model that reads `input` where those layers read layer `from`.
Model part(const Model& model, const std::vector<bool>& taken, int from, const SampleShape& input) {
  Model result;
  result.name = model.name;
  result.input = input;
  result.json = model.json;
  result.training = model.training;
  std::vector<int> place(model.layers.size(), -1);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    if (!taken[i]) continue;
    Layer layer = model.layers[i];
    for (int& index : layer.inputs) index = index == from ? -1 : place[static_cast<std::size_t>(index)];
    place[i] = static_cast<int>(result.layers.size());
    result.layers.push_back(std::move(layer));
  }
  return result;
}

bool better(const CutPlace& place, const CutPlace& best, double most) {
  const bool fits = place.share <= most, best_fits = best.share <= most;
  if (fits != best_fits) return fits;
  if (!fits && place.training_flops != best.training_flops) return place.training_flops < best.training_flops;
  if (place.parameters != best.parameters) return place.parameters > best.parameters;
  return place.shape.count() <= best.shape.count();
}

ModelCut cut_at(const Model& model, std::size_t top) {
  std::vector<bool> below = layers_below(model, top);
  ModelCut cut;
  cut.layer = model.layers[top].name;
  cut.lower = part(model, below, -1, model.input);
  below.flip();
  const SampleShape shape = infer_shapes(model, 2)[top];  // below the head, whatever the number of classes
  cut.upper = part(model, below, static_cast<int>(top), shape);
  return cut;
}

}  // namespace

ModelCut cut_model(const Model& model, const std::string& layer) {
  const auto found =
      std::find_if(model.layers.begin(), model.layers.end(), [&](const Layer& l) { return l.name == layer; });
  if (found == model.layers.end()) refuse(model, layer, "it has no such layer");
  const auto top = static_cast<std::size_t>(found - model.layers.begin());
  if (const std::string why = obstacle(model, top); !why.empty()) refuse(model, layer, why);
  return cut_at(model, top);
}

std::vector<CutPlace> cut_places(const Model& model, int classes) {
  const double whole = training_flops(model, classes);
  std::vector<CutPlace> result;
  for (const std::size_t i : places(model)) {
    const ModelCut cut = cut_at(model, i);
    CutPlace place{cut.layer, cut.upper.input, 0, training_flops(cut.upper, classes), 0.0};
    for (const LayerCost& cost : layer_costs(cut.upper, classes)) place.parameters += cost.parameters;
    place.share = place.training_flops / whole;
    result.push_back(place);
  }
  return result;
}

CutPlace default_cut(const Model& model, int classes, double most) {
  CutPlace best;
  bool found = false;
  std::size_t index = 0;
  for (const CutPlace& place : cut_places(model, classes)) {
    while (model.layers[index].name != place.layer) ++index;
    if (!computes(model.layers[index])) continue;
    if (!found || better(place, best, most)) best = place;
    found = true;
  }
  if (!found) throw Error("model " + model.name + ": cannot be cut at any layer");
  return best;
}

}  // namespace tsugi
