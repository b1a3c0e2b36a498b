// Looks at a file's first 512 bytes.
#include "engine/formats/file_kind.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/core/input_file.h"

namespace tsugi {

FileKind detect_file_kind(const std::uint8_t* head, std::size_t size) {
  const auto starts_with = [&](const char* magic, std::size_t length, std::size_t at = 0) {
    return size >= at + length && std::memcmp(head + at, magic, length) == 0;
  };
  if (starts_with("ustar", 5, 257)) return FileKind::tar;
  if (starts_with("\x1f\x8b", 2) || starts_with("BZh", 3) ||
      starts_with("\xfd"
                  "7zXZ",
                  5) ||
      starts_with("\x28\xb5\x2f\xfd", 4) || starts_with("PK\x03\x04", 4))
    return FileKind::compressed;
  // A header length below 2^32, then the header's opening brace.
  const bool short_header = size >= 8 && std::all_of(head + 4, head + 8, [](std::uint8_t byte) { return byte == 0; });
  if (short_header && starts_with("{", 1, 8)) return FileKind::safetensors;
  return FileKind::unknown;
}

FileKind detect_file_kind(const std::string& path, FileLog* files) {
  std::array<std::uint8_t, kFileKindBytes> head{};
  InputFile file(path, {"first bytes", files});
  std::size_t size = 0, got = 1;
  while (size < head.size() && got > 0) size += got = file.read(head.data() + size, head.size() - size);
  file.complete();
  return detect_file_kind(head.data(), size);
}

}  // namespace tsugi
