// Decoding: every kind of PNG and JPEG, orientations, and files that are none.
#include "engine/data/decode.h"
#include "engine/data/crop.h"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/data/photo_formats.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::decode_image;
using tsugi::Image;

namespace {

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.h == b.h);
  REQUIRE(a.w == b.w);
  REQUIRE(a.rgb.size() == b.rgb.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

/// The picture as it is stored by a camera that writes `orientation`: so that turning it gives `upright` again.
/// Straight from the standard's table: which side of the upright picture the stored row 0 and column 0 are.
Image stored_as(const Image& upright, int orientation) {
  Image out;
  out.h = orientation >= 5 ? upright.w : upright.h;
  out.w = orientation >= 5 ? upright.h : upright.w;
  const int bottom = upright.h - 1, right = upright.w - 1;
  for (int row = 0; row < out.h; ++row) {
    for (int column = 0; column < out.w; ++column) {
      int y = 0, x = 0;
      switch (orientation) {
        case 1:
          y = row, x = column;
          break;  // top, left
        case 2:
          y = row, x = right - column;
          break;  // top, right
        case 3:
          y = bottom - row, x = right - column;
          break;  // bottom, right
        case 4:
          y = bottom - row, x = column;
          break;  // bottom, left
        case 5:
          y = column, x = row;
          break;  // left, top
        case 6:
          y = column, x = right - row;
          break;  // right, top
        case 7:
          y = bottom - column, x = right - row;
          break;  // right, bottom
        case 8:
          y = bottom - column, x = row;
          break;  // left, bottom
        default:
          FAIL("orientation");
      }
      const std::uint8_t* pixel = &upright.rgb[(static_cast<std::size_t>(y) * upright.w + x) * 3];
      out.rgb.insert(out.rgb.end(), pixel, pixel + 3);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("PNG decodes exactly: RGB, RGBA on white, 16 bits, grey") {
  const Image image = make_image(23, 31, 1);
  CHECK(decode_image(encode_png(image), "f").rgb == image.rgb);
  CHECK(decode_image(encode_png(image, 4, 255), "f").rgb == image.rgb);
  CHECK(decode_image(encode_png16(image), "f").rgb == image.rgb);
  const Image white = decode_image(encode_png(image, 4, 0), "f");
  CHECK(std::all_of(white.rgb.begin(), white.rgb.end(), [](int v) { return v == 255; }));
  const Image half = decode_image(encode_png(image, 4, 51), "f");  // 51 / 255 = 0.2
  for (std::size_t i = 0; i < half.rgb.size(); ++i) {
    CHECK(half.rgb[i] == static_cast<int>(std::floor(0.2 * image.rgb[i] + 0.8 * 255 + 0.5)));
  }
  for (const int channels : {1, 2}) {
    const Image grey = decode_image(encode_png(image, channels), "f");
    for (std::size_t i = 0; i < grey.rgb.size(); ++i) CHECK(grey.rgb[i] == image.rgb[i / 3 * 3]);
  }
}

TEST_CASE("JPEG decodes to the picture within its compression loss: RGB and grey") {
  const Image image = make_image(37, 50, 2);
  CHECK(largest_difference(decode_image(encode_jpeg(image), "f"), image) <= 16);
  const Image grey = decode_image(encode_jpeg(image, 1), "f");
  CHECK(grey.h == 37);
  for (std::size_t i = 0; i < grey.rgb.size(); i += 3) {
    CHECK(grey.rgb[i] == grey.rgb[i + 1]);
    CHECK(std::abs(grey.rgb[i] - image.rgb[i]) <= 16);
  }
}

TEST_CASE("every EXIF orientation in either byte order turns the photo upright") {
  const Image upright = make_image(24, 40, 3);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big_endian : {false, true}) {
      CAPTURE(orientation);
      const Bytes jpeg = with_orientation(encode_jpeg(stored_as(upright, orientation)), orientation, big_endian);
      CHECK(largest_difference(decode_image(jpeg, "f"), upright) <= 16);
    }
  }
  CHECK(largest_difference(decode_image(with_orientation(encode_jpeg(upright), 9, true), "f"), upright) <= 16);
}

TEST_CASE("a JPEG cut anywhere is refused by name") {
  const Bytes jpeg = with_orientation(encode_jpeg(make_image(32, 32, 4)), 6, true);
  for (std::size_t length = 0; length < jpeg.size(); ++length) {
    const Bytes cut(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(length));
    const std::string message = error_of([&] { decode_image(cut, "Ann/cut.jpg"); });
    CAPTURE(length);
    CHECK(message.find("Ann/cut.jpg: ") == 0);
  }
  Bytes with_tail = jpeg;
  with_tail.insert(with_tail.end(), 100, 0x55);
  CHECK(decode_image(with_tail, "f").h == 32);
}

TEST_CASE("a PNG cut anywhere in its pixels is refused by name") {
  const Bytes png = encode_png(make_image(32, 32, 4));
  for (std::size_t length = 0; length + 12 < png.size(); ++length) {  // the last 12 bytes are the empty end chunk
    const Bytes cut(png.begin(), png.begin() + static_cast<std::ptrdiff_t>(length));
    CAPTURE(length);
    CHECK(error_of([&] { decode_image(cut, "Ann/cut.png"); }).find("Ann/cut.png: ") == 0);
  }
}

TEST_CASE("a text file named .jpg is refused by name") {
  const std::string text = "this is no photo";
  const std::string message = error_of([&] { decode_image(Bytes(text.begin(), text.end()), "Ann/text.jpg"); });
  CHECK(message == "Ann/text.jpg: is no photo: neither " + tsugi::readable_formats(" nor "));
}

TEST_CASE("a 60,000 x 60,000 header is refused, with both values, before anything is allocated") {
  const std::vector<std::string> parts = {"Ann/huge", "60000 x 60000 = 3600000000 pixels", "250000000"};
  const Bytes png = png_header_only(60000, 60000);
  CHECK(holds_all(error_of([&] { decode_image(png, "Ann/huge.png"); }), parts));
  const Bytes jpeg = with_jpeg_size(encode_jpeg(make_image(16, 16, 1)), 60000, 60000);
  CHECK(holds_all(error_of([&] { decode_image(jpeg, "Ann/huge.jpg"); }), parts));
  for (const std::uint32_t side : {0u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    CHECK(error_of([&] { decode_image(png_header_only(side, 7), "f.png"); }).find("f.png: ") == 0);
  }
}

TEST_CASE("a JPEG whose Huffman table has more than 256 codes is refused") {
  Bytes jpeg = encode_jpeg(make_image(16, 16, 1));
  std::size_t at = 2;
  while (jpeg[at + 1] != 0xC4) at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]);
  jpeg[at + 4 + 1 + 15] = 255;  // codes of 16 bits in the first table
  jpeg[at + 4 + 1 + 14] = 2;
  CHECK(error_of([&] { decode_image(jpeg, "f.jpg"); }) ==
        "f.jpg: JPEG is damaged: a Huffman table has more than 256 codes");
}

namespace {

/// The JPEG decodes to the same, or is refused for the same, whatever the decoder's memory held before.
void expect_same_outcome(const Bytes& jpeg) {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // larger blocks, too, come from what was freed and not zeroed from the system
  std::vector<std::string> outcomes;
  for (const int filled : {0, 0x01, 0x10, 0x7F, 0xFE}) {
    mallopt(M_PERTURB, filled);  // each new block holds the complement of this byte
    std::string outcome = error_of([&] {
      const Image image = decode_image(jpeg, "f.jpg");
      outcomes.emplace_back(image.rgb.begin(), image.rgb.end());
    });
    if (!outcome.empty()) outcomes.push_back(outcome);
  }
  mallopt(M_PERTURB, 0);
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  CHECK(std::count(outcomes.begin(), outcomes.end(), outcomes[0]) == 5);
}

/// Where the first segment with this marker begins.
std::size_t segment(const Bytes& jpeg, std::uint8_t marker) {
  std::size_t at = 2;
  while (jpeg[at + 1] != marker) at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]);
  return at;
}

}  // namespace

