// Where every parameter lies in the flat buffers, and what it starts from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/description.h"

namespace tsugi {

struct ParameterInfo {
  std::string name;                 ///< "conv1.weight", "bn1.running_mean"
  std::vector<std::int64_t> shape;  ///< conv2d [k,r,s,c/groups], dense [out,in], vectors [c]
  std::size_t offset = 0;           ///< elements from the start of the flat buffer
  std::size_t count = 0;
  int layer = 0;  ///< index into Model::layers
};

/// Elements [begin, begin + count) of the flat buffers.
struct ParameterRange {
  std::size_t begin = 0, count = 0;
  std::size_t decayed = 0;  ///< leading elements of the range with weight decay
};

/// All parameters lie in one flat buffer and so do their gradients and moments: first the weights of convolutions and
/// dense layers (which weight decay applies to), then biases and batch norm. Each starts at a multiple of 16 elements
/// (64 bytes); the gaps stay zero. Batch norm's running statistics lie in a second buffer.
class ParameterLayout {
 public:
  ParameterLayout(const Model& model, int classes);

  const std::vector<ParameterInfo>& parameters() const { return parameters_; }  ///< in the model's order
  const std::vector<ParameterInfo>& statistics() const { return statistics_; }
  std::size_t count() const { return count_; }      ///< elements of the flat parameter buffer, gaps included
  std::size_t decayed() const { return decayed_; }  ///< leading elements with weight decay
  std::size_t statistics_count() const { return statistics_count_; }
  /// What is left to train when the first `frozen` layers are not: everything, or the rest of the weights and the rest
  /// of the vectors (those that are not empty). Each begins at a multiple of 16 elements.
  std::vector<ParameterRange> trained_ranges(int frozen) const;
  std::size_t trained_count() const;  ///< parameters without the gaps: the number people quote

  /// The parameter `name` of `layer` ("weight", "bias", "gamma", "beta"), or null when the layer has none.
  const ParameterInfo* find(int layer, const std::string& name) const;
  const ParameterInfo* find_statistic(int layer, const std::string& name) const;

 private:
  std::vector<ParameterInfo> parameters_, statistics_;
  std::size_t count_ = 0, decayed_ = 0, statistics_count_ = 0;
};

/// Start values: convolutions and hidden dense layers He-normal by fan-in (He et al., ICCV 2015), the head normal with
/// standard deviation 0.01, biases 0, gamma 1, beta 0. Draws are keyed by (seed, parameter index): the same on every
/// machine with the same libm. `values` has layout.count() elements, host.
void initialise_parameters(const ParameterLayout& layout, const Model& model, std::uint64_t seed, float* values);

/// running_mean 0, running_var 1; `values` has layout.statistics_count() elements, host.
void initialise_statistics(const ParameterLayout& layout, float* values);

/// `count` normal draws with the given deviation from the stream (seed, index, purpose::kInit).
void fill_normal(std::uint64_t seed, std::uint32_t index, float deviation, float* values, std::size_t count);

}  // namespace tsugi
