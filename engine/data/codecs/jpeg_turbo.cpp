// JPEG through libjpeg-turbo: row by row into the picture, at a half, a quarter or an eighth of the sides where that is
// enough, which skips most of the work. What it reports of lost data is an error here.
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <new>

// Behind the standard headers that it leans on, and does not include.
#include <jpeglib.h>

#include <jerror.h>

#include "engine/core/text.h"
#include "engine/data/codecs/jpeg.h"
#include "kernels/api/error.h"

#define TSUGI_TEXT_(x) #x
#define TSUGI_TEXT(x) TSUGI_TEXT_(x)

namespace tsugi {
namespace {

/// The library reports through functions that must not return. It is C, so nothing may be thrown through it.
struct Reports {
  jpeg_error_mgr manager;  // first: the library knows this part alone
  std::jmp_buf jump;
  int code;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void give_up(j_common_ptr common) {
  auto* reports = reinterpret_cast<Reports*>(common->err);
  reports->code = common->err->msg_code;
  common->err->format_message(common, reports->message);
  std::longjmp(reports->jump, 1);
}

/// A warning (level -1) says that part of the picture is made up, but for those of bytes too many between segments and
/// of headers that contradict each other, as some cameras write them.
void report(j_common_ptr common, int level) {
  if (level != -1) return;
  switch (common->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
      return;
    default:
      give_up(common);
  }
}

/// Adobe's programs store how much of each ink is missing; others store how much there is.
void cmyk_to_rgb(const std::uint8_t* from, int w, bool inverted, std::uint8_t* to) {
  for (int x = 0; x < w; ++x, from += 4, to += 3) {
    const int black = inverted ? from[3] : 255 - from[3];
    for (int c = 0; c < 3; ++c)
      to[c] = static_cast<std::uint8_t>(((inverted ? from[c] : 255 - from[c]) * black + 127) / 255);
  }
}

/// A decoder whose steps return false where the library gave up. Nothing in them has a destructor, since the library
/// jumps out of them.
class Decoder {
 public:
  Decoder() {
    info_.err = jpeg_std_error(&reports_.manager);
    reports_.manager.error_exit = give_up;
    reports_.manager.emit_message = report;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// most: bytes for what the library keeps of the whole picture.
  bool start(const std::vector<std::uint8_t>& bytes, int reduction, std::uint64_t most) {
    if (setjmp(reports_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.mem->max_memory_to_use = static_cast<long>(most);
    jpeg_mem_src(&info_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info_, TRUE);
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(reduction);
    info_.out_color_space = cmyk() ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    jpeg_calc_output_dimensions(&info_);
    return true;
  }
  bool cmyk() const { return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK; }
  int stored_w() const { return static_cast<int>(info_.image_width); }
  int stored_h() const { return static_cast<int>(info_.image_height); }
  int w() const { return static_cast<int>(info_.output_width); }
  int h() const { return static_cast<int>(info_.output_height); }

  /// rgb: [h(),w(),3]; row: [w(),4] where it is CMYK.
  bool decode(std::uint8_t* rgb, std::uint8_t* row) {
    if (setjmp(reports_.jump) != 0) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* to = rgb + std::size_t{3} * info_.output_scanline * info_.output_width;
      JSAMPROW rows[] = {cmyk() ? row : to};
      jpeg_read_scanlines(&info_, rows, 1);
      if (cmyk()) cmyk_to_rgb(row, w(), info_.saw_Adobe_marker != FALSE, to);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  [[noreturn]] void fail(const std::string& file, const PhotoHeader& header, std::uint64_t most) const {
    if (reports_.code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    if (reports_.code == JERR_NO_BACKING_STORE)
      throw Error(file + ": unpacks to more than the " + std::to_string(header.w) + " x " + std::to_string(header.h) +
                  " pixels of its header need, " + std::to_string(most) + " bytes");
    throw Error(file + ": " + (header.coding[0] != '\0' ? header.coding + std::string(" ") : "") +
                "JPEG cannot be decoded: " + printable(reports_.message));
  }

 private:
  jpeg_decompress_struct info_{};
  Reports reports_{};
};

std::uint64_t reduced(std::uint64_t side, int reduction) {
  const auto by = static_cast<std::uint64_t>(reduction);
  return (side + by - 1) / by;
}

}  // namespace

int jpeg_reduction(const PhotoHeader& header, std::uint64_t enough) {
  for (const int reduction : {8, 4, 2})
    if (enough > 0 && std::min(header.w, header.h) / static_cast<std::uint64_t>(reduction) >= enough) return reduction;
  return 1;
}

std::uint64_t jpeg_decode_bytes(const PhotoHeader& header, int reduction) {
  constexpr std::uint64_t kTables = std::uint64_t{256} << 10;
  const std::uint64_t pixels = reduced(header.w, reduction) * reduced(header.h, reduction);
  // Some rows of every channel, before and after upsampling, and the coefficients, of 2 bytes, where the file does not
  // have the first rows first. Beside them the picture; afterwards the picture, and it again, turned.
  const std::uint64_t rows = 64 * header.w * std::max<std::uint64_t>(4, static_cast<std::uint64_t>(header.channels));
  return kTables + std::max(rows + (header.whole_first ? 2 * header.samples : 0) + 3 * pixels, 6 * pixels);
}

Image decode_jpeg(const std::vector<std::uint8_t>& bytes, const std::string& file, const PhotoHeader& header,
                  int reduction) {
  const std::uint64_t most = jpeg_decode_bytes(header, reduction);
  Decoder decoder;
  if (!decoder.start(bytes, reduction, most)) decoder.fail(file, header, most);
  if (static_cast<std::uint64_t>(decoder.stored_w()) != header.w ||
      static_cast<std::uint64_t>(decoder.stored_h()) != header.h)
    throw Error(file + ": JPEG is damaged: is " + std::to_string(decoder.stored_w()) + " x " +
                std::to_string(decoder.stored_h()) + " pixels, its first frame header says " +
                std::to_string(header.w) + " x " + std::to_string(header.h));
  Image image{decoder.h(), decoder.w(), {}};
  image.rgb.resize(std::size_t{3} * image.h * image.w);
  std::vector<std::uint8_t> row(decoder.cmyk() ? std::size_t{4} * image.w : 0);
  if (!decoder.decode(image.rgb.data(), row.data())) decoder.fail(file, header, most);
  return image;
}

Codec jpeg_codec() { return {"libjpeg-turbo " TSUGI_TEXT(LIBJPEG_TURBO_VERSION), ""}; }

}  // namespace tsugi
