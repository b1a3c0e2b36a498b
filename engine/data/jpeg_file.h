// The marker segments of a JPEG file: where its EXIF block lies, whether its end is there, and whether its Huffman
// tables have a legal size. Decoders tolerate a missing end and fill the rest with grey, and stb_image 2.27 writes
// beyond its tables when a file asks for more than 256 codes, so both are looked at here. Source: ITU-T T.81, annex B.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsugi {

struct JpegFile {
  std::size_t exif = 0, exif_bytes = 0;  ///< the EXIF block ("Exif", two zeros, TIFF data), none when exif_bytes is 0
  int scans = 0;           ///< passes over the picture: a few in honest files, and a decoder takes time for each
  bool complete = false;   ///< the end-of-image marker was reached
  bool tables_fit = true;  ///< no Huffman table has more than 256 codes
};

/// Walks over the segments; never reads outside `bytes`.
JpegFile read_jpeg_file(const std::vector<std::uint8_t>& bytes);

}  // namespace tsugi
