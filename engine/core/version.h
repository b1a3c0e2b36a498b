// What this library is: its version, and how it was compiled. Written into checkpoints and result files as provenance.
#pragma once

namespace tsugi {

/// The version of the library, such as "0.1.0".
const char* version();

/// The compiler and the settings that this library was built with, such as "GNU 12.2.0, Release, -march=native, oneDNN".
const char* build_description();

}  // namespace tsugi
