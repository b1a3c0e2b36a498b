// From an encoded photo to the stored square of RGB bytes: JPEG/PNG decoding, EXIF orientation, crop, antialiased
// resize. Files are never trusted: size is checked in the header before anything is allocated, and truncated data is an
// error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/data/photo.h"

namespace tsugi {

/// Decoded pixels, RGB, rows from the top.
struct Image {
  int h = 0, w = 0;
  std::vector<std::uint8_t> rgb;  ///< [h,w,3]
};

/// Largest photos that are read: a header or a file beyond these is refused before anything is allocated for it.
constexpr std::uint64_t kMaxPhotoPixels = 100u * 1000u * 1000u;
constexpr std::uint64_t kMaxPhotoBytes = 256u << 20;

/// Decodes a JPEG or PNG (grey, palette, RGB, RGBA; 8 or 16 bits a channel) and turns it as its EXIF orientation says.
/// Transparent pixels are blended onto white. `file` is the name for messages.
/// Throws Error naming `file` when the data is neither JPEG nor PNG, too large, broken or truncated.
Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file);

/// The centre square of `crop` of the shorter side, resized to `size` x `size` with a cubic filter that widens with
/// the reduction (antialiasing). Writes [size,size,3] to `to`.
void crop_and_resize(const Image& image, float crop, int size, std::uint8_t* to);

/// The photo's encoded bytes, from memory or from its path. Throws Error naming the file when it cannot be read.
std::shared_ptr<const std::vector<std::uint8_t>> read_photo(const Photo& photo, FileLog* files = nullptr);

/// read_photo, decode_image, crop_and_resize: writes [stored_size,stored_size,3] to `to`. Throws Error naming the file.
void prepare_photo(const Photo& photo, const Preprocessing& preprocessing, std::uint8_t* to, FileLog* files = nullptr);

}  // namespace tsugi
