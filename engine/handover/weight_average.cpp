// Averages tensor by tensor, on the host.
#include "engine/handover/weight_average.h"

#include <cmath>
#include <cstring>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

void store_values(NamedTensor& tensor, const std::vector<float>& values) {
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
}

void average(std::vector<NamedTensor>& trained, const std::vector<NamedTensor>& start, float share) {
  if (trained.size() != start.size())
    throw Error("average: " + std::to_string(trained.size()) + " trained tensors, " + std::to_string(start.size()) +
                " at the start");
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (trained[i].name != start[i].name || trained[i].shape != start[i].shape)
      throw Error("average: tensor " + trained[i].name + " was trained, " + start[i].name +
                  " or another shape of it is at the start");
    std::vector<float> values = values_of(trained[i]);
    const std::vector<float> before = values_of(start[i]);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = before[k] + share * (values[k] - before[k]);
    store_values(trained[i], values);
  }
}

}  // namespace

void average_weights(Checkpoint& trained, const Checkpoint& start, float share) {
  if (!(share >= 0.0f && share <= 1.0f))
    throw Error("average: share is " + std::to_string(share) + ", expected 0 to 1");
  average(trained.parameters, start.parameters, share);
  average(trained.statistics, start.statistics, share);
}

void adjust_new_rows(Checkpoint& checkpoint, const std::string& head, int first_new, float scale, float change) {
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
      values[i] = scale * values[i] + (is_bias ? change : 0.0f);
    store_values(tensor, values);
  }
}

float new_row_length(const Checkpoint& checkpoint, const std::string& head, int first_new) {
  const NamedTensor* weight = find_tensor(checkpoint.parameters, head + ".weight");
  if (weight == nullptr || weight->shape.empty()) return 0.0f;
  const std::vector<float> values = values_of(*weight);
  const std::size_t rows = static_cast<std::size_t>(weight->shape[0]), old = static_cast<std::size_t>(first_new);
  if (old == 0 || old >= rows) return 0.0f;
  const std::size_t width = values.size() / rows;
  double sums[2] = {0.0, 0.0};  // of lengths: old rows, new rows
  for (std::size_t row = 0; row < rows; ++row) {
    double squares = 0.0;
    for (std::size_t i = row * width; i < (row + 1) * width; ++i)
      squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    sums[row >= old ? 1 : 0] += std::sqrt(squares);
  }
  const double before = sums[0] / static_cast<double>(old), after = sums[1] / static_cast<double>(rows - old);
  return before > 0.0 ? static_cast<float>(after / before) : 0.0f;
}

}  // namespace tsugi
