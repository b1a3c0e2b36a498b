// Photos that ask for far more memory than they look like: what the data unpack to is bounded by the header, and what
// threads decode at once by a budget.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>

#include "engine/data/codecs/jpeg.h"
#include "engine/data/codecs/stb.h"
#include "engine/data/decode.h"
#include "engine/data/photo_header.h"
#include "engine/data/photo_store.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::decode_image;
using tsugi::DecodeBudget;
using tsugi::PhotoHeader;

namespace {

void append_big_endian(Bytes* bytes, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes->push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_chunk(Bytes* png, const char* type, const Bytes& data) {
  append_big_endian(png, data.size());
  png->insert(png->end(), type, type + 4);
  png->insert(png->end(), data.begin(), data.end());
  append_big_endian(png, 0);  // the checksum, which the decoder does not look at
}

/// A zlib stream of at least `size` zeros: one literal, then copies of 258 bytes from one byte back, 13 bits each.
/// Source: RFC 1951, 3.2.6 (fixed codes).
Bytes zeros_zlib(std::size_t size) {
  Bytes out = {0x78, 0x01};
  unsigned held = 0, bits = 0;
  const auto put = [&](unsigned code, int length) {  // Huffman codes come with their first bit first
    for (int i = length - 1; i >= 0; --i) {
      held |= (code >> i & 1u) << bits;
      if (++bits < 8) continue;
      out.push_back(static_cast<std::uint8_t>(held));
      held = bits = 0;
    }
  };
  put(0b110, 3);       // the last block (1), fixed codes (01, low bit first)
  put(0b00110000, 8);  // literal 0
  for (std::size_t done = 1; done < size; done += 258) put(0b11000101'00000, 13);
  put(0, 7);  // the end
  put(0, 7);
  append_big_endian(&out, 0);
  return out;
}

struct PngKind {
  std::uint8_t depth, color, interlaced;
};

/// A black PNG of w x h pixels whose data inflate to `inflated` zeros.
Bytes black_png(std::uint32_t w, std::uint32_t h, PngKind kind, std::size_t inflated) {
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, header;
  append_big_endian(&header, w);
  append_big_endian(&header, h);
  header.insert(header.end(), {kind.depth, kind.color, 0, 0, kind.interlaced});
  append_chunk(&png, "IHDR", header);
  if (kind.color == 3) append_chunk(&png, "PLTE", {0, 0, 0});
  append_chunk(&png, "IDAT", zeros_zlib(inflated));
  append_chunk(&png, "IEND", {});
  return png;
}

/// Every kind of PNG that there is.
std::vector<PngKind> png_kinds() {
  std::vector<PngKind> kinds;
  for (const std::uint8_t interlaced : {0, 1}) {
    for (const std::uint8_t depth : {1, 2, 4, 8, 16}) kinds.push_back({depth, 0, interlaced});
    for (const std::uint8_t depth : {1, 2, 4, 8}) kinds.push_back({depth, 3, interlaced});
    for (const std::uint8_t color : {2, 4, 6})
      for (const std::uint8_t depth : {8, 16}) kinds.push_back({depth, color, interlaced});
  }
  return kinds;
}

}  // namespace

TEST_CASE("a PNG whose data inflate to more than its header needs is refused, whatever its kind") {
  for (const PngKind& kind : png_kinds()) {
    CAPTURE(int{kind.depth});
    CAPTURE(int{kind.color});
    CAPTURE(int{kind.interlaced});
    const Bytes bomb = black_png(8, 8, kind, std::size_t{16} << 20);
    CHECK(holds_all(error_of([&] { decode_image(bomb, "Ann/bomb.png"); }),
                    {"Ann/bomb.png: unpacks to more than the 8 x 8 pixels"}));
  }
}

TEST_CASE(
    "the memory that a header promises is enough for every kind and size of PNG, and extra data at the end do no "
    "harm") {
  for (const PngKind& kind : png_kinds())
    for (const auto& [w, h] :
         {std::pair<std::uint32_t, std::uint32_t>{1, 1}, {3, 5}, {129, 2}, {2, 129}, {700, 500}, {1, 3000}}) {
      CAPTURE(int{kind.depth});
      CAPTURE(int{kind.color});
      CAPTURE(int{kind.interlaced});
      CAPTURE(w);
      const std::size_t channels = kind.color == 2 ? 3 : kind.color == 4 ? 2 : kind.color == 6 ? 4 : 1;
      const std::size_t rows = ((w * channels * kind.depth + 7) / 8 + 1) * h;
      const std::size_t extra = 64 + (kind.interlaced != 0 ? rows / 2 : 0);  // passes end in the middle of bytes
      const tsugi::Image image = decode_image(black_png(w, h, kind, rows + extra), "f.png");
      CHECK(image.w == static_cast<int>(w));
      CHECK(image.rgb.size() == std::size_t{w} * h * 3);
    }
}

TEST_CASE("a header's memory grows with its pixels and covers the decoded picture") {
  const auto of = [](const Bytes& bytes) { return tsugi::read_photo_header(bytes, "f"); };
  const PhotoHeader png = of(encode_png(make_image(100, 200, 1)));
  CHECK(png.kind == tsugi::PhotoKind::png);
  CHECK(png.w == 200);
  CHECK(png.h == 100);
  CHECK(tsugi::png_decode_bytes(png, 0) >= 100 * 200 * 7);
  const Bytes jpeg = with_orientation(encode_jpeg(make_image(100, 200, 1)), 6, true);
  const PhotoHeader frame = of(jpeg);
  CHECK(frame.kind == tsugi::PhotoKind::jpeg);
  CHECK(frame.w == 200);
  CHECK(frame.channels == 3);
  CHECK(tsugi::jpeg_decode_bytes(frame, 1) >= 100 * 200 * 6);
  CHECK(tsugi::jpeg_decode_bytes(of(with_jpeg_size(jpeg, 1000, 2000)), 1) > 50 * 100 * 200 * 6);
  CHECK(of(Bytes{1, 2, 3}).kind == tsugi::PhotoKind::other);
}

TEST_CASE("a JPEG that hides its frame header behind thousands of segments is refused") {
  Bytes jpeg = {0xFF, 0xD8};
  for (int i = 0; i < 5000; ++i) jpeg.insert(jpeg.end(), {0xFF, 0xFE, 0, 2});
  CHECK(holds_all(error_of([&] { decode_image(jpeg, "Ann/f.jpg"); }), {"Ann/f.jpg", "4097 segments", "4096"}));
}

TEST_CASE("a JPEG of more scans than any honest one is refused: each takes a pass over the picture") {
  const Bytes jpeg = encode_jpeg(make_image(16, 16, 1));
  std::size_t at = 2;
  while (jpeg[at + 1] != 0xDA) at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]);
  Bytes many(jpeg.begin(), jpeg.end() - 2);
  for (int i = 0; i < 300; ++i) many.insert(many.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(at), jpeg.end() - 2);
  many.insert(many.end(), {0xFF, 0xD9});
  CHECK(error_of([&] { decode_image(many, "f.jpg"); }) == "f.jpg: JPEG has 301 scans, at most 256 expected");
}

