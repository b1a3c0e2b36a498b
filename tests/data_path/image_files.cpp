// Image files that the tests make byte by byte.
#include "tests/data_path/image_files.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/data/encode.h"

namespace fs = std::filesystem;

namespace tsugi_test {
namespace {

void append_big_endian(Bytes* bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes->push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_chunk(Bytes* png, const char* type, const Bytes& data) {
  append_big_endian(png, static_cast<std::uint32_t>(data.size()));
  png->insert(png->end(), type, type + 4);
  png->insert(png->end(), data.begin(), data.end());
  append_big_endian(png, 0);  // the checksum, which the decoder does not look at
}

/// A zlib stream that stores `data` as it is. Source: RFC 1950, RFC 1951.
Bytes stored_zlib(const Bytes& data) {
  REQUIRE(data.size() < 65536);
  const std::uint8_t low = static_cast<std::uint8_t>(data.size()), high = static_cast<std::uint8_t>(data.size() >> 8);
  Bytes out = {0x78, 0x01, 1, low, high, static_cast<std::uint8_t>(~low), static_cast<std::uint8_t>(~high)};
  out.insert(out.end(), data.begin(), data.end());
  append_big_endian(&out, 0);
  return out;
}

Bytes png_start(std::uint32_t h, std::uint32_t w, std::uint8_t bits) {
  Bytes png = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  Bytes header;
  append_big_endian(&header, w);
  append_big_endian(&header, h);
  header.insert(header.end(), {bits, 2, 0, 0, 0});  // RGB
  append_chunk(&png, "IHDR", header);
  return png;
}

Bytes with_channels(const tsugi::Image& image, int channels, int alpha) {
  Bytes out;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    out.insert(out.end(), &image.rgb[i], &image.rgb[i] + (channels >= 3 ? 3 : 1));
    if (channels % 2 == 0) out.push_back(static_cast<std::uint8_t>(alpha));
  }
  return out;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string path = (fs::temp_directory_path() / "tsugi-test-XXXXXX").string();
  REQUIRE(mkdtemp(&path[0]) != nullptr);
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

void TemporaryFolder::write(const std::string& file, const Bytes& bytes) const {
  const fs::path path = fs::path(path_) / file;
  fs::create_directories(path.parent_path());
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(stream.good());
}

void TemporaryFolder::make_folder(const std::string& name) const { fs::create_directories(fs::path(path_) / name); }

void TemporaryFolder::make_link(const std::string& target, const std::string& name) const {
  fs::create_symlink(target, fs::path(path_) / name);
}

tsugi::Image make_image(int h, int w, int seed) {
  tsugi::Image image;
  image.h = h;
  image.w = w;
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) {
      const double u = static_cast<double>(x) / w, v = static_cast<double>(y) / h;
      const double values[3] = {200 * u + 40 * v, 30 + 200 * v * v, 128 + 100 * std::sin(3 * u + 2 * v + seed)};
      for (const double value : values) image.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

Bytes encode_png(const tsugi::Image& image, int channels, int alpha) {
  const Bytes pixels = with_channels(image, channels, alpha);
  return tsugi::encode_png({pixels.data(), image.h, image.w, channels});
}

Bytes encode_png16(const tsugi::Image& image) {
  Bytes rows;
  for (int y = 0; y < image.h; ++y) {
    rows.push_back(0);  // no filter
    for (int e = 0; e < image.w * 3; ++e) {
      rows.push_back(image.rgb[static_cast<std::size_t>(y) * image.w * 3 + e]);
      rows.push_back(static_cast<std::uint8_t>(37 * e + y));
    }
  }
  Bytes png = png_start(image.h, image.w, 16);
  append_chunk(&png, "IDAT", stored_zlib(rows));
  append_chunk(&png, "IEND", {});
  return png;
}

Bytes encode_jpeg(const tsugi::Image& image, int channels) {
  const Bytes pixels = with_channels(image, channels, 255);
  return tsugi::encode_jpeg({pixels.data(), image.h, image.w, channels}, 95);
}

namespace {

/// The TIFF data of an EXIF block with this tag alone.
Bytes tiff_of(int orientation, bool big_endian) {
  const std::uint8_t value = static_cast<std::uint8_t>(orientation);
  return big_endian
             ? Bytes{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0}
             : Bytes{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0};
}

}  // namespace

Bytes with_orientation(const Bytes& jpeg, int orientation, bool big_endian) {
  const Bytes tiff = tiff_of(orientation, big_endian);
  Bytes segment = {0xFF, 0xE1, 0, static_cast<std::uint8_t>(2 + 6 + tiff.size()), 'E', 'x', 'i', 'f', 0, 0};
  segment.insert(segment.end(), tiff.begin(), tiff.end());
  Bytes out = jpeg;
  out.insert(out.begin() + 2, segment.begin(), segment.end());
  return out;
}

Bytes with_png_orientation(const Bytes& png, int orientation, bool behind) {
  constexpr std::size_t kStart = 8 + 25, kEnd = 12;  // the signature and IHDR; IEND
  Bytes out = png, chunk;
  append_chunk(&chunk, "eXIf", tiff_of(orientation, true));
  const std::size_t at = behind ? png.size() - kEnd : kStart;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), chunk.begin(), chunk.end());
  return out;
}

Bytes sample_photo(const std::string& name) {
  std::ifstream file(std::string(TSUGI_TEST_DATA) + "/photos/" + name, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

Bytes png_header_only(std::uint32_t h, std::uint32_t w) {
  Bytes png = png_start(h, w, 8);
  append_chunk(&png, "IDAT", Bytes(64, 0));
  append_chunk(&png, "IEND", {});
  return png;
}

Bytes with_jpeg_size(const Bytes& jpeg, int h, int w) {
  Bytes out = jpeg;
  for (std::size_t at = 2; at + 9 < out.size(); at += 2 + (out[at + 2] << 8 | out[at + 3])) {
    if (out[at + 1] != 0xC0) continue;
    out[at + 5] = static_cast<std::uint8_t>(h >> 8);
    out[at + 6] = static_cast<std::uint8_t>(h);
    out[at + 7] = static_cast<std::uint8_t>(w >> 8);
    out[at + 8] = static_cast<std::uint8_t>(w);
    return out;
  }
  FAIL("no start-of-frame segment");
  return out;
}

tsugi::Photo photo_in_memory(const std::string& class_name, const std::string& name, const Bytes& bytes) {
  return {class_name, class_name + "/" + name, "", std::make_shared<const Bytes>(bytes)};
}

bool holds_all(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string::npos) {
      MESSAGE("\"" << text << "\" lacks \"" << part << "\"");
      return false;
    }
  }
  return true;
}

std::string lfw_folder() {
  const char* folder = std::getenv("TSUGI_LFW_DIR");
  if (folder && *folder) return folder;
  MESSAGE("skipped: TSUGI_LFW_DIR is not set");
  return "";
}

}  // namespace tsugi_test
