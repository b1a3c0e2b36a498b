// From pixels to an encoded picture: drawn test people, contact sheets, tests.
#pragma once

#include <cstdint>
#include <vector>

namespace tsugi {

/// Pixels in memory that someone else owns.
struct PixelView {
  const std::uint8_t* pixels = nullptr;  ///< [h,w,channels], host
  int h = 0, w = 0;
  int channels = 3;  ///< 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
};

/// Encodes a JPEG; alpha is dropped. quality: 1 to 100; above 90 the colours are not subsampled.
/// Throws Error when a size, the channels or the quality is out of range.
std::vector<std::uint8_t> encode_jpeg(const PixelView& view, int quality);

/// Encodes a PNG, without loss. Throws Error when a size or the channels are out of range.
std::vector<std::uint8_t> encode_png(const PixelView& view);

}  // namespace tsugi
