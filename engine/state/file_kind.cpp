// Looks at a file's first 512 bytes.
#include "engine/state/file_kind.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "kernels/api/error.h"

namespace tsugi {

FileKind detect_file_kind(const std::string& path) {
  std::array<char, 512> head{};
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path + ": cannot be opened: " + std::strerror(errno));
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (file.bad()) throw Error(path + ": cannot be read, a checkpoint or a bundle expected");
  const auto size = static_cast<std::size_t>(file.gcount());
  const auto starts_with = [&](const char* magic, std::size_t length, std::size_t at = 0) {
    return size >= at + length && std::memcmp(head.data() + at, magic, length) == 0;
  };
  if (starts_with("ustar", 5, 257)) return FileKind::tar;
  if (starts_with("\x1f\x8b", 2) || starts_with("BZh", 3) ||
      starts_with("\xfd"
                  "7zXZ",
                  5) ||
      starts_with("\x28\xb5\x2f\xfd", 4) || starts_with("PK\x03\x04", 4))
    return FileKind::compressed;
  // A header length below 2^32, then the header's opening brace.
  const bool short_header = std::all_of(head.begin() + 4, head.begin() + 8, [](char c) { return c == 0; });
  if (short_header && starts_with("{", 1, 8)) return FileKind::safetensors;
  return FileKind::unknown;
}

}  // namespace tsugi
