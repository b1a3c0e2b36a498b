// A photo is known by its content: by its file, by its pixels, and by its look.
#include "engine/data/photo_identity.h"

#include <doctest/doctest.h>

#include <bitset>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include "engine/data/codecs/stb.h"
#include "engine/data/encode.h"
#include "engine/data/photo_index.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::Image;
using tsugi::looks_alike;
using tsugi::PhotoIdentity;
using tsugi::PhotoIndex;

namespace {

PhotoIdentity identity_of_file(const Bytes& bytes) {
  return tsugi::identify(bytes, tsugi::decode_image(bytes, "file"));
}

Bytes jpeg(const Image& image, int quality) {
  return tsugi::encode_jpeg({image.rgb.data(), image.h, image.w, 3}, quality);
}

/// Tiles of random colours: a picture with something at every frequency.
Image tiles(int h, int w, unsigned seed) {
  constexpr int kTile = 8;
  Image image;
  image.h = h;
  image.w = w;
  std::mt19937 random(seed);
  std::vector<std::uint8_t> colors(static_cast<std::size_t>((h / kTile + 1) * (w / kTile + 1) * 3));
  for (std::uint8_t& color : colors) color = static_cast<std::uint8_t>(random() % 256);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(colors[static_cast<std::size_t>((y / kTile * (w / kTile + 1) + x / kTile) * 3 + c)]);
  return image;
}

/// Half as high and wide: means of four.
Image halved(const Image& image) {
  Image half;
  half.h = image.h / 2;
  half.w = image.w / 2;
  half.rgb.resize(static_cast<std::size_t>(half.h) * half.w * 3);
  for (int y = 0; y < half.h; ++y)
    for (int x = 0; x < half.w; ++x)
      for (int c = 0; c < 3; ++c) {
        const auto at = [&](int dy, int dx) { return image.rgb[((2 * y + dy) * image.w + 2 * x + dx) * 3 + c]; };
        half.rgb[(y * half.w + x) * 3 + c] = static_cast<std::uint8_t>((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4);
      }
  return half;
}

Image enlarged(const Image& image, int times) {
  Image large{image.h * times, image.w * times, {}};
  for (int y = 0; y < large.h; ++y)
    for (int x = 0; x < large.w; ++x) {
      const std::uint8_t* pixel = &image.rgb[static_cast<std::size_t>((y / times) * image.w + x / times) * 3];
      large.rgb.insert(large.rgb.end(), pixel, pixel + 3);
    }
  return large;
}

}  // namespace

TEST_CASE("the pixels of a photo are known whatever stands around them in the file") {
  const Image image = tiles(40, 30, 1);
  const Bytes plain = jpeg(image, 95), tagged = with_orientation(plain, 1, false),
              turned = with_orientation(plain, 6, true);
  const PhotoIdentity a = identity_of_file(plain), b = identity_of_file(tagged), c = identity_of_file(turned);
  CHECK(a.file != b.file);
  CHECK(a.pixels == b.pixels);
  CHECK(a.look != 0);
  CHECK(a.look == b.look);
  CHECK(a.pixels != c.pixels);  // shown otherwise
  // Without loss in another format; the same bytes with another shape are another picture.
  CHECK(identity_of_file(encode_png(tsugi::decode_image(plain, "plain"))).pixels == a.pixels);
  Image reshaped = tsugi::decode_image(plain, "plain");
  std::swap(reshaped.h, reshaped.w);
  CHECK(identity_of_file(encode_png(reshaped)).pixels != a.pixels);
}

TEST_CASE("a re-export looks like the photo, another photo does not") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const Image image = tiles(240, 200, seed);
    const std::uint64_t look = tsugi::look_of(image);
    CHECK_FALSE(looks_alike(look, tsugi::look_of(tiles(240, 200, seed + 20))));
    for (const int quality : {95, 75, 50}) {
      CHECK(looks_alike(look, identity_of_file(jpeg(image, quality)).look));
      CHECK(looks_alike(look, identity_of_file(jpeg(halved(image), quality)).look));
    }
  }
}

TEST_CASE("what shows next to nothing looks like nothing") {
  Image flat;
  flat.h = flat.w = 16;
  flat.rgb.assign(16 * 16 * 3, 90);
  CHECK(tsugi::look_of(flat) == 0);
  CHECK_FALSE(looks_alike(0, 0));
  CHECK(tsugi::look_of(make_image(120, 100, 1)) == 0);  // smooth: most frequencies are rounding
  for (const int side : {1, 2, 7, 31}) (void)tsugi::look_of(make_image(side, 3, 1));  // smaller than the hash's grid
}

TEST_CASE("a photo looks the same to other decoders, and at a part of its size") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    const Bytes bytes = jpeg(enlarged(tiles(240, 220, seed), 5), 80);
    const tsugi::PhotoHeader header = tsugi::read_photo_header(bytes, "f");
    const tsugi::StbPixels other = tsugi::decode_stb(bytes, "f", header, 3, std::uint64_t{1} << 30);
    const Image by_stb{other.h, other.w, Bytes(other.data.get(), other.data.get() + 3 * other.h * other.w)};
    const std::uint64_t look = tsugi::look_of(by_stb);
    CHECK(std::bitset<64>(look ^ identity_of_file(bytes).look).count() <= 1);
    CHECK(looks_alike(look, tsugi::look_of(tsugi::decode_image(bytes, "f", 256))));
  }
}

