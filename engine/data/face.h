// Where the face is on a photo: the largest one that the build's detector finds. A photo is looked at as a grey copy of
// bounded size, so that a photo of a phone costs what a small one does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/data/decode.h"

namespace tsugi {

/// What finds faces in this build, "dlib 19.24.0"; "" = nothing does.
std::string face_detector();

/// The Debian and Ubuntu package that a build needs for it.
constexpr const char* kFaceDetectorPackage = "libdlib-dev";

/// Throws Error naming `place` and the package that is missing where nothing does.
void require_face_detector(const std::string& place);

/// The largest face: upright within about 30 degrees, turned aside by less than half, and of at least 1/30 of the
/// picture's longer side and 40 pixels. It is looked for on a copy of 1000 pixels, then, where there is none, on one of
/// 2400, but never on one of more than twice the picture's pixels a side. Nothing where none is found. The same picture
/// gives the same box, on any thread.
std::optional<Box> find_face(const Image& image);

/// The most memory that find_face takes for an h x w picture beside the picture itself, bytes.
std::uint64_t find_face_bytes(std::uint64_t h, std::uint64_t w);

}  // namespace tsugi
