// Walks over the segments of a JPEG file.
#include "engine/data/jpeg_file.h"

#include <cstring>

namespace tsugi {
namespace {

constexpr std::uint8_t kEndOfImage = 0xD9, kStartOfScan = 0xDA, kHuffmanTables = 0xC4, kApp1 = 0xE1;

/// Markers without a length: TEM and RST0 to RST7.
bool stands_alone(std::uint8_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8); }

/// The first marker at or after `at` that ends entropy-coded data: 0xFF followed by neither 0x00, RSTn nor fill.
std::size_t skip_scan(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  while (at + 1 < bytes.size()) {
    const void* found = std::memchr(bytes.data() + at, 0xFF, bytes.size() - 1 - at);
    if (!found) break;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes.data());
    const std::uint8_t next = bytes[at + 1];
    if (next != 0x00 && next != 0xFF && !stands_alone(next)) return at;
    at += next == 0xFF ? 1 : 2;
  }
  return bytes.size();
}

/// Whether every table of the segment whose data begins at `at` has at most 256 codes. A decoder reads zeros beyond the
/// end of the file, and so does this.
bool huffman_tables_fit(const std::vector<std::uint8_t>& bytes, std::size_t at, std::size_t data_bytes) {
  const std::size_t end = at + data_bytes;
  while (at < end) {
    std::size_t codes = 0;
    for (std::size_t i = at + 1; i <= at + 16; ++i) codes += i < bytes.size() ? bytes[i] : 0;
    if (codes > 256) return false;
    at += 17 + codes;
  }
  return true;
}

}  // namespace

JpegFile read_jpeg_file(const std::vector<std::uint8_t>& bytes) {
  JpegFile file;
  std::size_t at = 2;  // behind the start-of-image marker
  while (at + 1 < bytes.size()) {
    if (bytes[at] != 0xFF) {  // not a marker: look for the next one, as decoders do
      at = skip_scan(bytes, at);
      continue;
    }
    const std::uint8_t marker = bytes[at + 1];
    if (marker == kEndOfImage) {
      file.complete = true;
      return file;
    }
    if (marker == 0xFF || marker == 0x00 || stands_alone(marker)) {
      at += marker == 0xFF ? 1 : 2;
      continue;
    }
    if (at + 4 > bytes.size()) break;
    const std::size_t length = static_cast<std::size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
    const std::size_t data = at + 4;
    if (length < 2) break;
    if (marker == kHuffmanTables && !huffman_tables_fit(bytes, data, length - 2)) file.tables_fit = false;
    if (at + 2 + length > bytes.size()) break;
    if (marker == kApp1 && file.exif_bytes == 0 && length >= 8 && std::memcmp(&bytes[data], "Exif\0\0", 6) == 0) {
      file.exif = data;
      file.exif_bytes = length - 2;
    }
    at += 2 + length;
    if (marker == kStartOfScan) {
      ++file.scans;
      at = skip_scan(bytes, at);
    }
  }
  return file;
}

}  // namespace tsugi
