// Photos of every format: found by content, decoded where this build can, otherwise named, with what to do.
#include "engine/data/photo_formats.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "engine/data/codecs/jpeg.h"
#include "engine/data/crop.h"
#include "engine/data/decode.h"
#include "engine/data/photo_header.h"
#include "engine/data/photo_store.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::decode_image;
using tsugi::Image;
using tsugi::PhotoKind;

namespace {

bool reads(PhotoKind kind) { return tsugi::why_unreadable(kind).empty(); }

/// Of two pictures of one size, over all values.
double mean_difference(const Image& a, const Image& b) {
  REQUIRE(a.h == b.h);
  REQUIRE(a.w == b.w);
  double sum = 0.0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

const Image& drawn_photo() {  // as tests/data/make_photo_files.py draws it
  static const Image image = make_image(48, 64, 1);
  return image;
}

struct Sample {
  const char* file;
  PhotoKind kind;
  double most;  ///< mean difference to the drawn picture; 0 = it is kept without loss
};
constexpr Sample kSamples[] = {{"plain.heic", PhotoKind::heic, 3.0},  {"turned.heic", PhotoKind::heic, 3.0},
                               {"deep.heic", PhotoKind::heic, 3.0},   {"plain.avif", PhotoKind::avif, 3.0},
                               {"lossy.webp", PhotoKind::webp, 3.0},  {"lossless.webp", PhotoKind::webp, 0.0},
                               {"turned.webp", PhotoKind::webp, 0.0}, {"progressive.jpg", PhotoKind::jpeg, 3.0}};

std::size_t find(const Bytes& bytes, const std::string& text) {
  const Bytes wanted(text.begin(), text.end());
  const auto at = std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
  REQUIRE(at != bytes.end());
  return static_cast<std::size_t>(at - bytes.begin());
}

}  // namespace

TEST_CASE("photos of every format show the picture that was drawn, upright, or say which package is missing") {
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.file);
    const Bytes bytes = sample_photo(sample.file);
    CHECK(tsugi::read_photo_header(bytes, "f").kind == sample.kind);
    if (!reads(sample.kind)) {
      CHECK(holds_all(error_of([&] { decode_image(bytes, "Ann/1.jpg"); }),
                      {"Ann/1.jpg: is ", "does not read", "install"}));
      continue;
    }
    const Image image = decode_image(bytes, "f");
    CHECK(mean_difference(image, drawn_photo()) <= sample.most);
  }
}

TEST_CASE("transparent pixels of WebP and HEIC lie on white") {
  for (const Sample& sample :
       {Sample{"transparent.webp", PhotoKind::webp, 0.5}, Sample{"transparent.heic", PhotoKind::heic, 1.0}}) {
    if (!reads(sample.kind)) continue;
    CAPTURE(sample.file);
    Image expected = drawn_photo();  // alpha is 51 of 255
    for (std::uint8_t& value : expected.rgb) value = static_cast<std::uint8_t>(0.2 * value + 0.8 * 255 + 0.5);
    CHECK(mean_difference(decode_image(sample_photo(sample.file), "f"), expected) <= sample.most);
  }
}

TEST_CASE("HEIC is turned by its own boxes, all eight ways, and not once more by its EXIF block") {
  if (!reads(PhotoKind::heic)) return;
  const Bytes transposed = sample_photo("turned.heic");
  const std::size_t turn = find(transposed, "irot"), mirror = find(transposed, "imir");
  const std::uint8_t left_right = transposed[mirror + 4];  // what makes a turn by 270 degrees a transposition
  // Both boxes have 9 bytes: the second can be another turn, by nothing.
  const auto with = [&](int quarters, bool mirrored, std::uint8_t second) {
    Bytes bytes = transposed;
    bytes[turn + 4] = static_cast<std::uint8_t>(quarters);
    if (!mirrored) std::memcpy(&bytes[mirror], "irot", 4);
    bytes[mirror + 4] = second;
    return decode_image(bytes, "f");
  };
  const Image stored = with(0, false, 0);
  CHECK(stored.h == drawn_photo().w);
  CHECK(mean_difference(turned(stored, 5), drawn_photo()) <= 3.0);
  const int turns[] = {1, 8, 3, 6};  // by quarters against the clock, as EXIF's orientation
  for (int quarters = 0; quarters < 4; ++quarters) {
    CAPTURE(quarters);
    const Image plain = turned(stored, turns[quarters]);
    CHECK(with(quarters, false, 0).rgb == plain.rgb);
    CHECK(with(quarters, true, left_right).rgb == turned(plain, 2).rgb);
    CHECK(with(quarters, true, left_right ^ 1).rgb == turned(plain, 4).rgb);
  }
}

