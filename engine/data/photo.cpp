// Names, keys and preprocessing settings of photos.
#include "engine/data/photo.h"

#include <array>
#include <cmath>
#include <utility>

#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kMaxNameBytes = 200;
constexpr std::array<std::pair<CropAround, const char*>, 3> kCropsAround = {
    {{CropAround::centre, "center"}, {CropAround::face, "face"}, {CropAround::face_or_centre, "face-or-center"}}};

}  // namespace

std::string class_of(const std::string& file) { return file.substr(0, file.find('/')); }

std::string with_composed_class(const std::string& file) {
  const std::string name = class_of(file);
  return composed(name) + file.substr(name.size());
}

std::uint64_t photo_key(const Photo& photo) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : photo.file) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

const char* name_of(CropAround around) {
  for (const auto& [kind, name] : kCropsAround)
    if (kind == around) return name;
  return "";
}

CropAround parse_crop_around(const std::string& word, const std::string& place) {
  std::string known;
  for (const auto& [kind, name] : kCropsAround) {
    if (word == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(place + " is " + shown(word) + ", expected " + known);
}

Preprocessing default_preprocessing(int size) {
  if (size < 8 || size > 1024)
    throw Error("preprocessing: input size is " + std::to_string(size) + ", expected 8 to 1024 pixels");
  Preprocessing preprocessing;
  preprocessing.size = size;
  preprocessing.stored_size = size + size / 4;  // margin for shifts by 1/13, zoom and rotation
  return preprocessing;
}

void validate(const Preprocessing& preprocessing, const std::string& place) {
  const auto check = [&](bool holds, const std::string& what) {
    if (!holds) throw Error(place + ": " + what);
  };
  check(preprocessing.crop > 0.0f && preprocessing.crop <= 1.0f,
        "crop is " + std::to_string(preprocessing.crop) + ", expected more than 0, at most 1");
  check(preprocessing.size >= 1 && preprocessing.size <= 1024,
        "input size is " + std::to_string(preprocessing.size) + ", expected 1 to 1024 pixels");
  check(preprocessing.stored_size >= preprocessing.size && preprocessing.stored_size <= 2048,
        "stored size is " + std::to_string(preprocessing.stored_size) + ", expected " +
            std::to_string(preprocessing.size) + " to 2048 pixels");
  for (int c = 0; c < 3; ++c) {
    check(std::isfinite(preprocessing.mean[c]),
          "mean is " + std::to_string(preprocessing.mean[c]) + ", expected a number");
    check(std::isfinite(preprocessing.std[c]) && preprocessing.std[c] > 1e-6f,
          "std is " + std::to_string(preprocessing.std[c]) + ", expected more than 0");
  }
}

void check_name(const std::string& name, const std::string& place) {
  const auto fail = [&](const std::string& why) { throw Error(place + ": name \"" + printable(name) + "\" " + why); };
  if (name.empty()) fail("is empty");
  if (name.size() > kMaxNameBytes)
    fail("has " + std::to_string(name.size()) + " bytes, the limit is " + std::to_string(kMaxNameBytes));
  if (name[0] == '.') fail("begins with a dot");
  for (std::size_t at = 0; at < name.size();) {
    const unsigned char byte = static_cast<unsigned char>(name[at]);
    if (byte < 0x20 || byte == 0x7F) fail("has a control character");
    if (byte == '/' || byte == '\\') fail("has a slash or backslash");
    const std::size_t length = utf8_length(name, at);
    if (length == 0) fail("is not valid UTF-8");
    at += length;
  }
}

}  // namespace tsugi
