// Tells checkpoints and bundles apart by their content, never by their name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/core/file_log.h"

namespace tsugi {

enum class FileKind : std::uint8_t { safetensors, tar, compressed, unknown };

/// How many of a file's first bytes are looked at.
constexpr std::size_t kFileKindBytes = 512;

/// What the file's first bytes say it is; `size` is less than kFileKindBytes only where the file is. Nothing else of it
/// is checked.
FileKind detect_file_kind(const std::uint8_t* head, std::size_t size);
/// The same of a file. Throws when it cannot be read or is not a regular file.
FileKind detect_file_kind(const std::string& path, FileLog* files = nullptr);

}  // namespace tsugi