TEST_CASE("a JPEG without Huffman tables gives the same whatever lay in memory before") {
  Bytes jpeg = encode_jpeg(make_image(64, 64, 1));
  const std::size_t scan = segment(jpeg, 0xDA);
  for (std::size_t at = 2; at < scan; at += 2 + (jpeg[at + 2] << 8 | jpeg[at + 3]))
    if (jpeg[at + 1] == 0xC4) jpeg[at + 1] = 0xFE;  // a comment
  expect_same_outcome(jpeg);
}

TEST_CASE("a JPEG whose samples never come gives the same whatever lay in memory before") {
  Bytes jpeg = encode_jpeg(make_image(512, 512, 1));
  const std::size_t scan = segment(jpeg, 0xDA);
  Bytes no_scan(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(scan));
  Bytes early = no_scan;  // the scan's data end behind its header, which stb_image takes where intervals restart
  const Bytes restarts = {0xFF, 0xDD, 0, 4, 0, 1};
  const std::size_t data = scan + 2 + (jpeg[scan + 2] << 8 | jpeg[scan + 3]);
  early.insert(early.end(), restarts.begin(), restarts.end());
  early.insert(early.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(scan),
               jpeg.begin() + static_cast<std::ptrdiff_t>(data + 200));
  for (Bytes* bytes : {&no_scan, &early}) {
    for (const std::uint8_t end : {0xFF, 0xD9}) bytes->push_back(end);
    expect_same_outcome(*bytes);
  }
}

