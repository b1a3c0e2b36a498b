// Names, keys and preprocessing settings of photos.
#include "engine/data/photo.h"

#include <cmath>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kMaxNameBytes = 200;

/// Bytes of the UTF-8 character at `at`, or 0 when it is not valid (overlong forms and surrogates included).
std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0u) != 0x80u) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return length;
}

/// The name with everything unprintable as \xNN, for messages.
std::string printable(const std::string& name) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < name.size() && out.size() < 2 * kMaxNameBytes;) {
    const unsigned char byte = static_cast<unsigned char>(name[at]);
    const std::size_t length = byte < 0x20 || byte == 0x7F ? 0 : utf8_length(name, at);
    if (length > 0) {
      out.append(name, at, length);
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    at += length > 0 ? length : 1;
  }
  return out;
}

}  // namespace

std::uint64_t photo_key(const Photo& photo) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : photo.file) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

Preprocessing default_preprocessing(int size) {
  if (size < 8 || size > 1024) {
    throw Error("preprocessing: input size is " + std::to_string(size) + ", expected 8 to 1024 pixels");
  }
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
  if (name.size() > kMaxNameBytes) {
    fail("has " + std::to_string(name.size()) + " bytes, the limit is " + std::to_string(kMaxNameBytes));
  }
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