TEST_CASE("a print says pixels and look, and nothing else is one") {
  const PhotoIdentity identity = identity_of_file(jpeg(tiles(20, 20, 3), 90));
  const std::string print = tsugi::to_print(identity);
  const PhotoIdentity read = tsugi::from_print(print, "list");
  CHECK(read.pixels == identity.pixels);
  CHECK(read.look == identity.look);
  for (const std::string& bad : {print.substr(1), print + "0", std::string(80, 'G'), std::string()})
    CHECK(holds_all(error_of([&] { (void)tsugi::from_print(bad, "list"); }), {"list", "80"}));
}

TEST_CASE("copies are of the first photo of their person, over others in between, by any of the three") {
  const auto seen = [](const std::string& file, const std::string& pixels, std::uint64_t look) {
    return PhotoIdentity{file, pixels, look};
  };
  const std::uint64_t look = 0x0123456789abcdefull, near = look ^ 0x3full, far = near ^ 0xfc0ull;
  CHECK(looks_alike(look, near));
  CHECK_FALSE(looks_alike(look, near ^ 0x40ull));
  CHECK_FALSE(looks_alike(look, far));
  CHECK(tsugi::first_copies({seen("a", "a", look), seen("b", "b", far), seen("c", "c", near)}, {0, 0, 0}) ==
        std::vector<std::uint32_t>{0, 0, 0});
  CHECK(tsugi::first_copies({seen("a", "a", look), seen("b", "b", near)}, {0, 1}) == std::vector<std::uint32_t>{0, 1});
  // Black photos have no look.
  CHECK(tsugi::first_copies({seen("a", "a", 0), seen("b", "b", 0), seen("c", "b", 0), seen("a", "a", 0)},
                            {0, 0, 0, 0}) == std::vector<std::uint32_t>{0, 1, 1, 0});
}

TEST_CASE(
    "a photo is found by content and look among its person's, by content among others', by name where nobody saw") {
  PhotoIndex index;
  const std::uint64_t look = 0x0123456789abcdefull;
  const std::vector<std::pair<std::string, PhotoIdentity>> photos = {{"Ann/1", {"f1", "p1", look}},
                                                                     {"Bob/1", {"f1", "p1", look}},
                                                                     {"Bob/2", {"f2", "p2", ~look}},
                                                                     {"Bob/old", {"f3", "", 0}},
                                                                     {"Bob/unread", {}}};
  for (const auto& [name, identity] : photos) index.add(name, identity);
  using Place = std::optional<std::size_t>;
  CHECK(index.find("Ann/x", {"f1", "", 0}) == Place(0));
  CHECK(index.find("Bob/x", {"f1", "", 0}) == Place(1));
  CHECK(index.find("Bob/x", {"", "p1", 0}) == Place(1));
  CHECK(index.find("Cid/x", {"f1", "", 0}) == Place(0));
  CHECK(index.find("Ann/x", {"f2", "p2", 1}) == Place(2));
  CHECK(index.find("Ann/x", {"f2", "p2", look}) == Place(0));
  CHECK(index.find("Bob/x", {"f9", "p9", ~look ^ 0x3f}) == Place(2));
  CHECK(index.find("Cid/x", {"f9", "p9", look}) == Place());
  CHECK(index.find("Bob/2", {"f9", "p9", 1}) == Place());  // another photo took the name
  CHECK(index.find("Bob/old", {"f9", "p9", 1}) == Place(3));
  CHECK(index.find("Bob/unread", {"f9", "p9", 1}) == Place(4));
  CHECK(index.find("Bob/2", {}) == Place(2));
}

TEST_CASE("different photos of a person seldom look alike, re-exports of a photo always do") {
  const std::string folder = lfw_folder();
  if (folder.empty()) return;
  std::size_t pairs = 0, alike = 0;
  for (const auto& person : std::filesystem::directory_iterator(folder + "/tuning/general")) {
    std::vector<std::uint64_t> looks;
    for (const auto& file : std::filesystem::directory_iterator(person.path())) {
      std::ifstream in(file.path(), std::ios::binary);
      const Image image =
          tsugi::decode_image({std::istreambuf_iterator<char>(in), {}}, file.path().filename().string());
      looks.push_back(tsugi::look_of(image));
      for (std::size_t i = 0; i + 1 < looks.size(); ++i, ++pairs) alike += looks_alike(looks[i], looks.back());
      CHECK(looks_alike(looks.back(), identity_of_file(jpeg(halved(image), 50)).look));
    }
  }
  MESSAGE(alike << " of " << pairs << " pairs");
  CHECK(pairs > 2000);
  CHECK(alike * 1000 < pairs);
}
