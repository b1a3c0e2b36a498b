// In place of webp.cpp, in builds without libwebp.
#include "engine/data/codecs/webp.h"
#include "kernels/api/error.h"

namespace tsugi {

std::uint64_t webp_decode_bytes(const PhotoHeader&) { return 0; }

Image decode_webp(const std::vector<std::uint8_t>&, const std::string& file, const PhotoHeader&) {
  throw Error(file + ": is WebP, which this build does not read: " + webp_codec().missing);
}

Codec webp_codec() { return {"", "install libwebp-dev and build again"}; }

}  // namespace tsugi
