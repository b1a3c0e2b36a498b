// From an encoded photo to the stored square of RGB bytes: decoding (codecs/), EXIF orientation, crop, antialiased
// resize. Files are never trusted: size is checked in the header before anything is allocated, and truncated data is an
// error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/data/decode_budget.h"
#include "engine/data/image.h"
#include "engine/data/photo.h"

namespace tsugi {

/// Decodes a photo, by its content, of any format that this build reads (photo_formats.h), and turns it upright.
/// Transparent pixels are blended onto white. A JPEG comes at a half, a quarter or an eighth of its sides where the
/// shorter one keeps at least `enough` pixels; 0 = nothing is enough. `file` is the name for messages.
/// Throws Error naming `file` when the data is no photo, of a format that this build does not read (which it names),
/// too large, broken or truncated, or unpacks to more than its header promises; std::bad_alloc when memory runs out.
Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file, std::uint64_t enough = 0);

/// Pixels of a photo's shorter side that are enough for its stored square: twice as many as that has, so that the
/// antialiased resize still sees more than it needs, and never fewer than 256: smaller photos are decoded in full.
std::uint64_t enough_pixels(const Preprocessing& preprocessing);

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
