// Looks at a photo's header through a small window, wherever the photo lies.
#include "engine/data/photo_header.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// Single bytes of the photo, read some at a time.
class Window {
 public:
  explicit Window(const PeekBytes& peek) : peek_(peek) {}

  /// The byte at `at`, or -1 behind the end.
  int operator[](std::uint64_t at) {
    if (at < begin_ || at >= begin_ + size_) {
      begin_ = at;
      for (size_ = bytes_.size(); size_ > 0 && !peek_(at, bytes_.data(), size_);) size_ /= 2;
      if (size_ == 0) return -1;
    }
    return bytes_[static_cast<std::size_t>(at - begin_)];
  }
  /// Big-endian; 0 behind the end.
  std::uint64_t number(std::uint64_t at, int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value = value << 8 | static_cast<std::uint64_t>(std::max(0, (*this)[at + static_cast<unsigned>(i)]));
    return value;
  }

 private:
  const PeekBytes& peek_;
  std::array<std::uint8_t, 512> bytes_{};
  std::uint64_t begin_ = 0;
  std::size_t size_ = 0;
};

void read_png(Window& bytes, PhotoHeader* header) {
  if (bytes[28] < 0 || bytes.number(12, 4) != 0x49484452) return;  // "IHDR"
  header->w = bytes.number(16, 4);
  header->h = bytes.number(20, 4);
  header->depth = bytes[24];
  header->palette = bytes[25] == 3;
  header->channels = bytes[25] == 0 || bytes[25] == 3 ? 1 : bytes[25] == 4 ? 2 : bytes[25] == 2 ? 3 : 4;
  header->interlaced = bytes[28] != 0;
}

/// The first frame header (SOF0 to SOF2, as stb_image reads) among the segments.
void read_jpeg(Window& bytes, const std::string& file, PhotoHeader* header) {
  constexpr int kMostSegments = 4096, kMostJunk = 1 << 20;
  int segments = 0, junk = 0;
  for (std::uint64_t at = 2; bytes[at + 1] >= 0;) {
    const int marker = bytes[at + 1];
    if (bytes[at] != 0xFF || marker == 0xFF || marker == 0x00) {
      ++at;
      ++junk;
    } else if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {  // no length
      at += 2;
      ++junk;
    } else if (marker == 0xD9) {  // the end
      return;
    } else if (marker >= 0xC0 && marker <= 0xC2) {
      if (bytes[at + 9] < 0) return;
      header->progressive = marker == 0xC2;
      header->h = bytes.number(at + 5, 2);
      header->w = bytes.number(at + 7, 2);
      header->channels = bytes[at + 9];
      return;
    } else {
      at += 2 + std::max<std::uint64_t>(2, bytes.number(at + 2, 2));
      ++segments;
    }
    if (segments > kMostSegments || junk > kMostJunk)
      throw Error(file + ": has " + std::to_string(segments) + " segments and " + std::to_string(junk) +
                  " bytes between them before its frame header, at most " + std::to_string(kMostSegments) + " and " +
                  std::to_string(kMostJunk) + " expected");
  }
}

/// Bytes that a PNG's data inflate to: each row and the byte of its filter, in seven passes where it is interlaced.
std::uint64_t inflated_bytes(const PhotoHeader& header) {
  const std::uint64_t bits = static_cast<std::uint64_t>(header.channels) * static_cast<std::uint64_t>(header.depth);
  const auto pass = [&](std::uint64_t w, std::uint64_t h) { return w == 0 ? 0 : ((w * bits + 7) / 8 + 1) * h; };
  if (!header.interlaced) return pass(header.w, header.h);
  constexpr std::uint64_t kPasses[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                           {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  std::uint64_t sum = 0;  // first column and row, and the steps between them
  for (const auto& [x, y, dx, dy] : kPasses) sum += pass((header.w + dx - 1 - x) / dx, (header.h + dy - 1 - y) / dy);
  return sum;
}

}  // namespace

std::uint64_t PhotoHeader::decode_bytes(std::uint64_t file_bytes) const {
  constexpr std::uint64_t kSlack = std::uint64_t{64} << 10;  // tables
  const std::uint64_t pixels = w * h;
  if (kind == Kind::png) {
    // stb_image gathers the compressed data in a block that doubles; so may the inflated bytes, once. Beside those lie
    // the pixels, twice while passes are put together; then conversions to RGBA, and the copy to RGB.
    const std::uint64_t wide = depth == 16 ? 2 : 1;
    const std::uint64_t filtered =
        2 * inflated_bytes(*this) + pixels * (4 * wide * (interlaced ? 2 : 1) + (palette ? 1 : 0));
    return kSlack + 2 * file_bytes + std::max(filtered, pixels * (wide == 2 ? 12 : 8));
  }
  if (kind == Kind::jpeg) {
    // Whole blocks of every channel, with the coefficients of all where it is progressive; then RGB and a copy of it.
    const auto padded = [](std::uint64_t side) { return (side + 31) / 32 * 32; };
    const std::uint64_t planes = padded(w) * padded(h) * static_cast<std::uint64_t>(channels) * (progressive ? 3 : 1);
    return kSlack + 4 * w + std::max(planes + 3 * pixels, 6 * pixels);
  }
  return kSlack;
}

PhotoHeader read_photo_header(const PeekBytes& peek, const std::string& file) {
  Window bytes(peek);
  PhotoHeader header;
  if (bytes.number(0, 8) == 0x89504E470D0A1A0A) {
    header.kind = PhotoHeader::Kind::png;
    read_png(bytes, &header);
  } else if (bytes.number(0, 3) == 0xFFD8FF) {
    header.kind = PhotoHeader::Kind::jpeg;
    read_jpeg(bytes, file, &header);
  }
  // Both fit 32 bits, so the product fits 64.
  if (header.w * header.h > kMaxPhotoPixels)
    throw Error(file + ": has " + std::to_string(header.w) + " x " + std::to_string(header.h) + " = " +
                std::to_string(header.w * header.h) + " pixels, the limit is " + std::to_string(kMaxPhotoPixels));
  return header;
}

PhotoHeader read_photo_header(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  return read_photo_header(
      [&](std::uint64_t offset, void* to, std::size_t size) {
        if (offset > bytes.size() || size > bytes.size() - offset) return false;
        std::memcpy(to, bytes.data() + offset, size);
        return true;
      },
      file);
}

}  // namespace tsugi
