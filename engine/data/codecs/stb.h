// PNG, and JPEG where there is no libjpeg-turbo, through stb_image, behind checks that it does not make: what the data
// unpack to, which it lets grow to gigabytes whatever the header says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/codecs/codec.h"
#include "engine/data/photo_header.h"

namespace tsugi {

/// Pixels of an stb_image decoder, [h,w,channels].
struct StbPixels {
  std::unique_ptr<std::uint8_t, void (*)(std::uint8_t*)> data;
  int w = 0, h = 0;
};

/// Decodes to `channels` bytes a pixel. Throws Error naming `file` when the data are broken or need more than `most`
/// bytes at once; std::bad_alloc when memory runs out.
StbPixels decode_stb(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                     int channels, std::uint64_t most);

/// The most that decoding a PNG to RGB holds at once, the encoded bytes left out.
std::uint64_t png_decode_bytes(const PhotoHeader& header, std::uint64_t file_bytes);

Codec stb_codec();

}  // namespace tsugi
