// The orientation that a camera wrote beside a photo's pixels, in JPEG, PNG and WebP alike: an EXIF block, which is a
// small TIFF file. Sources: Exif 2.3, tag 0x0112; PNG 1.5 extensions, eXIf; RFC 9649, 2.7.1.4 (EXIF chunk).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tsugi {

/// The orientation, 1 to 8, that the block (TIFF data, with or without "Exif" and two zeros ahead) asks for; 1 when it
/// asks for none.
int exif_orientation(const std::uint8_t* exif, std::size_t bytes);

/// That of the first eXIf chunk of a PNG, and of the EXIF chunk of a WebP file; 1 where there is none. They never read
/// outside `bytes`.
int png_orientation(const std::vector<std::uint8_t>& bytes);
int webp_orientation(const std::vector<std::uint8_t>& bytes);

}  // namespace tsugi
