// What a photo's header promises, read before anything else of the file: which format it has, whatever its name, and
// its size in pixels. With it comes how much memory a decoder needs (codecs/): decoders are held to that, and threads
// share a budget of it (decode_budget.h). Sources: PNG 1.2, 4.1.1 (IHDR); ITU-T T.81, annex B (frame and scan headers);
// RFC 9649 (WebP); ISO/IEC 23008-12 (HEIF).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/byte_window.h"

namespace tsugi {

/// Largest photos that are read: a header or a file beyond these is refused before anything is allocated for it. The
/// largest that a phone takes have 200 million.
constexpr std::uint64_t kMaxPhotoPixels = 250u * 1000u * 1000u;
constexpr std::uint64_t kMaxPhotoBytes = 256u << 20;

/// By content; those that no build reads begin with jpeg_xl. photo_formats.h names them, and says which this build
/// reads.
enum class PhotoKind { other, jpeg, png, webp, heic, avif, jpeg_xl, jpeg_2000, tiff, bmp, gif };

struct PhotoHeader {
  PhotoKind kind = PhotoKind::other;
  std::uint64_t w = 0, h = 0;                ///< pixels; 0 where no header was found, which the decoder then says
  int channels = 0;                          ///< in the file; PNG, JPEG
  int depth = 8;                             ///< bits a channel; PNG
  bool interlaced = false, palette = false;  ///< PNG
  std::uint64_t samples = 0;                 ///< JPEG: of all channels, in whole blocks
  bool whole_first = false;  ///< JPEG: coefficients of the whole picture come before the first row (progressive, …)
  std::uint64_t coded = 0;   ///< HEIC: pixels of the largest picture by the codec's own headers (heif_stream.h)
  const char* coding = "";   ///< JPEG: "arithmetic-coded", "lossless", "hierarchical"; "" as nearly all are
};

/// Throws Error naming `file` when the header promises more than kMaxPhotoPixels, or hides its frame header behind too
/// many segments or boxes.
PhotoHeader read_photo_header(const PeekBytes& peek, const std::string& file);
PhotoHeader read_photo_header(const std::vector<std::uint8_t>& bytes, const std::string& file);

}  // namespace tsugi
