// What this library is: its version, and how it was compiled. Written into checkpoints and result files as provenance.
#pragma once

namespace tsugi {

/// The version of the library, such as "0.1.0".
const char* version();

/// The compiler and the settings that this library was built with, such as "GNU 12.2.0, Release, -march=native,
/// oneDNN".
const char* build_description();

/// The commit that this library was built from, such as "0123456789ab", with "-dirty" behind it where files differed
/// from it; "unknown" outside a checkout.
const char* commit();

}  // namespace tsugi
