// Decoded pixels, and what every decoder does with them at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsugi {

/// Decoded pixels, RGB, rows from the top.
struct Image {
  int h = 0, w = 0;
  std::vector<std::uint8_t> rgb;  ///< [h,w,3]
};

/// The image turned upright: `orientation`, 1 to 8, is what EXIF's tag of that name says of it.
Image turned(Image image, int orientation);

/// Transparent pixels on a white ground. rgba: [h,w,4], rows `stride` bytes apart.
Image on_white(const std::uint8_t* rgba, int h, int w, std::size_t stride);

}  // namespace tsugi
