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
  /// Weights zero until initialise() or load(). strangers: rows of the head after those of `class_names`, of people in
  /// no class. A trainer learns them beside the others; nobody is taken for one.
  Network(Backend& backend, const Model& model, std::vector<std::string> class_names, int strangers = 0);

  Backend& backend() const { return backend_; }
  const Model& model() const { return model_; }
  const ParameterLayout& layout() const { return layout_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  int classes() const { return static_cast<int>(class_names_.size()); }  ///< people whom it knows
  int outputs() const { return classes() + strangers_; }                 ///< rows of the head
  float* parameters() const { return parameters_.as<float>(); }          ///< [layout().count()], device
  float* statistics() const { return statistics_.as<float>(); }          ///< [layout().statistics_count()], device

  /// Draws start values (see initialise_parameters).
  void initialise(std::uint64_t seed);

  /// Takes parameters and statistics from a checkpoint. Throws Error naming the tensor and both shapes when one is
  /// missing, unknown or of another shape. `place` opens the message. Rows of strangers that it does not have are zero.
  void load(const Checkpoint& checkpoint, const std::string& place);

  /// Puts model, class names, parameters (those of strangers apart) and statistics into a checkpoint.
  void store(Checkpoint& checkpoint) const;

  /// The moments `name`, as load and after store: a flat device buffer [layout().count()] from and to a checkpoint,
  /// which may not have them.
  void load_moment(const Checkpoint& checkpoint, const std::string& name, float* device,
                   const std::string& place) const;
  void store_moment(Checkpoint& checkpoint, const std::string& name, const float* device) const;

 private:
  const std::string& head() const { return model_.layers.back().name; }
  void load_flat(const std::vector<NamedTensor>& tensors, const std::vector<ParameterInfo>& infos, std::size_t count,
                 float* device, const std::string& place) const;
  std::vector<NamedTensor> store_flat(const std::vector<ParameterInfo>& infos, std::size_t count,
                                      const float* device) const;
  void load_learnt(const std::vector<NamedTensor>& tensors, const Checkpoint& checkpoint, const std::string& buffer,
                   float* device, const std::string& place) const;
  std::vector<NamedTensor> store_learnt(Checkpoint& checkpoint, const std::string& buffer, const float* device) const;

  Backend& backend_;
  Model model_;
  std::vector<std::string> class_names_;
  int strangers_;
  ParameterLayout layout_;
  DeviceBuffer parameters_, statistics_;
};

}  // namespace tsugi
