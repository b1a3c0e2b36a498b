// In place of heif.cpp, in builds without libheif.
#include "engine/data/codecs/heif.h"
#include "kernels/api/error.h"

namespace tsugi {

std::uint64_t heif_decode_bytes(const PhotoHeader&) { return 0; }

Image decode_heif(const std::vector<std::uint8_t>&, const std::string& file, const PhotoHeader& header) {
  throw Error(file + ": is " + (header.kind == PhotoKind::avif ? "AVIF" : "HEIC") +
              ", which this build does not read: " + heif_codec(header.kind).missing);
}

Codec heif_codec(PhotoKind) { return {"", "install libheif-dev and build again"}; }

}  // namespace tsugi
