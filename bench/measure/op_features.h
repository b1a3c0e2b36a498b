// What a prediction needs to know of one op call: what kind of work it is, how much, and the sizes that decide how well
// a device does it. Points of result files and the ops of a planned step are described by the same functions, so that
// they mean the same.
#pragma once

#include <array>
#include <string>

#include "bench/measure/op_cases.h"

namespace tsugi::bench {

/// Sizes that efficiencies depend on.
enum class Axis : std::uint8_t { channels, filters, width, samples, bytes };
constexpr int kAxes = 5;

/// "c", "k", "width", "n", "bytes": as in device descriptions.
const char* name_of(Axis axis);

/// A product as a matrix product: [rows, depth] x [depth, columns].
struct ProductSize {
  double rows = 0.0, columns = 0.0, depth = 0.0;
};

struct OpFeatures {
  std::string op;    ///< a call of the backend interface: "conv2d_forward", "pool_backward", "augment_forward"
  std::string form;  ///< what differs within it: "3x3", "window", "pointwise", "shallow", "depthwise", "max",
                     ///< "residual", "ragged"; may be empty
  DType dtype = DType::f32;
  double flops = 0.0;              ///< of products; 0 where the arithmetic hides behind memory
  double bytes = 0.0;              ///< that the call has to move: every operand once
  std::array<double, kAxes> at{};  ///< by Axis; 0 = means nothing for this op
  ProductSize product;             ///< of products
  double weight_bytes = 0.0;  ///< of products: what is packed for them, or summed up, however few samples there are
};

/// A call of `pass` on `op_case`, overwriting, without masks.
OpFeatures features_of(const OpCase& op_case, OpPass pass, DType dtype);

/// Ops that belong to no layer. n samples of h x w pixels from photos stored stored x stored.
OpFeatures augment_features(int n, int h, int w, int stored_h, int stored_w, DType dtype);
OpFeatures loss_features(int n, int classes, DType dtype);
/// count: parameters; compute: the type of the copy that kernels read, float32 = there is no copy.
OpFeatures norm_features(std::size_t count);
OpFeatures update_features(const char* op, std::size_t count, int moments, DType compute);
OpFeatures cast_features(std::size_t count, DType from, DType to);

/// The form whose efficiency stands in where a device description does not have this one's; empty where nothing
/// does.
std::string stand_in(const std::string& op, const std::string& form);

}  // namespace tsugi::bench
