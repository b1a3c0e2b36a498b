// HEIC and AVIF through libheif.
#include "engine/data/codecs/heif.h"

#include <libheif/heif.h>

#include <algorithm>
#include <memory>
#include <new>

#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

template <typename T>
using Held = std::unique_ptr<T, void (*)(T*)>;

const char* name_of(PhotoKind kind) { return kind == PhotoKind::avif ? "AVIF" : "HEIC"; }

/// Loads the library's plugins, once: until then it would know no decoder where distributions ship them apart.
void start_library() {
  static const heif_error started = heif_init(nullptr);
  (void)started;
}

void check(const heif_error& error, const std::string& file, PhotoKind kind) {
  if (error.code == heif_error_Ok) return;
  const bool limit = error.subcode == heif_suberror_Security_limit_exceeded;
  if (error.code == heif_error_Memory_allocation_error && !limit) throw std::bad_alloc();
  const Codec codec = heif_codec(kind);
  throw Error(file + ": " + name_of(kind) +
              " cannot be decoded: " + (codec.library.empty() ? codec.missing : printable(error.message)));
}

void check_size(int w, int h, const std::string& file, const PhotoHeader& header) {
  const std::uint64_t pixels = static_cast<std::uint64_t>(std::max(0, w)) * static_cast<std::uint64_t>(std::max(0, h));
  if (pixels == 0 || pixels > header.w * header.h)
    throw Error(file + ": " + name_of(header.kind) + " is damaged: is " + std::to_string(w) + " x " +
                std::to_string(h) + " pixels, its properties say " + std::to_string(header.w) + " x " +
                std::to_string(header.h));
}

/// Copies the pixels out, transparent ones on white.
Image copied(const heif_image* from, bool transparent) {
  int stride = 0;
  const std::uint8_t* rows = heif_image_get_plane_readonly(from, heif_channel_interleaved, &stride);
  const int w = heif_image_get_width(from, heif_channel_interleaved),
            h = heif_image_get_height(from, heif_channel_interleaved);
  if (transparent) return on_white(rows, h, w, static_cast<std::size_t>(stride));
  Image image{h, w, {}};
  const std::size_t row = std::size_t{3} * w;
  image.rgb.reserve(row * h);
  for (int y = 0; y < h; ++y)
    image.rgb.insert(image.rgb.end(), rows + std::size_t(y) * stride, rows + std::size_t(y) * stride + row);
  return image;
}

}  // namespace

std::uint64_t heif_decode_bytes(const PhotoHeader& header) {
  constexpr std::uint64_t kTables = std::uint64_t{4} << 20;
  return kTables + 16 * std::max(header.w * header.h, header.coded);
}

Image decode_heif(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header) {
  if (header.w == 0 || header.h == 0)
    throw Error(file + ": " + name_of(header.kind) + " is damaged: it does not say its size");
  start_library();
  const Held<heif_context> context(heif_context_alloc(), heif_context_free);
  if (!context) throw std::bad_alloc();
  heif_context_set_maximum_image_size_limit(context.get(), static_cast<int>(std::max(header.w, header.h)));
  heif_context_set_max_decoding_threads(context.get(), 0);  // photos are decoded on many threads already
  check(heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr), file,
        header.kind);
  heif_image_handle* primary = nullptr;
  check(heif_context_get_primary_image_handle(context.get(), &primary), file, header.kind);
  const Held<heif_image_handle> handle(primary, [](heif_image_handle* one) { heif_image_handle_release(one); });
  check_size(heif_image_handle_get_width(primary), heif_image_handle_get_height(primary), file, header);
  const Held<heif_decoding_options> options(heif_decoding_options_alloc(), heif_decoding_options_free);
  if (!options) throw std::bad_alloc();
  options->convert_hdr_to_8bit = 1;
  options->strict_decoding = 1;
  const bool transparent = heif_image_handle_has_alpha_channel(primary) != 0;
  heif_image* decoded = nullptr;
  check(heif_decode_image(primary, &decoded, heif_colorspace_RGB,
                          transparent ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options.get()),
        file, header.kind);
  const Held<heif_image> image(decoded, [](heif_image* one) { heif_image_release(one); });
  heif_error warning{};
  if (heif_image_get_decoding_warnings(decoded, 0, &warning, 1) > 0) check(warning, file, header.kind);
  // The stream that is decoded says its size once more.
  check_size(heif_image_get_width(decoded, heif_channel_interleaved),
             heif_image_get_height(decoded, heif_channel_interleaved), file, header);
  return copied(decoded, transparent);
}

Codec heif_codec(PhotoKind kind) {
  start_library();
  const bool avif = kind == PhotoKind::avif;
  const std::string library = std::string("libheif ") + heif_get_version();
  if (heif_have_decoder_for_format(avif ? heif_compression_AV1 : heif_compression_HEVC) != 0) return {library, ""};
  return {"", library + " has no decoder for it here: install " +
                  (avif ? "libheif-plugin-dav1d" : "libheif-plugin-libde265")};
}

}  // namespace tsugi
