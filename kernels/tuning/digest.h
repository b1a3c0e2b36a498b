// What measured times of kernels belong to.
#pragma once

namespace tsugi {

/// A digest of everything under kernels/ and of how it was compiled, 64 hex digits: times measured with another one say
/// nothing.
const char* kernels_digest();

}  // namespace tsugi
