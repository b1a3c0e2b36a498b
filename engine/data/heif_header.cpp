// Walks over the boxes of a HEIF file: each has its size and four letters ahead of its content.
#include "engine/data/heif_header.h"

#include <algorithm>
#include <optional>

#include "engine/data/heif_stream.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr int kMostBoxes = 4096;  // a grid of a large phone's tiles has some hundred

struct IsoBox {
  std::uint64_t kind = 0, begin = 0, end = 0;  ///< of its content
};

/// The boxes that lie between two bytes, one after the other.
class Boxes {
 public:
  Boxes(ByteWindow& bytes, std::uint64_t begin, std::uint64_t end, int& left)
      : bytes_(bytes), at_(begin), end_(end), left_(left) {}

  std::optional<IsoBox> next() {
    if (at_ >= end_ || bytes_[at_ + 7] < 0 || left_-- <= 0) return std::nullopt;
    std::uint64_t size = bytes_.number(at_, 4);
    std::uint64_t head = 8;
    if (size == 1) {
      size = bytes_.number(at_ + 8, 8);
      head = 16;
    }
    if (size == 0 || size > end_ - at_) size = end_ - at_;  // to the end
    if (size < head) return std::nullopt;
    const IsoBox box{bytes_.number(at_ + 4, 4), at_ + head, at_ + size};
    at_ += size;
    return box;
  }

 private:
  ByteWindow& bytes_;
  std::uint64_t at_;
  const std::uint64_t end_;
  int& left_;  // boxes that may still be looked at
};

}  // namespace

PhotoKind heif_kind(ByteWindow& bytes) {
  constexpr std::uint64_t kMostBrands = 64;
  const std::uint64_t end = std::min<std::uint64_t>(bytes.number(0, 4), 16 + 4 * kMostBrands);
  bool heif = false;
  for (std::uint64_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {  // the version lies behind the first brand
    const std::uint64_t brand = bytes.number(at, 4);
    if (brand == tag("avif") || brand == tag("avis")) return PhotoKind::avif;
    for (const std::uint64_t other : {tag("heic"), tag("heix"), tag("heim"), tag("heis"), tag("hevc"), tag("hevx"),
                                      tag("hevm"), tag("hevs"), tag("mif1"), tag("msf1")})
      heif = heif || brand == other;
  }
  return heif ? PhotoKind::heic : PhotoKind::other;
}

void read_heif(ByteWindow& bytes, const std::string& file, PhotoHeader* header) {
  int left = kMostBoxes;
  constexpr std::uint64_t kPath[] = {tag("meta"), tag("iprp"), tag("ipco")};
  IsoBox inside{0, 0, ~std::uint64_t{0} >> 1};
  for (const std::uint64_t kind : kPath) {
    Boxes boxes(bytes, inside.begin, inside.end, left);
    std::optional<IsoBox> box = boxes.next();
    while (box && box->kind != kind) box = boxes.next();
    if (!box) break;
    inside = {kind, box->begin + (kind == tag("meta") ? 4 : 0), box->end};  // `meta` has a version ahead of its boxes
    if (kind != tag("ipco")) continue;
    Boxes properties(bytes, inside.begin, inside.end, left);
    while (const std::optional<IsoBox> property = properties.next()) {
      if (property->kind == tag("hvcC"))
        header->coded = std::max(header->coded, hevc_pixels(bytes, property->begin, property->end));
      if (property->kind != tag("ispe") || property->end - property->begin < 12) continue;
      const std::uint64_t w = bytes.number(property->begin + 4, 4), h = bytes.number(property->begin + 8, 4);
      if (w * h <= header->w * header->h) continue;
      header->w = w;
      header->h = h;
    }
  }
  if (left <= 0) throw Error(file + ": has more than " + std::to_string(kMostBoxes) + " boxes before its size");
}

}  // namespace tsugi