TEST_CASE("every EXIF orientation turns PNG and WebP upright, wherever the block stands") {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Bytes plain = encode_png(drawn_photo());
    for (const bool behind : {false, true})
      CHECK(decode_image(with_png_orientation(plain, orientation, behind), "f").rgb ==
            turned(drawn_photo(), orientation).rgb);
    if (!reads(PhotoKind::webp)) continue;
    Bytes webp = sample_photo("turned.webp");
    const std::size_t value = find(webp, "EXIF") + 8;
    const std::size_t exif = webp[value] == 'E' ? value + 6 : value;  // some write JPEG's head, too
    const std::size_t low = exif + (webp[exif] == 'I' ? 18 : 19);     // of the tag's value, in either byte order
    REQUIRE(webp[low] == 5);
    webp[low] = static_cast<std::uint8_t>(orientation);
    CHECK(decode_image(webp, "f").rgb == turned(turned(drawn_photo(), 5), orientation).rgb);
  }
}

TEST_CASE("kinds of photos that are not read are named, with the way out, whatever the file is called") {
  const auto of = [](const std::string& head) {
    Bytes bytes(head.begin(), head.end());
    bytes.resize(64, 0);
    return error_of([&] { decode_image(bytes, "Ann/1.jpg"); });
  };
  const std::string zero(1, '\0');
  CHECK(holds_all(of("\xFF\x0A"), {"Ann/1.jpg: is JPEG XL", "convert it to JPEG or PNG"}));
  CHECK(holds_all(of(zero + zero + zero + "\x0CJXL \r\n\x87\n"), {"JPEG XL"}));
  CHECK(holds_all(of("\xFF\x4F\xFF\x51"), {"JPEG 2000"}));
  CHECK(holds_all(of("II*" + zero), {"TIFF"}));
  CHECK(holds_all(of("MM" + zero + "*"), {"TIFF"}));
  CHECK(holds_all(of("GIF89a"), {"GIF"}));
  CHECK(holds_all(of("BM" + std::string(12, '\0') + "\x28"), {"BMP"}));
  CHECK(holds_all(of("BMW is a car, and this is a text"), {"is no photo", "JPEG", "nor"}));
  CHECK(holds_all(of(zero + zero + zero + "\x18" + "ftypisom" + std::string(4, '\0') + "isommp42"), {"is no photo"}));
  if (reads(PhotoKind::webp))
    CHECK(holds_all(error_of([] { decode_image(sample_photo("animated.webp"), "f.webp"); }),
                    {"f.webp", "animated WebP"}));
}

TEST_CASE("photos are named as they are, in any case, and a message lists what this build reads") {
  for (const char* name : {"a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.png", "a.WebP", "a.HEIC", "a.heif", "a.hif",
                           "a.avif", "a.tif", "a.TIFF", "a.jxl", "a.bmp", "a.dng", "dir.d/a.b.jpg"})
    CHECK(tsugi::is_photo_name(name));
  for (const char* name : {"a", "a.txt", "a.gif", "jpg", "dir.jpg/a", "a.jpg~"})
    CHECK_FALSE(tsugi::is_photo_name(name));
  CHECK(holds_all(tsugi::readable_endings(), {"*.jpg, ", "*.jfif, ", "*.png"}));
  CHECK(tsugi::readable_endings().find(".jxl") == std::string::npos);
  CHECK((tsugi::readable_endings().find(".heic") != std::string::npos) == reads(PhotoKind::heic));
  CHECK(holds_all(tsugi::readable_formats(" or "), {"JPEG", " or "}));
}

TEST_CASE("a photo that cannot be read is a broken photo with its reason, in a store of others") {
  std::vector<tsugi::Photo> photos;
  for (int i = 0; i < 3; ++i)
    photos.push_back(photo_in_memory("Ann", std::to_string(i), encode_png(make_image(20, 20, i))));
  photos.push_back(photo_in_memory("Ann", "x.jpg", {0xFF, 0x0A, 0, 0, 0, 0, 0, 0}));
  const tsugi::PhotoStore store(photos, {0, 0, 0, 0}, tsugi::PhotoStoreOptions());
  REQUIRE(store.broken().size() == 1);
  CHECK(store.broken()[0].reason == "is JPEG XL, which tsugi does not read: convert it to JPEG or PNG");
}

TEST_CASE("a CMYK JPEG shows its colours, and an arithmetic-coded one, or is named as such") {
  CHECK(mean_difference(decode_image(sample_photo("cmyk.jpg"), "f"), drawn_photo()) <= 3.0);
  const Bytes arithmetic = sample_photo("arithmetic.jpg");
  CHECK(std::string(tsugi::read_photo_header(arithmetic, "f").coding) == "arithmetic-coded");
  Image image;
  const std::string error = error_of([&] { image = decode_image(arithmetic, "f.jpg"); });
  if (error.empty())
    CHECK(mean_difference(image, drawn_photo()) <= 3.0);
  else
    CHECK(holds_all(error, {"f.jpg: ", "arithmetic-coded", "JPEG", "libjpeg"}));
  Bytes lossless = encode_jpeg(drawn_photo());
  lossless[find(lossless, "\xFF\xC0") + 1] = 0xC3;
  CHECK(holds_all(error_of([&] { decode_image(lossless, "f.jpg"); }), {"f.jpg: ", "lossless", "JPEG"}));
}

