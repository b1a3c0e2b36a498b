// JPEG and PNG through stb_image, behind checks that it does not make: total size before decoding, truncation, and what
// the data unpack to, which it lets grow to gigabytes whatever the header says.
#include "engine/data/decode.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "engine/core/input_file.h"
#include "engine/data/crop.h"
#include "engine/data/jpeg_file.h"
#include "engine/data/photo_header.h"
#include "engine/data/photo_identity.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// How much more this thread's decoder may hold. The decoder asks through plain functions, so there is no other way to
/// them.
thread_local std::uint64_t decoder_left = 0;
thread_local bool decoder_over = false;
/// Memory ran out, which the decoder may report as a file of no known type: it tries one format after the other.
thread_local bool decoder_starved = false;

/// Before each block lies its size.
constexpr std::size_t kBlockHeader = alignof(std::max_align_t);

void* resize_block(void* block, std::size_t size) {
  char* old = block == nullptr ? nullptr : static_cast<char*>(block) - kBlockHeader;
  std::uint64_t held = 0;
  if (old != nullptr) std::memcpy(&held, old, sizeof held);
  if (size > decoder_left + held) {
    decoder_over = true;
    return nullptr;
  }
  // Zeroed: of damaged JPEGs stb_image 2.27 reads tables, and hands out samples, that the file never gave.
  auto* grown =
      static_cast<char*>(old == nullptr ? std::calloc(1, size + kBlockHeader) : std::realloc(old, size + kBlockHeader));
  if (grown == nullptr) {
    decoder_starved = true;
    return nullptr;
  }
  const std::uint64_t now = size;
  std::memcpy(grown, &now, sizeof now);
  decoder_left = decoder_left + held - now;
  return grown + kBlockHeader;
}

void free_block(void* block) {
  if (block == nullptr) return;
  std::uint64_t held = 0;
  std::memcpy(&held, static_cast<char*>(block) - kBlockHeader, sizeof held);
  decoder_left += held;
  std::free(static_cast<char*>(block) - kBlockHeader);
}

}  // namespace
}  // namespace tsugi

