// Makes room for new people in the last layer.
#include <algorithm>

#include "engine/handover/handover.h"

namespace tsugi {
namespace {

void add_rows(std::vector<NamedTensor>& tensors, const std::string& name, std::size_t rows, std::size_t old_rows,
              const std::string& place) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(old_rows) ||
        tensor.data.size() % old_rows != 0)
      throw Error(place + ": tensor " + name + " has " +
                  (tensor.shape.empty() ? std::string("no") : std::to_string(tensor.shape[0])) + " rows for " +
                  std::to_string(old_rows) + " people");
    const std::size_t row_bytes = tensor.data.size() / old_rows;
    tensor.shape[0] += static_cast<std::int64_t>(rows);
    tensor.data.resize(tensor.data.size() + rows * row_bytes, 0);
  }
}

}  // namespace

void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
               const std::string& place) {
  for (const std::string& name : names)
    if (std::find(checkpoint.class_names.begin(), checkpoint.class_names.end(), name) != checkpoint.class_names.end())
      throw Error(place + ": " + name + " is among the checkpoint's " + std::to_string(checkpoint.class_names.size()) +
                  " people already; a personal person needs a name of their own");
  const std::size_t old_rows = checkpoint.class_names.size();
  if (old_rows == 0) throw Error(place + ": the checkpoint knows 0 people, expected at least 1");
  for (const char* suffix : {".weight", ".bias"}) {
    const std::string tensor = model.layers.back().name + suffix;
    add_rows(checkpoint.parameters, tensor, names.size(), old_rows, place);
    for (auto& [moment, tensors] : checkpoint.moments)
      add_rows(tensors, tensor, names.size(), old_rows, place + " (" + moment + ")");
  }
  checkpoint.class_names.insert(checkpoint.class_names.end(), names.begin(), names.end());
  checkpoint.personal_classes.insert(checkpoint.personal_classes.end(), names.begin(), names.end());
}

}  // namespace tsugi
