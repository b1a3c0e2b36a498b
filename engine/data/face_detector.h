// The detector behind find_face. The build links face_detector.cpp, or no_face_detector.cpp where dlib is missing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/photo.h"

namespace tsugi {

/// Brightness, rows from the top.
struct GreyImage {
  int h = 0, w = 0;
  std::vector<std::uint8_t> pixels;  ///< [h,w]
};

/// A library and its version; "" = none.
std::string face_detector_name();

/// Every face that is found on the picture resized to h x w, in pixels of the picture as it is given. The detector's
/// smallest face has kSmallestFace pixels a side.
std::vector<Box> detect_faces(const GreyImage& image, int h, int w);
constexpr int kSmallestFace = 80;

}  // namespace tsugi