TEST_CASE("damaged and cut HEIC, AVIF and WebP are refused by name") {
  for (const Sample& sample : kSamples) {
    if (sample.kind == PhotoKind::jpeg || !reads(sample.kind)) continue;
    CAPTURE(sample.file);
    const Bytes whole = sample_photo(sample.file);
    for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16) {
      CAPTURE(length);
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      const std::string error = error_of([&] { decode_image(cut, "Ann/cut"); });
      CHECK(error.find("Ann/cut: ") == 0);
    }
  }
}

TEST_CASE("the size of HEIC is read from its codec's own headers, too") {
  for (const char* file : {"plain.heic", "deep.heic", "turned.heic"}) {
    CAPTURE(file);
    const tsugi::PhotoHeader header = tsugi::read_photo_header(sample_photo(file), "f");
    CHECK(header.w == 64);
    CHECK(header.h >= 48);  // 64 where the encoder fills up blocks, and a box cuts them off
    CHECK(header.coded >= 64 * 48);
    CHECK(header.coded <= 64 * 64);
  }
}

TEST_CASE("HEIC, AVIF and WebP that are larger than their headers promise are refused, with both values") {
  for (const char* file : {"plain.heic", "plain.avif"}) {
    Bytes lying = sample_photo(file);
    if (!reads(tsugi::read_photo_header(lying, file).kind)) continue;
    CAPTURE(file);
    for (std::size_t at = 0; at + 16 < lying.size(); ++at) {
      if (std::memcmp(&lying[at], "ispe", 4) != 0) continue;
      lying[at + 11] = 16;
      lying[at + 15] = 8;
    }
    CHECK(holds_all(error_of([&] { decode_image(lying, "Ann/1"); }), {"Ann/1: ", "16 x 8"}));
    Bytes huge = lying;
    const std::size_t size = find(huge, "ispe");
    huge[size + 8] = huge[size + 12] = 0x40;
    CHECK(holds_all(error_of([&] { decode_image(huge, "Ann/1"); }), {"Ann/1: has 10737418", "250000000"}));
  }
  if (!reads(PhotoKind::webp)) return;
  Bytes webp = sample_photo("turned.webp");
  REQUIRE(find(webp, "VP8X") == 12);
  webp[24] = 7;  // a canvas of 8 pixels
  CHECK(holds_all(error_of([&] { decode_image(webp, "f.webp"); }), {"f.webp: WebP "}));
}

TEST_CASE("a large JPEG is decoded at a part of its size, and the stored square is nearly the same") {
  const Image large = make_image(2304, 3072, 1);
  const Bytes bytes = encode_jpeg(large);
  const tsugi::PhotoHeader header = tsugi::read_photo_header(bytes, "f");
  if (tsugi::jpeg_reduction(header, 256) == 1) return;  // stb_image decodes the whole picture
  CHECK(tsugi::jpeg_reduction(header, 0) == 1);
  CHECK(tsugi::jpeg_reduction(header, 288) == 8);
  CHECK(tsugi::jpeg_reduction(header, 289) == 4);
  CHECK(tsugi::jpeg_reduction(header, 1152) == 2);
  CHECK(tsugi::jpeg_reduction(header, 1153) == 1);
  const Image part = decode_image(bytes, "f", 276), whole = decode_image(bytes, "f");
  CHECK(part.h == 288);
  CHECK(part.w == 384);
  CHECK(whole.h == 2304);
  Image a{80, 80, Bytes(80 * 80 * 3)}, b = a;
  tsugi::resize_square(part, tsugi::centre_square(part.h, part.w, 0.58), 80, a.rgb.data());
  tsugi::resize_square(whole, tsugi::centre_square(whole.h, whole.w, 0.58), 80, b.rgb.data());
  CHECK(mean_difference(a, b) <= 1.0);
  CHECK(tsugi::jpeg_decode_bytes(header, 8) < tsugi::jpeg_decode_bytes(header, 1) / 8);
}

TEST_CASE("photos as small as LFW's are decoded in full, for the smallest network, too") {
  for (const int size : {8, 64, 96}) CHECK(tsugi::enough_pixels(tsugi::default_preprocessing(size)) > 250 / 2);
  CHECK(tsugi::enough_pixels(tsugi::default_preprocessing(64)) == 276);  // 2 x 80 / 0.58
  const Bytes small = encode_jpeg(make_image(250, 250, 1));
  CHECK(decode_image(small, "f", 256).rgb == decode_image(small, "f").rgb);
}

TEST_CASE("a JPEG cut in half with an end marker behind is damaged") {
  if (tsugi::jpeg_codec().library == "stb_image") return;  // it does not notice: jpeg.h
  for (const std::string kind : {"baseline", "progressive"}) {
    CAPTURE(kind);
    const Bytes whole = kind[0] == 'b' ? encode_jpeg(make_image(200, 200, 1)) : sample_photo("progressive.jpg");
    const std::size_t kept = kind[0] == 'b' ? whole.size() * 3 / 4 : whole.size() - 30;  // in the last of its scans
    Bytes half(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept));
    for (const std::uint8_t end : {0xFF, 0xD9}) half.push_back(end);
    CHECK(
        holds_all(error_of([&] { decode_image(half, "Ann/half.jpg"); }), {"Ann/half.jpg: ", "JPEG", "premature end"}));
  }
}
