// What decodes a kind of photo in this build. For each library that may be missing the build links one of two files:
// jpeg_turbo.cpp or jpeg_stb.cpp, webp.cpp or no_webp.cpp, heif.cpp or no_heif.cpp.
#pragma once

#include <string>

namespace tsugi {

struct Codec {
  std::string library;  ///< and its version; "" where this build cannot decode the kind
  std::string
      missing;  ///< what to do to have it, or to have a better one: "install libwebp-dev and build again"; or ""
};

}  // namespace tsugi
