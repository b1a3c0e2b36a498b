// Symmetric quantisation by output channel. A scale is the channel's largest magnitude / 127, rounded to float16 first,
// so that the integers are chosen for the scale that is stored.
#include "engine/formats/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/text.h"
#include "kernels/api/error.h"
#include "kernels/api/half.h"

namespace tsugi {
namespace {

constexpr float kHalfMax = 65504.0f;
constexpr float kHalfMinNormal = 6.103515625e-05f;  // 2^-14
constexpr float kLevels = 127.0f;

std::vector<float> finite_values(const NamedTensor& tensor) {
  std::vector<float> values = values_of(tensor);
  check_finite(values, "checkpoint: tensor " + shown(tensor.name));
  return values;
}

NamedTensor half_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                        const std::vector<float>& values) {
  NamedTensor half{name, DType::f16, shape, std::vector<std::uint8_t>(values.size() * 2)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = float_to_half(values[i]);
    std::memcpy(half.data.data() + 2 * i, &bits, sizeof bits);
  }
  return half;
}

std::vector<float> channel_scales(const std::vector<float>& values, std::size_t channels, std::size_t each) {
  std::vector<float> scales(channels);
  for (std::size_t k = 0; k < channels; ++k)
    for (std::size_t i = 0; i < each; ++i) scales[k] = std::max(scales[k], std::fabs(values[k * each + i]));
  for (float& scale : scales) scale /= kLevels;
  return scales;
}

// Float16 holds a scale to 11 bits unless it is out of its normal range; a channel of zeros has scale 0.
bool fit_half(const std::vector<float>& scales) {
  return std::all_of(scales.begin(), scales.end(),
                     [](float scale) { return scale == 0.0f || (scale >= kHalfMinNormal && scale <= kHalfMax); });
}

}  // namespace

void check_finite(const std::vector<float>& values, const std::string& where) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw Error(where + " holds " + std::to_string(values[i]) + " at index " + std::to_string(i) +
                  ", finite values expected");
}

NamedTensor to_half(const NamedTensor& tensor) {
  const std::vector<float> values = finite_values(tensor);
  const bool fits = std::all_of(values.begin(), values.end(),
                                [](float value) { return std::isfinite(half_to_float(float_to_half(value))); });
  return fits ? half_tensor(tensor.name, tensor.shape, values) : tensor;
}

bool wants_int8(const NamedTensor& tensor) {
  constexpr std::int64_t kLeastPerChannel = 8;  // below that, scale and integers are hardly smaller than float16
  if (tensor.shape.size() < 2 || tensor.shape[0] < 1) return false;
  return element_count(tensor.shape, "tensor " + shown(tensor.name)) / tensor.shape[0] >= kLeastPerChannel;
}

std::vector<NamedTensor> to_int8(const NamedTensor& tensor) {
  const std::vector<float> values = finite_values(tensor);
  const auto channels = static_cast<std::size_t>(tensor.shape.at(0));
  const std::size_t each = values.size() / channels;
  std::vector<float> scales = channel_scales(values, channels, each);
  const std::string scale_name = tensor.name + ".scale";
  const std::vector<std::int64_t> scale_shape{tensor.shape[0]};
  NamedTensor scale = make_tensor(scale_name, scale_shape, scales.data());
  if (fit_half(scales)) {
    scale = half_tensor(scale_name, scale_shape, scales);
    for (float& value : scales) value = half_to_float(float_to_half(value));
  }
  NamedTensor integers{tensor.name, DType::i8, tensor.shape, std::vector<std::uint8_t>(values.size())};
  for (std::size_t k = 0; k < channels; ++k)
    for (std::size_t i = k * each; i < (k + 1) * each && scales[k] > 0.0f; ++i) {
      const float level = std::max(-kLevels, std::min(kLevels, std::nearbyint(values[i] / scales[k])));
      integers.data[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(level));
    }
  return {std::move(integers), std::move(scale)};
}

NamedTensor from_half(NamedTensor tensor, const std::string& place) {
  if (tensor.dtype == DType::f32) return tensor;
  if (tensor.dtype != DType::f16)
    throw Error(place + ": tensor " + shown(tensor.name) + " has elements of " + std::to_string(size_of(tensor.dtype)) +
                " bytes, float16 or float32 expected");
  std::vector<float> values(tensor.data.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, tensor.data.data() + 2 * i, sizeof bits);
    values[i] = half_to_float(bits);
  }
  return make_tensor(tensor.name, tensor.shape, values.data());
}

NamedTensor from_int8(const NamedTensor& tensor, const NamedTensor& scale, const std::string& place) {
  const std::string where = place + ": tensor " + shown(tensor.name);
  if (scale.name != tensor.name + ".scale")
    throw Error(where + " is followed by " + shown(scale.name) + ", its scale expected");
  if (tensor.shape.empty() || scale.shape.size() != 1 || scale.shape[0] != tensor.shape[0])
    throw Error(where + " and its scale differ in their first extent");
  const std::vector<float> scales = values_of(from_half(scale, place));
  std::vector<float> values(tensor.data.size());
  for (std::size_t k = 0; k < scales.size(); ++k) {
    const std::size_t each = values.size() / scales.size();
    for (std::size_t i = k * each; i < (k + 1) * each; ++i)
      values[i] = static_cast<float>(static_cast<std::int8_t>(tensor.data[i])) * scales[k];
  }
  return make_tensor(tensor.name, tensor.shape, values.data());
}

}  // namespace tsugi
