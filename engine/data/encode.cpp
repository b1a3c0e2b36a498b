// JPEG and PNG through stb_image_write.
#include "engine/data/encode.h"

#include <string>

#include "kernels/api/error.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace tsugi {
namespace {

constexpr int kMaxSide = 16384;

void check(bool holds, const char* place, const std::string& message) {
  if (!holds) throw Error(std::string(place) + ": " + message);
}

void check_view(const PixelView& view, const char* place) {
  check(view.pixels != nullptr, place, "pixels are null");
  check(view.h >= 1 && view.w >= 1 && view.h <= kMaxSide && view.w <= kMaxSide, place,
        "image is " + std::to_string(view.h) + " x " + std::to_string(view.w) + ", expected sides of 1 to " +
            std::to_string(kMaxSide));
  check(view.channels >= 1 && view.channels <= 4, place,
        "image has " + std::to_string(view.channels) + " channels, expected 1 to 4");
}

void append(void* bytes, void* data, int size) {
  const auto* first = static_cast<const std::uint8_t*>(data);
  auto* to = static_cast<std::vector<std::uint8_t>*>(bytes);
  to->insert(to->end(), first, first + size);
}

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const PixelView& view, int quality) {
  check_view(view, "encode_jpeg");
  check(quality >= 1 && quality <= 100, "encode_jpeg", "quality is " + std::to_string(quality) + ", expected 1 to 100");
  std::vector<std::uint8_t> bytes;
  const int written = stbi_write_jpg_to_func(append, &bytes, view.w, view.h, view.channels, view.pixels, quality);
  check(written != 0, "encode_jpeg", "not enough memory");
  return bytes;
}

std::vector<std::uint8_t> encode_png(const PixelView& view) {
  check_view(view, "encode_png");
  std::vector<std::uint8_t> bytes;
  const int written = stbi_write_png_to_func(append, &bytes, view.w, view.h, view.channels, view.pixels, 0);
  check(written != 0, "encode_png", "not enough memory");
  return bytes;
}

}  // namespace tsugi
