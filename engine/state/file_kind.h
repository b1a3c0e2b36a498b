// Tells checkpoints and bundles apart by their content, never by their name.
#pragma once

#include <cstdint>
#include <string>

namespace tsugi {

enum class FileKind : std::uint8_t { safetensors, tar, compressed, unknown };

/// What the file's first bytes say it is. Nothing else of it is checked. Throws when it cannot be read.
FileKind detect_file_kind(const std::string& path);

}  // namespace tsugi
