// Turning and blending of decoded pixels.
#include "engine/data/image.h"

#include <cstring>

namespace tsugi {

Image turned(Image in, int orientation) {
  if (orientation == 1) return in;
  // Row 0 and column 0 of the file are which sides of the picture?
  const bool transposed = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image out;
  out.h = transposed ? in.w : in.h;
  out.w = transposed ? in.h : in.w;
  out.rgb.resize(in.rgb.size());
  for (int y = 0; y < out.h; ++y) {
    for (int x = 0; x < out.w; ++x) {
      const int turned_y = flip_y ? out.h - 1 - y : y, turned_x = flip_x ? out.w - 1 - x : x;
      const std::size_t row = transposed ? turned_x : turned_y, column = transposed ? turned_y : turned_x;
      std::memcpy(&out.rgb[(static_cast<std::size_t>(y) * out.w + x) * 3], &in.rgb[(row * in.w + column) * 3], 3);
    }
  }
  return out;
}

Image on_white(const std::uint8_t* rgba, int h, int w, std::size_t stride) {
  Image image{h, w, std::vector<std::uint8_t>(std::size_t{3} * h * w)};
  std::uint8_t* to = image.rgb.data();
  for (int y = 0; y < h; ++y) {
    const std::uint8_t* from = rgba + y * stride;
    for (int x = 0; x < w; ++x, from += 4, to += 3)
      for (int c = 0; c < 3; ++c)
        to[c] = static_cast<std::uint8_t>((from[c] * from[3] + 255 * (255 - from[3]) + 127) / 255);
  }
  return image;
}

}  // namespace tsugi
