// Sorts tensors by the layer that their name begins with.
#include "engine/handover/parts.h"

#include <set>

#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

std::set<std::string> layer_names(const Model& model) {
  std::set<std::string> names;
  for (const Layer& layer : model.layers) names.insert(layer.name);
  return names;
}

struct Sorter {
  std::set<std::string> below, above;
  const std::string& place;

  void sort(const std::vector<NamedTensor>& tensors, std::vector<NamedTensor>& lower,
            std::vector<NamedTensor>& upper) const {
    lower.clear();
    upper.clear();
    for (const NamedTensor& tensor : tensors) {
      const std::string layer = tensor.name.substr(0, tensor.name.find('.'));
      if (below.count(layer) == 0 && above.count(layer) == 0)
        throw Error(place + ": tensor " + shown(tensor.name) + " belongs to none of the model's " +
                    std::to_string(below.size() + above.size()) + " layers");
      (below.count(layer) > 0 ? lower : upper).push_back(tensor);
    }
  }
};

void prepend(std::vector<NamedTensor>& tensors, const std::vector<NamedTensor>& first) {
  tensors.insert(tensors.begin(), first.begin(), first.end());
}

std::vector<NamedTensor> zeros_like(std::vector<NamedTensor> tensors) {
  for (NamedTensor& tensor : tensors) tensor.data.assign(tensor.data.size(), 0);
  return tensors;
}

}  // namespace

CheckpointParts split_checkpoint(const Checkpoint& checkpoint, const ModelCut& cut, const std::string& place) {
  CheckpointParts parts{checkpoint, checkpoint};
  const Sorter sorter{layer_names(cut.lower), layer_names(cut.upper), place};
  sorter.sort(checkpoint.parameters, parts.lower.parameters, parts.upper.parameters);
  sorter.sort(checkpoint.statistics, parts.lower.statistics, parts.upper.statistics);
  for (const auto& [buffer, tensors] : checkpoint.moments)
    sorter.sort(tensors, parts.lower.moments[buffer], parts.upper.moments[buffer]);
  return parts;
}

void join_lower(Checkpoint& upper, const Checkpoint& lower) {
  prepend(upper.parameters, lower.parameters);
  prepend(upper.statistics, lower.statistics);
  for (auto& [buffer, tensors] : upper.moments) {
    const auto found = lower.moments.find(buffer);
    prepend(tensors, found != lower.moments.end() ? found->second : zeros_like(lower.parameters));
  }
}

std::string weights_sha256(const Checkpoint& part) {
  Sha256 digest;
  for (const auto* tensors : {&part.parameters, &part.statistics})
    for (const NamedTensor& tensor : *tensors) {
      std::string head = tensor.name;
      for (const std::int64_t extent : tensor.shape) head += " " + std::to_string(extent);
      head += "\n";
      digest.update(head.data(), head.size());
      digest.update(tensor.data.data(), tensor.data.size());
    }
  return digest.hex();
}

}  // namespace tsugi
