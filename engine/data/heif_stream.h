// How large the pictures of a HEIC file are by the headers of the video codec that made them, which decoders believe
// and the file's other boxes may contradict. (AVIF need not repeat them in its boxes: there the decoded picture is
// compared.) Sources: ISO/IEC 14496-15, 8.3.3.1 (`hvcC`); ITU-T H.265, 7.3.2.2 (sequence parameter set).
#pragma once

#include <cstdint>

#include "engine/data/byte_window.h"

namespace tsugi {

/// Pixels of the largest picture that a `hvcC` box announces whose content lies from `begin` to `end`; 0 where it
/// announces none.
std::uint64_t hevc_pixels(ByteWindow& bytes, std::uint64_t begin, std::uint64_t end);

}  // namespace tsugi
