// Interpolates tensor by tensor, on the host.
#include "engine/handover/weight_interpolation.h"

#include <cstring>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

void interpolate(std::vector<NamedTensor>& trained, const std::vector<NamedTensor>& start, float share) {
  if (trained.size() != start.size())
    throw Error("weight interpolation: " + std::to_string(trained.size()) + " trained tensors, " +
                std::to_string(start.size()) + " at the start");
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (trained[i].name != start[i].name || trained[i].shape != start[i].shape)
      throw Error("weight interpolation: tensor " + trained[i].name + " was trained, " + start[i].name +
                  " or another shape of it is at the start");
    std::vector<float> values = values_of(trained[i]);
    const std::vector<float> before = values_of(start[i]);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = before[k] + share * (values[k] - before[k]);
    std::memcpy(trained[i].data.data(), values.data(), trained[i].data.size());
  }
}

}  // namespace

void interpolate_weights(Checkpoint& trained, const Checkpoint& start, float share) {
  if (!(share >= 0.0f && share <= 1.0f))
    throw Error("weight interpolation: share is " + std::to_string(share) + ", expected 0 to 1");
  interpolate(trained.parameters, start.parameters, share);
  interpolate(trained.statistics, start.statistics, share);
}

}  // namespace tsugi
