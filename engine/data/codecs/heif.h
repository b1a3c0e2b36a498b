// HEIC and AVIF by libheif (heif.cpp) where the build has it (otherwise no_heif.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/codecs/codec.h"
#include "engine/data/image.h"
#include "engine/data/photo_header.h"

namespace tsugi {

/// The most that decoding to RGB holds at once, the encoded bytes left out.
std::uint64_t heif_decode_bytes(const PhotoHeader& header);

/// The pixels of the file's primary picture, upright: the format has turns and mirrors of its own, which the library
/// does, and the orientation in its EXIF block only repeats them. Transparent pixels on white. Throws Error naming
/// `file` when the data are broken, or are larger than the header promises; std::bad_alloc when memory runs out.
Image decode_heif(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header);

/// kind: heic or avif, which are decoded by different libraries behind libheif.
Codec heif_codec(PhotoKind kind);

}  // namespace tsugi
