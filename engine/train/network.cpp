// Copies weights between flat device buffers and a checkpoint's named tensors.
#include "engine/train/network.h"

#include <algorithm>

namespace tsugi {
namespace {

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

Network::Network(Backend& backend, const Model& model, std::vector<std::string> class_names)
    : backend_(backend),
      model_(model),
      class_names_(std::move(class_names)),
      layout_(model_, static_cast<int>(class_names_.size())),
      parameters_(backend, layout_.count() * sizeof(float)),
      statistics_(backend, layout_.statistics_count() * sizeof(float)) {}

void Network::initialise(std::uint64_t seed) {
  std::vector<float> host(std::max(layout_.count(), layout_.statistics_count()));
  initialise_parameters(layout_, model_, seed, host.data());
  backend_.copy_to_device(parameters(), host.data(), layout_.count() * sizeof(float));
  initialise_statistics(layout_, host.data());
  backend_.copy_to_device(statistics(), host.data(), layout_.statistics_count() * sizeof(float));
}

void Network::load_flat(const std::vector<NamedTensor>& tensors, const std::vector<ParameterInfo>& infos,
                        std::size_t count, float* device, const std::string& place) const {
  if (tensors.size() != infos.size())
    throw Error(place + ": holds " + std::to_string(tensors.size()) + " tensors where model " + model_.name + " has " +
                std::to_string(infos.size()));
  std::vector<float> host(count, 0.0f);
  for (const ParameterInfo& info : infos) {
    const NamedTensor* tensor = find_tensor(tensors, info.name);
    if (tensor == nullptr)
      throw Error(place + ": has no tensor " + info.name + ", which model " + model_.name + " needs");
    if (tensor->shape != info.shape)
      throw Error(place + ": tensor " + info.name + " has shape " + text_of(tensor->shape) + ", model " + model_.name +
                  " expects " + text_of(info.shape));
    const std::vector<float> values = values_of(*tensor);
    std::copy(values.begin(), values.end(), host.begin() + static_cast<std::ptrdiff_t>(info.offset));
  }
  backend_.copy_to_device(device, host.data(), count * sizeof(float));
}

std::vector<NamedTensor> Network::store_flat(const std::vector<ParameterInfo>& infos, std::size_t count,
                                             const float* device) const {
  std::vector<float> host(count);
  backend_.copy_to_host(host.data(), device, count * sizeof(float));
  std::vector<NamedTensor> tensors;
  for (const ParameterInfo& info : infos)
    tensors.push_back(make_tensor(info.name, info.shape, host.data() + info.offset));
  return tensors;
}

void Network::load(const Checkpoint& checkpoint, const std::string& place) {
  load_flat(checkpoint.parameters, layout_.parameters(), layout_.count(), parameters(), place);
  load_flat(checkpoint.statistics, layout_.statistics(), layout_.statistics_count(), statistics(), place);
}

void Network::store(Checkpoint& checkpoint) const {
  checkpoint.model = model_.json;
  checkpoint.class_names = class_names_;
  checkpoint.parameters = store_flat(layout_.parameters(), layout_.count(), parameters());
  checkpoint.statistics = store_flat(layout_.statistics(), layout_.statistics_count(), statistics());
}

}  // namespace tsugi
