// Fuzz targets of photos, as they lie in folders and bundles.
#include <algorithm>

#include "engine/data/crop.h"
#include "engine/data/decode.h"
#include "engine/data/exif.h"
#include "tests/fuzz/targets.h"

namespace tsugi::fuzz {
namespace {

void check(const Image& image) {
  expect(image.h > 0 && image.w > 0 && image.rgb.size() == static_cast<std::size_t>(image.h) * image.w * 3,
         "photo: pixels that are not there");
  std::uint8_t small[8 * 8 * 3];
  tsugi::resize_square(image, tsugi::centre_square(image.h, image.w, 0.58), 8, small);
}

}  // namespace

bool photo(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] { check(decode_image({bytes, bytes + size}, "input")); });
}

bool heif(const std::uint8_t* bytes, std::size_t size) { return photo(bytes, size); }
bool webp(const std::uint8_t* bytes, std::size_t size) { return photo(bytes, size); }

/// The bytes as the EXIF block of a photo that is whole.
bool exif(const std::uint8_t* bytes, std::size_t size) {
  static const Bytes plain = seeds::photo().front();
  const int alone = exif_orientation(bytes, size);
  expect(alone >= 1 && alone <= 8, "exif: an orientation that there is not");
  const std::size_t length = std::min<std::size_t>(size, 65533);
  Bytes whole(plain.begin(), plain.begin() + 2);
  const std::size_t segment = length + 2;
  whole.insert(whole.end(), {0xFF, 0xE1, static_cast<std::uint8_t>(segment >> 8), static_cast<std::uint8_t>(segment)});
  whole.insert(whole.end(), bytes, bytes + length);
  whole.insert(whole.end(), plain.begin() + 2, plain.end());
  check(decode_image(whole, "input"));  // whatever the block says, the photo is fine
  return alone > 1;
}

}  // namespace tsugi::fuzz
