// JPEG through stb_image, in builds without libjpeg-turbo.
#include <algorithm>

#include "engine/data/codecs/jpeg.h"
#include "engine/data/codecs/stb.h"
#include "kernels/api/error.h"

namespace tsugi {

int jpeg_reduction(const PhotoHeader&, std::uint64_t) { return 1; }

std::uint64_t jpeg_decode_bytes(const PhotoHeader& header, int) {
  constexpr std::uint64_t kTables = std::uint64_t{64} << 10;
  // Whole blocks of every channel, with the coefficients of all where it is progressive; then RGB and a copy of it.
  const std::uint64_t pixels = header.w * header.h, planes = header.samples * (header.whole_first ? 3 : 1);
  return kTables + 4 * header.w + std::max(planes + 3 * pixels, 6 * pixels);
}

Image decode_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header, int) {
  if (header.coding[0] != '\0')
    throw Error(file + ": is " + header.coding + ", a kind of JPEG that this build does not read: " +
                jpeg_codec().missing + ", or save it as a common JPEG");
  const StbPixels decoded = decode_stb(bytes, file, header, 3, jpeg_decode_bytes(header, 1));
  const std::uint8_t* begin = decoded.data.get();
  return {decoded.h, decoded.w, {begin, begin + std::size_t{3} * decoded.h * decoded.w}};
}

Codec jpeg_codec() { return {"stb_image", "install libjpeg-dev (libjpeg-turbo) and build again"}; }

}  // namespace tsugi
