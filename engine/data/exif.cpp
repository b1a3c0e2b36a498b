// EXIF blocks by libexif, and where they lie in PNG and WebP.
#include "engine/data/exif.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace tsugi {
namespace {

constexpr std::uint8_t kExifHead[] = {'E', 'x', 'i', 'f', 0, 0};
constexpr std::size_t kMostExif = 65535;  // what a JPEG segment holds; the tag comes early

std::size_t big_endian(const std::uint8_t* at) {
  return std::size_t{at[0]} << 24 | std::size_t{at[1]} << 16 | std::size_t{at[2]} << 8 | at[3];
}
std::size_t little_endian(const std::uint8_t* at) {
  return std::size_t{at[3]} << 24 | std::size_t{at[2]} << 16 | std::size_t{at[1]} << 8 | at[0];
}

}  // namespace

int exif_orientation(const std::uint8_t* exif, std::size_t bytes) {
  std::vector<std::uint8_t> block;  // libexif knows its block by the head that only JPEG has
  if (bytes < sizeof kExifHead || std::memcmp(exif, kExifHead, sizeof kExifHead) != 0)
    block.assign(kExifHead, kExifHead + sizeof kExifHead);
  block.insert(block.end(), exif, exif + std::min(bytes, kMostExif));
  const std::unique_ptr<ExifData, decltype(&exif_data_unref)> data(
      exif_data_new_from_data(block.data(), static_cast<unsigned>(block.size())), exif_data_unref);
  if (!data) return 1;
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->components < 1 || entry->size < 2) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

int png_orientation(const std::vector<std::uint8_t>& bytes) {
  for (std::size_t at = 8; at + 12 <= bytes.size();) {  // length, name, data, checksum
    const std::size_t length = big_endian(&bytes[at]);
    if (length > bytes.size() - at - 12) return 1;
    if (std::memcmp(&bytes[at + 4], "eXIf", 4) == 0) return exif_orientation(&bytes[at + 8], length);
    at += 12 + length;
  }
  return 1;
}

int webp_orientation(const std::vector<std::uint8_t>& bytes) {
  for (std::size_t at = 12; at + 8 <= bytes.size();) {  // name, length, data, padded to even
    const std::size_t length = little_endian(&bytes[at + 4]);
    if (length > bytes.size() - at - 8) return 1;
    if (std::memcmp(&bytes[at], "EXIF", 4) == 0) return exif_orientation(bytes.data() + at + 8, length);
    at += 8 + length + length % 2;
  }
  return 1;
}

}  // namespace tsugi
