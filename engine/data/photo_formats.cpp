// The table of formats.
#include "engine/data/photo_formats.h"

#include <algorithm>

#include "engine/data/codecs/heif.h"
#include "engine/data/codecs/jpeg.h"
#include "engine/data/codecs/stb.h"
#include "engine/data/codecs/webp.h"

namespace tsugi {
namespace {

std::string listed(const std::vector<std::string>& texts, const std::string& last) {
  std::string all;
  for (std::size_t i = 0; i < texts.size(); ++i) all += (i == 0 ? "" : i + 1 == texts.size() ? last : ", ") + texts[i];
  return all;
}

}  // namespace

std::vector<PhotoFormat> photo_formats() {
  const Codec none{"", "convert it to JPEG or PNG"};
  return {{PhotoKind::jpeg, "JPEG", {".jpg", ".jpeg", ".jpe", ".jfif"}, jpeg_codec()},
          {PhotoKind::png, "PNG", {".png"}, stb_codec()},
          {PhotoKind::webp, "WebP", {".webp"}, webp_codec()},
          {PhotoKind::heic, "HEIC", {".heic", ".heif", ".hif"}, heif_codec(PhotoKind::heic)},
          {PhotoKind::avif, "AVIF", {".avif"}, heif_codec(PhotoKind::avif)},
          {PhotoKind::jpeg_xl, "JPEG XL", {".jxl"}, none},
          {PhotoKind::jpeg_2000, "JPEG 2000", {".jp2"}, none},
          {PhotoKind::tiff, "TIFF or a camera's raw format", {".tif", ".tiff", ".dng"}, none},
          {PhotoKind::bmp, "BMP", {".bmp"}, none},
          {PhotoKind::gif, "GIF", {}, none}};
}

bool is_photo_name(const std::string& name) {
  const std::size_t slash = name.rfind('/'), dot = name.rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return false;
  std::string ending = name.substr(dot);
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  static const std::vector<PhotoFormat> formats = photo_formats();
  return std::any_of(formats.begin(), formats.end(), [&](const PhotoFormat& format) {
    return std::count(format.endings.begin(), format.endings.end(), ending) > 0;
  });
}

std::string readable_formats(const std::string& last) {
  std::vector<std::string> names;
  for (const PhotoFormat& format : photo_formats())
    if (format.readable()) names.push_back(format.name);
  return listed(names, last);
}

std::string readable_endings() {
  std::vector<std::string> endings;
  for (const PhotoFormat& format : photo_formats())
    if (format.readable())
      for (const std::string& ending : format.endings) endings.push_back("*" + ending);
  return listed(endings, ", ");
}

std::string why_unreadable(PhotoKind kind) {
  for (const PhotoFormat& format : photo_formats()) {
    if (format.kind != kind) continue;
    if (format.readable()) return "";
    return "is " + format.name + ", which " + (format.somewhere() ? "this build" : "tsugi") +
           " does not read: " + format.codec.missing;
  }
  return "is no photo: neither " + readable_formats(" nor ");
}

}  // namespace tsugi
