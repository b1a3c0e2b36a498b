// Squares about the centre and around faces.
#include "engine/data/crop.h"

#include <algorithm>
#include <cmath>

#include "engine/data/face.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

std::string text_of(const Box& box) {
  std::string text;
  for (const double part : {box.x, box.y, box.w, box.h})
    text += (text.empty() ? "" : ",") + std::to_string(std::lround(part));
  return text;
}

void check_inside(const Box& face, const Image& image, const std::string& file) {
  const double x = face.x + 0.5 * face.w, y = face.y + 0.5 * face.h;
  const bool fits = face.w > 0.0 && face.h > 0.0 && face.w <= image.w && face.h <= image.h;
  if (fits && x >= 0.0 && x <= image.w && y >= 0.0 && y <= image.h) return;
  throw Error(file + ": the face's box x,y,w,h is " + text_of(face) + ", but the photo has " + std::to_string(image.w) +
              " x " + std::to_string(image.h) + " pixels");
}

}  // namespace

Square centre_square(int h, int w, double share) {
  const double side = std::max(1.0, share * std::min(h, w));
  return {0.5 * (w - side), 0.5 * (h - side), side};
}

Square face_square(const Box& face, double share) {
  constexpr double kAlignedSide = 2.44, kCentreAbove = 0.08;  // of the box's side
  const double box = std::max(face.w, face.h), side = share * kAlignedSide * box;
  return {face.x + 0.5 * (face.w - side), face.y + 0.5 * (face.h - side) - kCentreAbove * box, side};
}

PhotoSquare square_of(const Photo& photo, const Image& image, const Preprocessing& preprocessing) {
  const auto share = static_cast<double>(preprocessing.crop);
  if (photo.face) {
    check_inside(*photo.face, image, photo.file);
    return {face_square(*photo.face, share)};
  }
  if (preprocessing.around == CropAround::centre) return {centre_square(image.h, image.w, share)};
  if (const std::optional<Box> face = find_face(image)) return {face_square(*face, share)};
  if (preprocessing.around == CropAround::face) return {std::nullopt, true};
  return {centre_square(image.h, image.w, share), true};
}

std::uint64_t crop_bytes(const Photo& photo, std::uint64_t h, std::uint64_t w, const Preprocessing& preprocessing) {
  const bool centre = preprocessing.around == CropAround::centre && !photo.face;
  const std::uint64_t rows = centre ? std::min(h, w) : h;  // of floats, while it is resized
  const std::uint64_t narrow = rows * static_cast<std::uint64_t>(preprocessing.stored_size) * 3 * sizeof(float);
  return centre || photo.face ? narrow : std::max(narrow, find_face_bytes(h, w));
}

}  // namespace tsugi
