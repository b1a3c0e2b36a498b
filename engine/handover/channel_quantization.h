// Activations as 8-bit levels: one scale and offset a channel, value = offset + scale * level
// (kernels/api/dequantize_gather.h). Affine and by channel, because what a ReLU leaves is one-sided and the channels of
// a layer differ widely in range. Source: Jacob et al., "Quantization and training of neural networks for efficient
// integer-arithmetic-only inference", CVPR 2018, section 2.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tsugi {

/// The 256 levels of every channel. Empty: of no values at all.
struct ChannelQuantization {
  std::vector<float> scale, offset;  ///< [c], finite; scale >= 0, 0 where a channel has one value
  std::size_t channels() const { return scale.size(); }
};

/// Levels from each channel's least to its largest value. values: [count], host, channels last. Throws Error naming
/// `place` when a value is not finite, or a channel's range is not.
ChannelQuantization quantization_of(const float* values, std::size_t count, std::size_t channels,
                                    const std::string& place);

/// to[i] = the level nearest to values[i]: off by scale / 2 at most where the value lies within its channel's levels.
void encode(const float* values, std::size_t count, const ChannelQuantization& quantization, std::uint8_t* to);

/// Levels that reach as far as both. A channel that one of them covers alone keeps that one's levels bit for bit.
ChannelQuantization widened(const ChannelQuantization& a, const ChannelQuantization& b);

/// Turns levels of `from` into the nearest of `to`, in place. A channel whose levels are the same stays as it is;
/// another is off by to's scale / 2 more.
void recode(std::uint8_t* rows, std::size_t count, const ChannelQuantization& from, const ChannelQuantization& to);

}  // namespace tsugi
