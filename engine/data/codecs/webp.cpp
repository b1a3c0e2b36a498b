// WebP through libwebp.
#include "engine/data/codecs/webp.h"

#include <webp/decode.h>

#include <new>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

const char* text_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "data are missing";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "it has a feature that libwebp does not know";
    default:
      return "data are damaged";
  }
}

void check(VP8StatusCode status, const std::string& file) {
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != VP8_STATUS_OK) throw Error(file + ": WebP cannot be decoded: " + text_of(status));
}

}  // namespace

std::uint64_t webp_decode_bytes(const PhotoHeader& header) {
  constexpr std::uint64_t kTables = std::uint64_t{4} << 20;
  // Without loss: the pixels as 4 bytes, beside those that come out, with or without transparency, and a copy as RGB.
  return kTables + 12 * header.w * header.h;
}

Image decode_webp(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw Error(file + ": libwebp is another version's than its headers");
  check(WebPGetFeatures(bytes.data(), bytes.size(), &config.input), file);
  const auto w = static_cast<std::uint64_t>(config.input.width), h = static_cast<std::uint64_t>(config.input.height);
  if (w != header.w || h != header.h)
    throw Error(file + ": WebP is damaged: is " + std::to_string(w) + " x " + std::to_string(h) +
                " pixels, its first chunk says " + std::to_string(header.w) + " x " + std::to_string(header.h));
  if (config.input.has_animation != 0)
    throw Error(file + ": is an animated WebP, which is not read; save one of its pictures");
  const bool transparent = config.input.has_alpha != 0;
  Image image{config.input.height, config.input.width, {}};
  const std::size_t stride = static_cast<std::size_t>(image.w) * (transparent ? 4 : 3);
  image.rgb.resize(stride * image.h);
  config.output.colorspace = transparent ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.rgb.data(), static_cast<int>(stride), image.rgb.size()};
  check(WebPDecode(bytes.data(), bytes.size(), &config), file);
  return transparent ? on_white(image.rgb.data(), image.h, image.w, stride) : image;
}

Codec webp_codec() {
  const int version = WebPGetDecoderVersion();
  return {"libwebp " + std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." +
              std::to_string(version & 255),
          ""};
}

}  // namespace tsugi
