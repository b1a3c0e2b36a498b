// Moves rows of the head, scales and shifts them.
#include "engine/handover/new_classes.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// `from`: of each row of the result the row that it takes, or none.
void move_rows(std::vector<NamedTensor>& tensors, const std::string& name,
               const std::vector<std::optional<std::size_t>>& from, std::size_t old_rows, const std::string& place) {
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.shape.empty() || tensor.shape[0] != static_cast<std::int64_t>(old_rows) ||
        tensor.data.size() % old_rows != 0)
      throw Error(place + ": tensor " + name + " has " +
                  (tensor.shape.empty() ? std::string("no") : std::to_string(tensor.shape[0])) + " rows for " +
                  std::to_string(old_rows) + " people");
    const std::size_t row_bytes = tensor.data.size() / old_rows;
    std::vector<std::uint8_t> rows(from.size() * row_bytes, 0);
    for (std::size_t row = 0; row < from.size(); ++row)
      if (from[row]) std::memcpy(&rows[row * row_bytes], &tensor.data[*from[row] * row_bytes], row_bytes);
    tensor.shape[0] = static_cast<std::int64_t>(from.size());
    tensor.data = std::move(rows);
  }
}

}  // namespace

void set_people(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
                const std::string& place) {
  const std::vector<std::string>& known = checkpoint.class_names;
  if (known.empty()) throw Error(place + ": the checkpoint knows 0 people, expected at least 1");
  std::vector<std::optional<std::size_t>> from;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    from.push_back(found == known.end() ? std::nullopt
                                        : std::optional<std::size_t>(static_cast<std::size_t>(found - known.begin())));
  }
  for (const char* suffix : {".weight", ".bias"}) {
    const std::string tensor = model.layers.back().name + suffix;
    move_rows(checkpoint.parameters, tensor, from, known.size(), place);
    for (auto& [moment, tensors] : checkpoint.moments)
      move_rows(tensors, tensor, from, known.size(), place + " (" + moment + ")");
  }
  checkpoint.class_names = names;
}

void grow_head(Checkpoint& checkpoint, const Model& model, const std::vector<std::string>& names,
               const std::string& place) {
  // Without statistics personal people are as everybody else: only their rows are known.
  std::vector<std::string> others, personal = names;
  for (const std::string& name : checkpoint.class_names)
    if (checkpoint.people.empty() || !contains(checkpoint.personal_classes, name)) others.push_back(name);
  for (const std::string& name : names)
    if (contains(others, name))
      throw Error(place + ": " + name + " is among the checkpoint's " + std::to_string(checkpoint.class_names.size()) +
                  " people already; a personal person needs a name of their own");
  for (const std::string& name : checkpoint.personal_classes)
    if (!contains(others, name) && !contains(personal, name)) personal.push_back(name);
  std::sort(personal.begin(), personal.end());
  std::vector<std::string> all = others;
  all.insert(all.end(), personal.begin(), personal.end());
  set_people(checkpoint, model, all, place);
  auto& marked = checkpoint.personal_classes;
  marked.erase(
      std::remove_if(marked.begin(), marked.end(), [&](const std::string& name) { return contains(personal, name); }),
      marked.end());
  marked.insert(marked.end(), personal.begin(), personal.end());
}

void adjust_new_classes(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float bias_shift) {
  for (NamedTensor& tensor : checkpoint.parameters) {
    const bool is_bias = tensor.name == head + ".bias";
    if (!is_bias && tensor.name != head + ".weight") continue;
    std::vector<float> values = values_of(tensor);
    const std::size_t rows = tensor.shape.empty() ? 0 : static_cast<std::size_t>(tensor.shape[0]);
    if (first_new < 0 || static_cast<std::size_t>(first_new) > rows)
      throw Error("new rows: " + tensor.name + " has " + std::to_string(rows) + " rows, the first new one would be " +
                  std::to_string(first_new));
    if (rows == 0) continue;
    for (std::size_t i = static_cast<std::size_t>(first_new) * (values.size() / rows); i < values.size(); ++i)
      values[i] = scale * values[i] + (is_bias ? bias_shift : 0.0f);
    std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  }
}

}  // namespace tsugi
