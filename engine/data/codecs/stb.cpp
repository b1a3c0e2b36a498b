// stb_image with an allocator that keeps to a limit.
#include "engine/data/codecs/stb.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

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

void free_pixels(std::uint8_t* pixels) { stbi_image_free(pixels); }

}  // namespace

StbPixels decode_stb(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                     int channels, std::uint64_t most) {
  const int length = static_cast<int>(bytes.size());
  int w = 0, h = 0, in_file = 0;
  decoder_left = most;
  decoder_over = decoder_starved = false;
  const bool has_header = stbi_info_from_memory(bytes.data(), length, &w, &h, &in_file) != 0;
  if (decoder_starved) throw std::bad_alloc();
  if (!has_header && !decoder_over) throw Error(file + ": header is broken: " + stbi_failure_reason());
  StbPixels decoded{{stbi_load_from_memory(bytes.data(), length, &w, &h, &in_file, channels), free_pixels}, w, h};
  if (decoder_starved) throw std::bad_alloc();
  if (decoded.data && static_cast<std::uint64_t>(w) * static_cast<std::uint64_t>(h) == header.w * header.h)
    return decoded;
  if (decoded.data || decoder_over)
    throw Error(file + ": unpacks to more than the " + std::to_string(header.w) + " x " + std::to_string(header.h) +
                " pixels of its header need, " + std::to_string(most) + " bytes");
  throw Error(file + ": cannot be decoded: " + stbi_failure_reason());
}

std::uint64_t png_decode_bytes(const PhotoHeader& header, std::uint64_t file_bytes) {
  constexpr std::uint64_t kTables = std::uint64_t{64} << 10;
  // stb_image gathers the compressed data in a block that doubles; so may the inflated bytes, once. Beside those lie
  // the pixels, twice while passes are put together; then conversions to RGBA, and the copy to RGB.
  const std::uint64_t pixels = header.w * header.h, wide = header.depth == 16 ? 2 : 1;
  const std::uint64_t filtered =
      2 * inflated_bytes(header) + pixels * (4 * wide * (header.interlaced ? 2 : 1) + (header.palette ? 1 : 0));
  return kTables + 2 * file_bytes + std::max(filtered, pixels * (wide == 2 ? 12 : 8));
}

Codec stb_codec() { return {"stb_image", ""}; }

}  // namespace tsugi