TEST_CASE("damaged files end in an image or an error, never worse") {
  std::mt19937 random(20240);
  const Bytes originals[] = {with_orientation(encode_jpeg(make_image(24, 24, 5)), 3, false),
                             encode_png(make_image(24, 24, 5), 4, 100), encode_png16(make_image(9, 9, 5))};
  int decoded = 0, refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = originals[round % 3];
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      bytes[random() % std::min<std::size_t>(bytes.size(), 700)] = static_cast<std::uint8_t>(random());
    }
    try {
      const Image image = decode_image(bytes, "f");
      CHECK(image.rgb.size() == static_cast<std::size_t>(image.h) * image.w * 3);
      ++decoded;
    } catch (const tsugi::Error& error) {
      CHECK(std::string(error.what()).find("f: ") == 0);
      ++refused;
    }
  }
  CHECK(decoded > 0);
  CHECK(refused > 0);
}

TEST_CASE("crop and resize keeps a picture of its own size as it is, and takes the centre square") {
  const Image square = make_image(40, 40, 6);
  Image out{40, 40, Bytes(40 * 40 * 3)};
  tsugi::resize_square(square, tsugi::centre_square(square.h, square.w, 1.0), 40, out.rgb.data());
  CHECK(out.rgb == square.rgb);

  const Image wide = make_image(40, 60, 6);  // the centre 20 x 20 of it, from row 10 and column 20
  Image centre{20, 20, Bytes(20 * 20 * 3)};
  tsugi::resize_square(wide, tsugi::centre_square(wide.h, wide.w, 0.5), 20, centre.rgb.data());
  for (int y = 0; y < 20; ++y) {
    for (int e = 0; e < 60; ++e) CHECK(centre.rgb[y * 60 + e] == wide.rgb[((y + 10) * 60 + 20) * 3 + e]);
  }
}

TEST_CASE("reduction averages: a fine checkerboard becomes grey, and the mean brightness stays") {
  for (const int side : {100, 101, 250, 333}) {
    Image board{side, side, {}};
    for (int i = 0; i < side * side; ++i) board.rgb.insert(board.rgb.end(), 3, (i / side + i % side) % 2 ? 255 : 0);
    Image out{16, 16, Bytes(16 * 16 * 3)};
    tsugi::resize_square(board, tsugi::centre_square(board.h, board.w, 0.9), 16, out.rgb.data());
    // A triangle over t source pixels would leave less than 1 / t^2 of the finest alternation, 2 of 255 for t >= 2
    // * 5.6, and the smoother cubic leaves less. Where the filter meets the picture's edge it is cut: twice that.
    for (const int value : out.rgb) CHECK(std::abs(value - 127.5) <= 4.5);
  }
}

TEST_CASE("tiny and lopsided pictures can be prepared") {
  for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {1, 500}, {500, 1}, {2, 3}}) {
    const Image image = make_image(h, w, 7);
    Image out{72, 72, Bytes(72 * 72 * 3, 1)};
    tsugi::resize_square(image, tsugi::centre_square(image.h, image.w, 0.8), 72, out.rgb.data());
    // A cubic overshoots beside an edge: by its negative weights, at most an eighth of the range in each direction.
    const int darkest = *std::min_element(image.rgb.begin(), image.rgb.end());
    const int brightest = *std::max_element(image.rgb.begin(), image.rgb.end());
    const int over = (brightest - darkest) / 4 + (brightest - darkest) / 32 + 1;
    const int low = darkest - over, high = brightest + over;
    CHECK(*std::min_element(out.rgb.begin(), out.rgb.end()) >= low);
    CHECK(*std::max_element(out.rgb.begin(), out.rgb.end()) <= high);
  }
  std::uint8_t out[3];
  CHECK_THROWS_AS(tsugi::resize_square(Image{}, {0.0, 0.0, 1.0}, 1, out), tsugi::Error);
}
