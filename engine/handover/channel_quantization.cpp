// Ranges a channel, and rounding to the nearest of 256 levels.
#include "engine/handover/channel_quantization.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr double kTop = 255.0;

double highest(const ChannelQuantization& quantization, std::size_t c) {
  return static_cast<double>(quantization.offset[c]) + kTop * static_cast<double>(quantization.scale[c]);
}

/// A float32 scale whose level 255 reaches `range`: rounded up, so that no value lies above.
float scale_for(double range) {
  auto scale = static_cast<float>(range / kTop);
  if (kTop * static_cast<double>(scale) < range) scale = std::nextafter(scale, INFINITY);
  return scale;
}

std::uint8_t nearest(double value, float scale, float offset) {
  if (scale == 0.0f) return 0;
  const double level = std::nearbyint((value - static_cast<double>(offset)) / static_cast<double>(scale));
  return static_cast<std::uint8_t>(std::max(0.0, std::min(kTop, level)));
}

}  // namespace

ChannelQuantization quantization_of(const float* values, std::size_t count, std::size_t channels,
                                    const std::string& place) {
  ChannelQuantization quantization;
  if (count == 0) return quantization;
  std::vector<float> low(values, values + channels), high = low;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t c = i % channels;
    if (!std::isfinite(values[i]))
      throw Error(place + ": an activation of channel " + std::to_string(c) + " is " + std::to_string(values[i]) +
                  ", finite values expected");
    low[c] = std::min(low[c], values[i]);
    high[c] = std::max(high[c], values[i]);
  }
  quantization.offset = low;
  for (std::size_t c = 0; c < channels; ++c) {
    quantization.scale.push_back(scale_for(static_cast<double>(high[c]) - static_cast<double>(low[c])));
    if (!std::isfinite(static_cast<float>(highest(quantization, c))))
      throw Error(place + ": channel " + std::to_string(c) + " ranges from " + std::to_string(low[c]) + " to " +
                  std::to_string(high[c]) + ", a range that float32 holds expected");
  }
  return quantization;
}

void encode(const float* values, std::size_t count, const ChannelQuantization& quantization, std::uint8_t* to) {
  const std::size_t channels = quantization.channels();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t c = i % channels;
    to[i] = nearest(static_cast<double>(values[i]), quantization.scale[c], quantization.offset[c]);
  }
}

ChannelQuantization widened(const ChannelQuantization& a, const ChannelQuantization& b) {
  if (a.channels() == 0) return b;
  if (b.channels() == 0) return a;
  ChannelQuantization result;
  for (std::size_t c = 0; c < a.channels(); ++c) {
    const float low = std::min(a.offset[c], b.offset[c]);
    const double high = std::max(highest(a, c), highest(b, c));
    const ChannelQuantization* whole = a.offset[c] == low && highest(a, c) == high   ? &a
                                       : b.offset[c] == low && highest(b, c) == high ? &b
                                                                                     : nullptr;
    result.offset.push_back(low);
    result.scale.push_back(whole != nullptr ? whole->scale[c] : scale_for(high - static_cast<double>(low)));
  }
  return result;
}

void recode(std::uint8_t* rows, std::size_t count, const ChannelQuantization& from, const ChannelQuantization& to) {
  const std::size_t channels = to.channels();
  for (std::size_t c = 0; c < channels; ++c) {
    if (from.scale[c] == to.scale[c] && from.offset[c] == to.offset[c]) continue;
    std::uint8_t table[256];
    for (int level = 0; level < 256; ++level)
      table[level] = nearest(static_cast<double>(from.offset[c]) + level * static_cast<double>(from.scale[c]),
                             to.scale[c], to.offset[c]);
    for (std::size_t i = c; i < count; i += channels) rows[i] = table[rows[i]];
  }
}

}  // namespace tsugi