TEST_CASE("a photo that the whole budget does not fit is an error with both values, and the others are decoded") {
  const Bytes small = encode_png(make_image(20, 20, 1)), large = encode_png(make_image(300, 400, 1));
  std::vector<tsugi::Photo> photos = {photo_in_memory("Ann", "1.png", small), photo_in_memory("Ann", "2.png", large),
                                      photo_in_memory("Bob", "3.png", small)};
  tsugi::PhotoStoreOptions options;
  options.threads = 2;
  options.decode_bytes = 400000;
  const tsugi::PhotoStore store(photos, {0, 0, 1}, options);
  REQUIRE(store.broken().size() == 1);
  CHECK(store.broken()[0].file == "Ann/2.png");
  CHECK(holds_all(store.broken()[0].reason, {"needs", "400000"}));
  CHECK(store.size() == 2);
  photos.erase(photos.begin());
  photos.pop_back();
  options.any_broken = true;
  const tsugi::PhotoStore none(photos, {0}, options);
  CHECK(none.size() == 0);
  CHECK(none.broken().size() == 1);
}

TEST_CASE("threads never hold more than the budget together, and each gets its turn") {
  DecodeBudget budget(1000);
  std::atomic<int> held{0}, most{0}, done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const int bytes = t == 0 ? 1000 : 100 + 137 * ((i + t) % 5);
        const DecodeBudget::Lease lease(budget, static_cast<std::uint64_t>(bytes), "f");
        const int now = held += bytes;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
        held -= bytes;
        ++done;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 2000);
  CHECK(most <= 1000);
  CHECK(most == 1000);
  CHECK(budget.most() == 1000);
  CHECK(error_of([&] { DecodeBudget::Lease(budget, 1001, "Ann/1.png"); }).find("Ann/1.png: needs 1001 bytes") == 0);
}
