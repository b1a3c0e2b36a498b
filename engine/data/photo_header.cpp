// Looks at a photo's header through a small window, wherever the photo lies.
#include "engine/data/photo_header.h"

#include <algorithm>
#include <cstring>

#include "engine/data/heif_header.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

void read_png(ByteWindow& bytes, PhotoHeader* header) {
  if (bytes[28] < 0 || bytes.number(12, 4) != tag("IHDR")) return;
  header->w = bytes.number(16, 4);
  header->h = bytes.number(20, 4);
  header->depth = bytes[24];
  header->palette = bytes[25] == 3;
  header->channels = bytes[25] == 0 || bytes[25] == 3 ? 1 : bytes[25] == 4 ? 2 : bytes[25] == 2 ? 3 : 4;
  header->interlaced = bytes[28] != 0;
}

/// at: of a frame header's marker.
void read_frame(ByteWindow& bytes, std::uint64_t at, PhotoHeader* header) {
  const int frame = bytes[at + 1] & 15;
  header->whole_first = frame == 2 || frame == 10;  // progressive
  header->coding = frame == 9 || frame == 10   ? "arithmetic-coded"
                   : frame == 3 || frame == 11 ? "lossless"
                   : frame > 2                 ? "hierarchical"
                                               : "";
  header->h = bytes.number(at + 5, 2);
  header->w = bytes.number(at + 7, 2);
  header->channels = bytes[at + 9];
  // Every channel has h x v blocks of 8 x 8 samples in a unit of the picture, which is as large as the most of them.
  std::uint64_t sum = 0, most_h = 1, most_v = 1;
  for (unsigned c = 0; c < static_cast<unsigned>(header->channels); ++c) {
    const std::uint64_t both = bytes.number(at + 11 + 3 * c, 1), h = both >> 4, v = both & 15;
    sum += h * v;
    most_h = std::max(most_h, h);
    most_v = std::max(most_v, v);
  }
  const auto units = [](std::uint64_t side, std::uint64_t most) { return (side + 8 * most - 1) / (8 * most); };
  header->samples = units(header->w, most_h) * units(header->h, most_v) * 64 * sum;
}

/// The first frame header among the segments, and how many channels the first scan behind it has.
void read_jpeg(ByteWindow& bytes, const std::string& file, PhotoHeader* header) {
  constexpr int kMostSegments = 4096, kMostJunk = 1 << 20;
  int segments = 0, junk = 0;
  bool framed = false;
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
    } else if (framed && marker == 0xDA) {
      header->whole_first = header->whole_first || bytes[at + 4] < header->channels;
      return;
    } else {
      const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
      if (frame && !framed) {
        if (bytes[at + 9] < 0) return;
        framed = true;
        read_frame(bytes, at, header);
      }
      at += 2 + std::max<std::uint64_t>(2, bytes.number(at + 2, 2));
      ++segments;
    }
    if (segments > kMostSegments || junk > kMostJunk)
      throw Error(file + ": has " + std::to_string(segments) + " segments and " + std::to_string(junk) +
                  " bytes between them before its picture, at most " + std::to_string(kMostSegments) + " and " +
                  std::to_string(kMostJunk) + " expected");
  }
}

void read_webp(ByteWindow& bytes, PhotoHeader* header) {
  if (bytes[29] < 0) return;
  const std::uint64_t chunk = bytes.number(12, 4);
  if (chunk == tag("VP8X")) {
    header->w = bytes.little_endian(24, 3) + 1;
    header->h = bytes.little_endian(27, 3) + 1;
  } else if (chunk == tag("VP8 ")) {
    header->w = bytes.little_endian(26, 2) & 0x3FFF;
    header->h = bytes.little_endian(28, 2) & 0x3FFF;
  } else if (chunk == tag("VP8L")) {
    const std::uint64_t sides = bytes.little_endian(21, 4);
    header->w = (sides & 0x3FFF) + 1;
    header->h = (sides >> 14 & 0x3FFF) + 1;
  }
}

PhotoKind kind_of(ByteWindow& bytes) {
  const std::uint64_t first = bytes.number(0, 4), second = bytes.number(4, 4);
  if (first >> 8 == 0xFFD8FF) return PhotoKind::jpeg;
  if (first == 0x89504E47 && second == 0x0D0A1A0A) return PhotoKind::png;
  if (first == tag("RIFF") && bytes.number(8, 4) == tag("WEBP")) return PhotoKind::webp;
  if (first >> 16 == 0xFF0A || (second == tag("JXL ") && first == 12)) return PhotoKind::jpeg_xl;
  if (first == 0xFF4FFF51 || (second == tag("jP  ") && first == 12)) return PhotoKind::jpeg_2000;
  if (first == 0x49492A00 || first == 0x4D4D002A || first == 0x49492B00 || first == 0x4D4D002B) return PhotoKind::tiff;
  if (first == tag("GIF8")) return PhotoKind::gif;
  // "BM" and the size of the header behind it, since two letters alone begin many a text.
  if (first >> 16 == 0x424D && bytes.little_endian(14, 4) >= 12 && bytes.little_endian(14, 4) <= 124)
    return PhotoKind::bmp;
  return second == tag("ftyp") ? heif_kind(bytes) : PhotoKind::other;
}

}  // namespace

PhotoHeader read_photo_header(const PeekBytes& peek, const std::string& file) {
  ByteWindow bytes(peek);
  PhotoHeader header;
  header.kind = kind_of(bytes);
  if (header.kind == PhotoKind::png) read_png(bytes, &header);
  if (header.kind == PhotoKind::jpeg) read_jpeg(bytes, file, &header);
  if (header.kind == PhotoKind::webp) read_webp(bytes, &header);
  if (header.kind == PhotoKind::heic || header.kind == PhotoKind::avif) read_heif(bytes, file, &header);
  // Both fit 32 bits, so the product fits 64.
  if (header.w * header.h > kMaxPhotoPixels)
    throw Error(file + ": has " + std::to_string(header.w) + " x " + std::to_string(header.h) + " = " +
                std::to_string(header.w * header.h) + " pixels, the limit is " + std::to_string(kMaxPhotoPixels));
  if (header.coded > kMaxPhotoPixels)
    throw Error(file + ": holds a picture of " + std::to_string(header.coded) + " pixels, the limit is " +
                std::to_string(kMaxPhotoPixels));
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
