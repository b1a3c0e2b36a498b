// The boxes of a HEIF file (HEIC, AVIF) that say what it is and how large: `ftyp`, and every `ispe` (the sides of one
// of its pictures) in `meta`, `iprp`, `ipco`. Source: ISO/IEC 14496-12, 4.2 and 8.11; ISO/IEC 23008-12, 6.5.3.
#pragma once

#include <string>

#include "engine/data/photo_header.h"

namespace tsugi {

/// Of a file that begins with `ftyp`: heic, avif, or other (a video, …).
PhotoKind heif_kind(ByteWindow& bytes);

/// Sets w and h to those of the largest picture of the file: the photo itself, where it has tiles or thumbnails beside
/// it. Throws Error naming `file` when boxes are too many to look at.
void read_heif(ByteWindow& bytes, const std::string& file, PhotoHeader* header);

}  // namespace tsugi
