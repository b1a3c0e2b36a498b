// The two looks at a photo, and what is made of what they find.
#include "engine/data/face.h"

#include <algorithm>

#include "engine/data/face_detector.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr int kLooks[] = {1000, 2400};  // pixels of the longer side
constexpr int kMostEnlarged = 2;

int longer_side(const Image& image) { return std::max(image.h, image.w); }

/// Pixels of the longer side of the copy of a picture whose longer side has `side`.
std::uint64_t side_looked_at(int look, std::uint64_t side) {
  return std::min<std::uint64_t>(static_cast<std::uint64_t>(look), kMostEnlarged * side);
}

/// Mean brightness (ITU-R BT.601) of cells of `cell` x `cell` pixels; a rest that fills no cell is dropped.
GreyImage cells_of(const Image& image, int cell) {
  GreyImage grey;
  grey.h = std::max(image.h / cell, 1);
  grey.w = std::max(image.w / cell, 1);
  const int rows = std::min(cell, image.h), columns = std::min(cell, image.w);
  const auto most = 1000u * static_cast<unsigned>(rows * columns);
  grey.pixels.resize(static_cast<std::size_t>(grey.h) * static_cast<std::size_t>(grey.w));
  std::vector<std::uint32_t> sums(static_cast<std::size_t>(grey.w));
  for (int y = 0; y < grey.h; ++y) {
    std::fill(sums.begin(), sums.end(), 0u);
    for (int row = 0; row < rows; ++row) {
      const std::uint8_t* at = &image.rgb[(static_cast<std::size_t>(y) * cell + row) * image.w * 3];
      for (std::uint32_t& sum : sums)
        for (int column = 0; column < columns; ++column, at += 3) sum += 299u * at[0] + 587u * at[1] + 114u * at[2];
    }
    std::uint8_t* to = &grey.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(grey.w)];
    for (std::size_t x = 0; x < sums.size(); ++x) to[x] = static_cast<std::uint8_t>((sums[x] + most / 2) / most);
  }
  return grey;
}

}  // namespace

std::string face_detector() { return face_detector_name(); }

void require_face_detector(const std::string& place) {
  if (face_detector().empty())
    throw Error(place + ": the crop lies around faces, which this build of tsugi cannot find without dlib: " +
                "sudo apt-get install " + kFaceDetectorPackage + ", then build again");
}

std::optional<Box> find_face(const Image& image) {
  std::uint64_t before = 0;
  for (const int look : kLooks) {
    const int longer = longer_side(image);
    const std::uint64_t side = side_looked_at(look, static_cast<std::uint64_t>(longer));
    if (side == before) break;
    before = side;
    const int cell = std::max(1, longer / static_cast<int>(side));
    const GreyImage grey = cells_of(image, cell);
    const double scale = static_cast<double>(side) * cell / longer;
    const auto scaled = [&](int pixels) { return std::max(1, static_cast<int>(pixels * scale + 0.5)); };
    const std::vector<Box> faces = detect_faces(grey, scaled(grey.h), scaled(grey.w));
    if (faces.empty()) continue;
    Box face = *std::max_element(faces.begin(), faces.end(), [](const Box& a, const Box& b) { return a.w < b.w; });
    for (double* part : {&face.x, &face.y, &face.w, &face.h}) *part *= cell;
    return face;
  }
  return std::nullopt;
}

std::uint64_t find_face_bytes(std::uint64_t h, std::uint64_t w) {
  constexpr std::uint64_t kBytesAPixel = 16;  // 8 to 11 measured
  const std::uint64_t longer = std::max<std::uint64_t>({h, w, 1});
  const std::uint64_t side = side_looked_at(kLooks[1], longer), shorter = std::min(h, w) * side / longer + 1;
  return kBytesAPixel * side * shorter;
}

}  // namespace tsugi
