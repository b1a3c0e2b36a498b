// Small things that everything needs which calls the system for files. Internal to the library and the tools.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace tsugi {

/// Calls again for as long as signals interrupt: `call` returns below 0 and leaves EINTR in errno.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// What an errno means, in words.
inline std::string system_reason(int code) { return std::generic_category().message(code); }

/// The folder that the file at `path` lies in.
inline std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Its name there.
inline std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// The file behind `path`, which may be a link to it; `path` itself where there is no file yet.
inline std::string behind_links(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result(real);
  std::free(real);
  return result;
}

}  // namespace tsugi
