// What a layer is, and the table of the kinds of layers: everything that is particular to a kind is its row there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "kernels/api/activation.h"
#include "kernels/api/conv2d.h"
#include "kernels/api/pool.h"

namespace tsugi {

/// The ops that nodes of a graph run (graph.h).
enum class NodeKind { conv2d, dense, batch_norm, pool, dropout, add, activation };

/// Height, width and channels of one sample.
struct SampleShape {
  int h = 1, w = 1, c = 1;
  std::size_t count() const { return static_cast<std::size_t>(h) * w * c; }
  bool operator==(const SampleShape& o) const { return h == o.h && w == o.w && c == o.c; }
};

struct LayerKind;

/// One layer. Fields that its kind does not use keep their defaults.
struct Layer {
  const LayerKind* kind = nullptr;  ///< a row of layer_kinds()
  std::string name;                 ///< unique; prefix of its parameters: "conv1.weight"
  std::vector<int> inputs;          ///< indices of earlier layers, -1 = the model's input; one, or two for add

  int filters = 0;                 ///< conv2d: output channels
  int units = 0;                   ///< dense: outputs; 0 = as many as there are classes
  int kernel_h = 1, kernel_w = 1;  ///< global pooling: the whole input, which parse_model fills in
  int stride_h = 1, stride_w = 1;
  int pad_h = 0, pad_w = 0;
  int groups = 1;                      ///< conv2d; for "depthwise" parse_model fills in the number of input channels
  bool bias = true;                    ///< conv2d, dense
  float slope = 0.01f;                 ///< leaky_relu
  float rate = 0.5f;                   ///< dropout
  float eps = 1e-5f, momentum = 0.1f;  ///< batch_norm
};

/// A field of a layer's JSON object, and the member that it sets. Which one, that is the field's type.
struct LayerField {
  const char* name;
  const char* help;  ///< what it is, for tsugi inspect --layers
  int Layer::*integer = nullptr;
  int Layer::*columns = nullptr;  ///< with it a pair: a number, or [rows (integer), columns]
  float Layer::*number = nullptr;
  bool Layer::*flag = nullptr;
  double low = 0.0, high = 0.0;  ///< low <= value <= high, for numbers value < high
  bool needed = false;           ///< else the member keeps its value,
  int Layer::*like = nullptr;    ///< or takes that of this one
  const char* word = nullptr;    ///< of an integer: may stand instead, and sets 0
};

/// A tensor that a layer owns.
struct LayerParameter {
  const char* name;
  std::vector<std::int64_t> shape;
  bool learned = true;  ///< false: a statistic of batch norm

  std::size_t count() const {
    return std::accumulate(shape.begin(), shape.end(), std::size_t{1},
                           [](std::size_t all, std::int64_t extent) { return all * static_cast<std::size_t>(extent); });
  }
};

/// All that the engine knows of a kind of layer. A layer that needs no new op is a row of the table and nothing else.
struct LayerKind {
  const char* name;              ///< as in the JSON
  std::optional<NodeKind> node;  ///< what computes it; none: only another view of its input
  std::vector<LayerField> fields;
  /// Output for one sample. in: of each input; classes: units of the head. Throws Error with the reason.
  SampleShape (*shape)(const Layer& layer, const std::vector<SampleShape>& in, int classes);
  /// In the order of the layout; null: none.
  std::vector<LayerParameter> (*parameters)(const Layer& layer, const SampleShape& in,
                                            const SampleShape& out) = nullptr;
  ActivationKind activation = ActivationKind::none;  ///< node activation
  PoolKind pool = PoolKind::max;                     ///< node pool
  bool global = false;                               ///< node pool: its window is the whole input

  std::size_t inputs() const { return node == NodeKind::add ? 2 : 1; }
};

const std::vector<LayerKind>& layer_kinds();

/// Fills in what the input's shape decides: the groups of "depthwise", a global pool's window.
void resolve(Layer& layer, const SampleShape& in);

/// The ops of a layer of those kinds on a batch.
Conv2dShape conv2d_shape(const Layer& layer, const SampleShape& in, int batch);
PoolShape pool_shape(const Layer& layer, const SampleShape& in, int batch);

}  // namespace tsugi
