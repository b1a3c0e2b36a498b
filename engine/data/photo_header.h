// What a photo's header promises, read before anything else of the file: its size in pixels, and with it how much
// memory a decoder needs. Decoders are held to that (decode.cpp), and threads share a budget of it (decode_budget.h).
// Sources: PNG 1.2, 4.1.1 (IHDR) and 2.6 (interlacing); ITU-T T.81, annex B (frame header).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tsugi {

/// Largest photos that are read: a header or a file beyond these is refused before anything is allocated for it.
constexpr std::uint64_t kMaxPhotoPixels = 100u * 1000u * 1000u;
constexpr std::uint64_t kMaxPhotoBytes = 256u << 20;

/// Copies `size` bytes from byte `offset` of the encoded photo to `to`; false when it has fewer.
using PeekBytes = std::function<bool(std::uint64_t offset, void* to, std::size_t size)>;

struct PhotoHeader {
  enum class Kind { other, png, jpeg };
  Kind kind = Kind::other;
  std::uint64_t w = 0, h = 0;                ///< pixels; 0 where no header was found, which the decoder then says
  int channels = 0;                          ///< in the file
  int depth = 8;                             ///< bits a channel
  bool interlaced = false, palette = false;  ///< PNG
  bool progressive = false;                  ///< JPEG

  /// The most that decoding `file_bytes` encoded bytes to RGB holds at once, the encoded bytes left out.
  std::uint64_t decode_bytes(std::uint64_t file_bytes) const;
};

/// Throws Error naming `file` when the header promises more than kMaxPhotoPixels, or a JPEG hides its frame header
/// behind too many segments.
PhotoHeader read_photo_header(const PeekBytes& peek, const std::string& file);
PhotoHeader read_photo_header(const std::vector<std::uint8_t>& bytes, const std::string& file);

}  // namespace tsugi
