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

/// How a checkpoint names strangers' rows of a tensor. buffer: "" = the weights themselves, "momentum.", ...
std::string strangers_name(const std::string& buffer, const std::string& tensor) {
  return "strangers." + buffer + tensor;
}

bool is_of(const NamedTensor& tensor, const std::string& layer) {
  return tensor.name == layer + ".weight" || tensor.name == layer + ".bias";
}

std::size_t rows_in(const NamedTensor& tensor) {
  return tensor.shape.empty() ? 1 : static_cast<std::size_t>(tensor.shape[0]);
}

/// Leaves the first `people` rows of the layer `head` in `tensors`, and puts the others into `strangers`.
void part_strangers(std::vector<NamedTensor>& tensors, const std::string& head, std::size_t people,
                    const std::string& buffer, std::vector<NamedTensor>& strangers) {
  for (NamedTensor& tensor : tensors) {
    if (!is_of(tensor, head)) continue;
    const std::size_t rows = rows_in(tensor), kept = people * (tensor.data.size() / rows);
    NamedTensor rest = tensor;
    rest.name = strangers_name(buffer, tensor.name);
    rest.shape[0] = static_cast<std::int64_t>(rows - people);
    rest.data.erase(rest.data.begin(), rest.data.begin() + static_cast<std::ptrdiff_t>(kept));
    tensor.shape[0] = static_cast<std::int64_t>(people);
    tensor.data.resize(kept);
    strangers.push_back(std::move(rest));
  }
}

/// The other way round: strangers' rows behind those of `tensors`, `count` zeros where there are none.
void join_strangers(std::vector<NamedTensor>& tensors, const std::string& head, std::size_t count,
                    const std::string& buffer, const std::vector<NamedTensor>& strangers, const std::string& place) {
  for (NamedTensor& tensor : tensors) {
    if (!is_of(tensor, head) || tensor.shape.empty() || tensor.shape[0] < 1) continue;  // load_flat says what is wrong
    std::vector<std::int64_t> shape = tensor.shape;
    const std::size_t row_bytes = tensor.data.size() / rows_in(tensor);
    shape[0] = static_cast<std::int64_t>(count);
    tensor.shape[0] += shape[0];
    const std::string name = strangers_name(buffer, tensor.name);
    const NamedTensor* rest = find_tensor(strangers, name);
    if (rest != nullptr && rest->shape != shape)
      throw Error(place + ": tensor " + name + " has shape " + text_of(rest->shape) + ", " + text_of(shape) +
                  " expected of these strangers");
    if (rest == nullptr)
      tensor.data.resize(tensor.data.size() + count * row_bytes, 0);
    else
      tensor.data.insert(tensor.data.end(), rest->data.begin(), rest->data.end());
  }
}

}  // namespace

Network::Network(Backend& backend, const Model& model, std::vector<std::string> class_names, int strangers)
    : backend_(backend),
      model_(model),
      class_names_(std::move(class_names)),
      strangers_(strangers),
      layout_(model_, outputs()),
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

/// Weights or a moment of them. buffer: of strangers' names.
void Network::load_learnt(const std::vector<NamedTensor>& tensors, const Checkpoint& checkpoint,
                          const std::string& buffer, float* device, const std::string& place) const {
  if (strangers_ == 0) return load_flat(tensors, layout_.parameters(), layout_.count(), device, place);
  std::vector<NamedTensor> all = tensors;
  join_strangers(all, head(), static_cast<std::size_t>(strangers_), buffer, checkpoint.strangers, place);
  load_flat(all, layout_.parameters(), layout_.count(), device, place);
}

std::vector<NamedTensor> Network::store_learnt(Checkpoint& checkpoint, const std::string& buffer,
                                               const float* device) const {
  std::vector<NamedTensor> tensors = store_flat(layout_.parameters(), layout_.count(), device);
  if (strangers_ > 0)
    part_strangers(tensors, head(), static_cast<std::size_t>(classes()), buffer, checkpoint.strangers);
  return tensors;
}

void Network::load(const Checkpoint& checkpoint, const std::string& place) {
  load_learnt(checkpoint.parameters, checkpoint, "", parameters(), place);
  load_flat(checkpoint.statistics, layout_.statistics(), layout_.statistics_count(), statistics(), place);
}

void Network::store(Checkpoint& checkpoint) const {
  checkpoint.model = model_.json;
  checkpoint.class_names = class_names_;
  checkpoint.strangers.clear();
  checkpoint.parameters = store_learnt(checkpoint, "", parameters());
  checkpoint.statistics = store_flat(layout_.statistics(), layout_.statistics_count(), statistics());
}

void Network::load_moment(const Checkpoint& checkpoint, const std::string& name, float* device,
                          const std::string& place) const {
  const auto found = checkpoint.moments.find(name);
  if (found != checkpoint.moments.end())
    load_learnt(found->second, checkpoint, name + ".", device, place + " (" + name + ")");
}

void Network::store_moment(Checkpoint& checkpoint, const std::string& name, const float* device) const {
  checkpoint.moments[name] = store_learnt(checkpoint, name + ".", device);
}

}  // namespace tsugi
