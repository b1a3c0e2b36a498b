// A model's weights on a device, and the way between them and a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "engine/core/arena.h"
#include "engine/formats/checkpoint.h"
#include "engine/model/parameters.h"

namespace tsugi {

class Network {
 public:
  /// Weights zero until initialise() or load().
  Network(Backend& backend, const Model& model, std::vector<std::string> class_names);

  Backend& backend() const { return backend_; }
  const Model& model() const { return model_; }
  const ParameterLayout& layout() const { return layout_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  int classes() const { return static_cast<int>(class_names_.size()); }
  float* parameters() const { return parameters_.as<float>(); }  ///< [layout().count()], device
  float* statistics() const { return statistics_.as<float>(); }  ///< [layout().statistics_count()], device

  /// Draws start values (see initialise_parameters).
  void initialise(std::uint64_t seed);

  /// Takes parameters and statistics from a checkpoint. Throws Error naming the tensor and both shapes when one is
  /// missing, unknown or of another shape. `place` opens the message.
  void load(const Checkpoint& checkpoint, const std::string& place);

  /// Puts model, class names, parameters and statistics into a checkpoint.
  void store(Checkpoint& checkpoint) const;

  /// Flat device buffers [layout().count()] (moments) from and to named tensors. Throws as load.
  void load_flat(const std::vector<NamedTensor>& tensors, const std::vector<ParameterInfo>& infos, std::size_t count,
                 float* device, const std::string& place) const;
  std::vector<NamedTensor> store_flat(const std::vector<ParameterInfo>& infos, std::size_t count,
                                      const float* device) const;

 private:
  Backend& backend_;
  Model model_;
  std::vector<std::string> class_names_;
  ParameterLayout layout_;
  DeviceBuffer parameters_, statistics_;
};

}  // namespace tsugi
