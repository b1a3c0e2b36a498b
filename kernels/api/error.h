// The typed error that every public entry of tsugi throws: it names the place and both values.
#pragma once

#include <stdexcept>
#include <string>

namespace tsugi {

/// Thrown on unusable arguments, unusable files and failed devices. what() reads
/// "<place>: <what was found>, <what was expected>", for example
/// "conv2d: input has 32 channels, weights expect 64".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace tsugi
