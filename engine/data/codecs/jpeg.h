// JPEG: libjpeg-turbo where the build has it (jpeg_turbo.cpp), otherwise stb_image (jpeg_stb.cpp), whose pixels differ
// by rounding, which reads no part of the size and does not notice data that are missing in the middle.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/codecs/codec.h"
#include "engine/data/image.h"
#include "engine/data/photo_header.h"

namespace tsugi {

/// By how much the sides may be reduced while decoding, 1, 2, 4 or 8, so that the shorter one keeps at least `enough`
/// pixels; 0 = nothing is enough.
int jpeg_reduction(const PhotoHeader& header, std::uint64_t enough);

/// The most that decoding to RGB and turning it upright hold at once, the encoded bytes left out.
std::uint64_t jpeg_decode_bytes(const PhotoHeader& header, int reduction);

/// The pixels as they are stored, not turned: [ceil(h / reduction), ceil(w / reduction), 3].
/// Throws Error naming `file` when the data are broken, or need more than the header promises; std::bad_alloc when
/// memory runs out.
Image decode_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                  int reduction);

Codec jpeg_codec();

}  // namespace tsugi
