// JPEG and PNG through stb_image, behind checks that it does not make: total size before decoding, and truncation.
#include "engine/data/decode.h"

#include <cstring>
#include <memory>

#include "engine/core/input_file.h"
#include "engine/data/jpeg_file.h"
#include "kernels/api/error.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace tsugi {
namespace {

bool starts_with(const std::vector<std::uint8_t>& bytes, const char* prefix, std::size_t length) {
  return bytes.size() >= length && std::memcmp(bytes.data(), prefix, length) == 0;
}

void check_size(std::uint64_t h, std::uint64_t w, const std::string& file) {
  // Both fit 32 bits, so the product fits 64.
  if (h * w <= kMaxPhotoPixels) return;
  throw Error(file + ": has " + std::to_string(w) + " x " + std::to_string(h) + " = " + std::to_string(h * w) +
              " pixels, the limit is " + std::to_string(kMaxPhotoPixels));
}

/// Decodes to `channels` bytes a pixel after the header's size was found acceptable.
Image decode_checked(const std::vector<std::uint8_t>& bytes, const std::string& file, int channels) {
  const int length = static_cast<int>(bytes.size());
  int w = 0, h = 0, in_file = 0;
  if (!stbi_info_from_memory(bytes.data(), length, &w, &h, &in_file)) {
    throw Error(file + ": header is broken: " + stbi_failure_reason());
  }
  check_size(static_cast<std::uint64_t>(h), static_cast<std::uint64_t>(w), file);
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> data(
      stbi_load_from_memory(bytes.data(), length, &w, &h, &in_file, channels), stbi_image_free);
  if (!data) throw Error(file + ": cannot be decoded: " + stbi_failure_reason());
  Image image;
  image.h = h;
  image.w = w;
  image.rgb.assign(data.get(), data.get() + static_cast<std::size_t>(w) * h * static_cast<std::size_t>(channels));
  return image;
}

/// RGBA to RGB on a white ground, in place.
void blend_onto_white(Image* image) {
  const std::size_t pixels = image->rgb.size() / 4;
  std::uint8_t* p = image->rgb.data();
  for (std::size_t i = 0; i < pixels; ++i) {
    const unsigned alpha = p[4 * i + 3];
    for (int c = 0; c < 3; ++c) {
      p[3 * i + c] = static_cast<std::uint8_t>((p[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  image->rgb.resize(3 * pixels);
}

/// Turns the image as EXIF orientation 2 to 8 says: row 0 and column 0 of the file are which sides of the picture?
Image orient(const Image& in, int orientation) {
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

/// stb_image calls a PNG of great size "not of any known type", so its size is looked at first.
Image decode_png(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  constexpr std::size_t kWidth = 16, kHeight = 20, kHeaderEnd = 24;
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint64_t>(bytes[at]) << 24 | static_cast<std::uint64_t>(bytes[at + 1]) << 16 |
           static_cast<std::uint64_t>(bytes[at + 2]) << 8 | bytes[at + 3];
  };
  if (bytes.size() < kHeaderEnd) throw Error(file + ": PNG is truncated in its header");
  check_size(number(kHeight), number(kWidth), file);
  Image image = decode_checked(bytes, file, 4);
  blend_onto_white(&image);
  return image;
}

Image decode_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  const JpegFile layout = read_jpeg_file(bytes);
  if (!layout.tables_fit) throw Error(file + ": JPEG is damaged: a Huffman table has more than 256 codes");
  if (!layout.complete) throw Error(file + ": JPEG is truncated: its end is missing");
  Image image = decode_checked(bytes, file, 3);
  if (layout.exif_bytes == 0) return image;
  const int orientation = exif_orientation(bytes.data() + layout.exif, layout.exif_bytes);
  return orientation == 1 ? image : orient(image, orientation);
}

}  // namespace

Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  if (bytes.empty()) throw Error(file + ": is empty");
  if (bytes.size() > kMaxPhotoBytes) {
    throw Error(file + ": has " + std::to_string(bytes.size()) + " bytes, the limit is " +
                std::to_string(kMaxPhotoBytes));
  }
  if (starts_with(bytes, "\xFF\xD8\xFF", 3)) return decode_jpeg(bytes, file);
  if (!starts_with(bytes, "\x89PNG\r\n\x1A\n", 8)) throw Error(file + ": is neither a JPEG nor a PNG file");
  return decode_png(bytes, file);
}

std::shared_ptr<const std::vector<std::uint8_t>> read_photo(const Photo& photo, FileLog* files) {
  if (photo.bytes) return photo.bytes;
  return std::make_shared<const std::vector<std::uint8_t>>(read_file(photo.path, {kMaxPhotoBytes, {"photo", files}, photo.file}));
}

void prepare_photo(const Photo& photo, const Preprocessing& preprocessing, std::uint8_t* to, FileLog* files) {
  const Image image = decode_image(*read_photo(photo, files), photo.file);
  crop_and_resize(image, preprocessing.crop, preprocessing.stored_size, to);
}

}  // namespace tsugi
