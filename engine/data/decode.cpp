// The way from a header to pixels: which decoder, how much of the picture, how much memory.
#include "engine/data/decode.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/core/input_file.h"
#include "engine/data/codecs/heif.h"
#include "engine/data/codecs/jpeg.h"
#include "engine/data/codecs/stb.h"
#include "engine/data/codecs/webp.h"
#include "engine/data/crop.h"
#include "engine/data/exif.h"
#include "engine/data/jpeg_file.h"
#include "engine/data/photo_formats.h"
#include "engine/data/photo_header.h"
#include "engine/data/photo_identity.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

Image decode_png(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header) {
  constexpr std::size_t kHeaderEnd = 24;
  if (bytes.size() < kHeaderEnd) throw Error(file + ": PNG is truncated in its header");
  const auto rgb = [&] {
    const StbPixels decoded = decode_stb(bytes, file, header, 4, png_decode_bytes(header, bytes.size()));
    return on_white(decoded.data.get(), decoded.h, decoded.w, std::size_t{4} * decoded.w);
  };
  return turned(rgb(), png_orientation(bytes));
}

Image decode_checked_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                          std::uint64_t enough) {
  const JpegFile layout = read_jpeg_file(bytes);
  if (!layout.tables_fit) throw Error(file + ": JPEG is damaged: a Huffman table has more than 256 codes");
  constexpr int kMostScans = 256;
  if (layout.scans > kMostScans)
    throw Error(file + ": JPEG has " + std::to_string(layout.scans) + " scans, at most " + std::to_string(kMostScans) +
                " expected");
  if (!layout.complete) throw Error(file + ": JPEG is truncated: its end is missing");
  Image image = decode_jpeg(bytes, file, header, jpeg_reduction(header, enough));
  if (layout.exif_bytes == 0) return image;
  return turned(std::move(image), exif_orientation(bytes.data() + layout.exif, layout.exif_bytes));
}

void check_bytes(std::uint64_t bytes, const std::string& file) {
  if (bytes == 0) throw Error(file + ": is empty");
  if (bytes > kMaxPhotoBytes)
    throw Error(file + ": has " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(kMaxPhotoBytes));
}

void check_kind(const PhotoHeader& header, const std::string& file) {
  const std::string why = why_unreadable(header.kind);
  if (!why.empty()) throw Error(file + ": " + why);
}

/// The most that decoding holds at once, the encoded bytes left out.
std::uint64_t decode_bytes(const PhotoHeader& header, std::uint64_t file_bytes, int reduction) {
  switch (header.kind) {
    case PhotoKind::png:
      return png_decode_bytes(header, file_bytes);
    case PhotoKind::jpeg:
      return jpeg_decode_bytes(header, reduction);
    case PhotoKind::webp:
      return webp_decode_bytes(header);
    default:
      return heif_decode_bytes(header);
  }
}

}  // namespace

Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file, std::uint64_t enough) {
  check_bytes(bytes.size(), file);
  const PhotoHeader header = read_photo_header(bytes, file);
  check_kind(header, file);
  switch (header.kind) {
    case PhotoKind::png:
      return decode_png(bytes, file, header);
    case PhotoKind::jpeg:
      return decode_checked_jpeg(bytes, file, header, enough);
    case PhotoKind::webp:
      return turned(decode_webp(bytes, file, header), webp_orientation(bytes));
    default:
      return decode_heif(bytes, file, header);
  }
}

std::uint64_t enough_pixels(const Preprocessing& preprocessing) {
  constexpr std::uint64_t kSmall = 256;
  return std::max(kSmall, static_cast<std::uint64_t>(std::ceil(2.0 * preprocessing.stored_size / preprocessing.crop)));
}

PreparedPhoto prepare_photo(const Photo& photo, const Preprocessing& preprocessing, std::uint8_t* to,
                            DecodeBudget& budget, FileLog* files) {
  // A face may be a small part of the photo, and its box is in the photo's own pixels.
  const bool whole = photo.face || preprocessing.around != CropAround::centre;
  const std::uint64_t enough = whole ? 0 : enough_pixels(preprocessing);
  const auto prepare = [&](const std::vector<std::uint8_t>& bytes) {
    const Image image = decode_image(bytes, photo.file, enough);
    const PhotoSquare crop = square_of(photo, image, preprocessing);
    if (crop.square) resize_square(image, *crop.square, preprocessing.stored_size, to);
    return PreparedPhoto{identify(bytes, image), crop.faceless};
  };
  const auto needed = [&](const PhotoHeader& header, std::uint64_t file_bytes) {
    check_kind(header, photo.file);
    const int reduction = header.kind == PhotoKind::jpeg ? jpeg_reduction(header, enough) : 1;
    const auto by = static_cast<std::uint64_t>(reduction);
    const std::uint64_t w = (header.w + by - 1) / by, h = (header.h + by - 1) / by;
    return std::max(decode_bytes(header, file_bytes, reduction), 3 * w * h + crop_bytes(photo, h, w, preprocessing));
  };
  if (photo.bytes) {
    const DecodeBudget::Lease lease(budget, needed(read_photo_header(*photo.bytes, photo.file), photo.bytes->size()),
                                    photo.file);
    return prepare(*photo.bytes);
  }
  InputFile file(photo.path, {"photo", files}, photo.file);
  check_bytes(file.size(), photo.file);
  const PhotoHeader header = read_photo_header(
      [&](std::uint64_t offset, void* bytes, std::size_t size) { return file.peek(offset, bytes, size); }, photo.file);
  const DecodeBudget::Lease lease(budget, file.size() + needed(header, file.size()), photo.file);
  return prepare(file.read_all(kMaxPhotoBytes));
}

}  // namespace tsugi
