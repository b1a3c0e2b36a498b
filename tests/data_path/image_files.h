// Small image files, made in the test: pixels, encoders, EXIF blocks, and a temporary folder to put them into.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/decode.h"
#include "engine/data/photo.h"
#include "kernels/api/error.h"

namespace tsugi_test {

using Bytes = std::vector<std::uint8_t>;

/// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Writes `bytes` to path()/file, making its folders.
  void write(const std::string& file, const Bytes& bytes) const;
  void make_folder(const std::string& name) const;
  void make_link(const std::string& target, const std::string& name) const;

 private:
  std::string path_;
};

/// A smooth picture that differs everywhere and by `seed`: no two sides or corners are alike.
tsugi::Image make_image(int h, int w, int seed);

/// channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; alpha is `alpha` everywhere. Grey is the red channel.
Bytes encode_png(const tsugi::Image& image, int channels = 3, int alpha = 255);
/// A PNG of 16 bits a channel: each value's upper byte is the image's, the lower byte is noise.
Bytes encode_png16(const tsugi::Image& image);
Bytes encode_jpeg(const tsugi::Image& image, int channels = 3);
/// The JPEG with an EXIF block that asks for the orientation.
Bytes with_orientation(const Bytes& jpeg, int orientation, bool big_endian);
/// The PNG with an eXIf chunk that asks for the orientation, ahead of its pixels or behind them.
Bytes with_png_orientation(const Bytes& png, int orientation, bool behind);
/// A file of tests/data/photos.
Bytes sample_photo(const std::string& name);
/// A PNG whose header promises w x h pixels, with no pixel behind it.
Bytes png_header_only(std::uint32_t h, std::uint32_t w);
/// The JPEG with its header promising w x h pixels.
Bytes with_jpeg_size(const Bytes& jpeg, int h, int w);

tsugi::Photo photo_in_memory(const std::string& class_name, const std::string& name, const Bytes& bytes);

/// The message of the tsugi::Error that `call` throws; "" when it throws none.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const tsugi::Error& error) {
    return error.what();
  }
  return "";
}

/// Whether `text` holds every one of `parts`.
bool holds_all(const std::string& text, const std::vector<std::string>& parts);

/// The folder of real photos ($TSUGI_LFW_DIR), or "" with a message that the test is skipped.
std::string lfw_folder();

}  // namespace tsugi_test
