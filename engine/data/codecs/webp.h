// WebP, lossy and lossless, by libwebp (webp.cpp) where the build has it (otherwise no_webp.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/codecs/codec.h"
#include "engine/data/image.h"
#include "engine/data/photo_header.h"

namespace tsugi {

/// The most that decoding to RGB and turning it upright hold at once, the encoded bytes left out.
std::uint64_t webp_decode_bytes(const PhotoHeader& header);

/// The pixels as they are stored, not turned; transparent ones on white. Throws Error naming `file` when the data are
/// broken or animated, or are larger than the header promises; std::bad_alloc when memory runs out.
Image decode_webp(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header);

Codec webp_codec();

}  // namespace tsugi