#define STBI_MALLOC(size) tsugi::resize_block(nullptr, size)
#define STBI_REALLOC(block, size) tsugi::resize_block(block, size)
#define STBI_FREE(block) tsugi::free_block(block)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace tsugi {
namespace {

/// Decodes to `channels` bytes a pixel, in the memory that the header gives reason for.
struct Decoded {
  std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> data;
  int w = 0, h = 0;
  std::size_t pixels() const { return static_cast<std::size_t>(w) * static_cast<std::size_t>(h); }
};
Decoded decode_checked(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                       int channels) {
  const int length = static_cast<int>(bytes.size());
  const std::uint64_t most = header.decode_bytes(bytes.size());
  int w = 0, h = 0, in_file = 0;
  decoder_left = most;
  decoder_over = decoder_starved = false;
  const bool has_header = stbi_info_from_memory(bytes.data(), length, &w, &h, &in_file) != 0;
  if (decoder_starved) throw std::bad_alloc();
  if (!has_header && !decoder_over) throw Error(file + ": header is broken: " + stbi_failure_reason());
  Decoded decoded{{stbi_load_from_memory(bytes.data(), length, &w, &h, &in_file, channels), stbi_image_free}, w, h};
  if (decoder_starved) throw std::bad_alloc();
  if (decoded.data && static_cast<std::uint64_t>(w) * static_cast<std::uint64_t>(h) == header.w * header.h)
    return decoded;
  if (decoded.data || decoder_over)
    throw Error(file + ": unpacks to more than the " + std::to_string(header.w) + " x " + std::to_string(header.h) +
                " pixels of its header need, " + std::to_string(most) + " bytes");
  throw Error(file + ": cannot be decoded: " + stbi_failure_reason());
}

/// RGBA to RGB on a white ground.
Image on_white(const Decoded& decoded) {
  Image image{decoded.h, decoded.w, std::vector<std::uint8_t>(3 * decoded.pixels())};
  const stbi_uc* from = decoded.data.get();
  std::uint8_t* to = image.rgb.data();
  for (std::size_t i = 0; i < decoded.pixels(); ++i) {
    const unsigned alpha = from[4 * i + 3];
    for (int c = 0; c < 3; ++c)
      to[3 * i + c] = static_cast<std::uint8_t>((from[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return image;
}

/// Turns the image as EXIF orientation 2 to 8 says: row 0 and column 0 of the file are which sides of the picture?
Image orient(const Image& in, int orientation) {
  const bool transposed = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image out;
  out.h = transposed ? in.w : in.h;
  out.w = transposed ? in.h : in.w;
  out.rgb.resize(in.rgb.size());
  for (int y = 0; y < out.h; ++y) {
    for (int x = 0; x < out.w; ++x) {
      const int turned_y = flip_y ? out.h - 1 - y : y, turned_x = flip_x ? out.w - 1 - x : x;
      const std::size_t row = transposed ? turned_x : turned_y, column = transposed ? turned_y : turned_x;
      std::memcpy(&out.rgb[(static_cast<std::size_t>(y) * out.w + x) * 3], &in.rgb[(row * in.w + column) * 3], 3);
    }
  }
  return out;
}

Image decode_png(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header) {
  constexpr std::size_t kHeaderEnd = 24;
  if (bytes.size() < kHeaderEnd) throw Error(file + ": PNG is truncated in its header");
  return on_white(decode_checked(bytes, file, header, 4));
}

Image decode_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header) {
  const JpegFile layout = read_jpeg_file(bytes);
  if (!layout.tables_fit) throw Error(file + ": JPEG is damaged: a Huffman table has more than 256 codes");
  constexpr int kMostScans = 256;
  if (layout.scans > kMostScans)
    throw Error(file + ": JPEG has " + std::to_string(layout.scans) + " scans, at most " + std::to_string(kMostScans) +
                " expected");
  if (!layout.complete) throw Error(file + ": JPEG is truncated: its end is missing");
  Image image;
  {
    const Decoded decoded = decode_checked(bytes, file, header, 3);
    image = {decoded.h, decoded.w, {decoded.data.get(), decoded.data.get() + 3 * decoded.pixels()}};
  }
  if (layout.exif_bytes == 0) return image;
  const int orientation = exif_orientation(bytes.data() + layout.exif, layout.exif_bytes);
  return orientation == 1 ? image : orient(image, orientation);
}

void check_bytes(std::uint64_t bytes, const std::string& file) {
  if (bytes == 0) throw Error(file + ": is empty");
  if (bytes > kMaxPhotoBytes)
    throw Error(file + ": has " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(kMaxPhotoBytes));
}

}  // namespace

Image decode_image(const std::vector<std::uint8_t>& bytes, const std::string& file) {
  check_bytes(bytes.size(), file);
  const PhotoHeader header = read_photo_header(bytes, file);
  if (header.kind == PhotoHeader::Kind::other) throw Error(file + ": is neither a JPEG nor a PNG file");
  return header.kind == PhotoHeader::Kind::png ? decode_png(bytes, file, header) : decode_jpeg(bytes, file, header);
}

PreparedPhoto prepare_photo(const Photo& photo, const Preprocessing& preprocessing, std::uint8_t* to,
                            DecodeBudget& budget, FileLog* files) {
  const auto prepare = [&](const std::vector<std::uint8_t>& bytes) {
    const Image image = decode_image(bytes, photo.file);
    const PhotoSquare crop = square_of(photo, image, preprocessing);
    if (crop.square) resize_square(image, *crop.square, preprocessing.stored_size, to);
    return PreparedPhoto{identify(bytes, image), crop.faceless};
  };
  const auto needed = [&](const PhotoHeader& header, std::uint64_t file_bytes) {
    return std::max(header.decode_bytes(file_bytes),
                    3 * header.w * header.h + crop_bytes(photo, header.h, header.w, preprocessing));
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
