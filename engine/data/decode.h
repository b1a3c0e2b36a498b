// From an encoded photo to the stored square of RGB bytes: JPEG/PNG decoding, EXIF orientation, crop, antialiased
// resize. Files are never trusted: size is checked in the header before anything is allocated, and truncated data is an
// error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/data/decode_budget.h"
#include "engine/data/photo.h"

namespace tsugi {

/// Decoded pixels, RGB, rows from the top.
struct Image {
  int h = 0, w = 0;
  std::vector<std::uint8_t> rgb;  ///< [h,w,3]
};

/// Decodes a JPEG or PNG (grey, palette, RGB, RGBA; 8 or 16 bits a channel) and turns it as its EXIF orientation says.
/// Transparent pixels are blended onto white. `file` is the name for messages.
/// Throws Error naming `file` when the data is neither JPEG nor PNG, too large, broken or truncated, or unpacks to more
/// than its header promises (photo_header.h); std::bad_alloc when memory runs out.
Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file);

/// The centre square of `crop` of the shorter side, resized to `size` x `size` with a cubic filter that widens with
/// the reduction (antialiasing). Writes [size,size,3] to `to`.
void crop_and_resize(const Image& image, float crop, int size, std::uint8_t* to);

/// What a photo is known by, and whether a face was looked for in vain.
struct PreparedPhoto {
  PhotoIdentity identity;
  bool faceless = false;
};

/// Reads, decodes, crops and resizes: writes [stored_size,stored_size,3] to `to`, unless a photo without a face is to
/// be left out. The header is looked at first, and the memory that the rest needs is a lease of `budget`. Throws Error
/// naming the file, also when it needs more than the whole budget.
PreparedPhoto prepare_photo(const Photo& photo, const Preprocessing& preprocessing, std::uint8_t* to,
                            DecodeBudget& budget, FileLog* files = nullptr);

}  // namespace tsugi
