// The text part of a checkpoint, as the string -> string map of a .safetensors header. Internal to engine/formats.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "engine/formats/checkpoint.h"

namespace tsugi {

/// How many of a file's tensors, in the header's order, are parameters, how many are statistics after them, statistics
/// of people after those, and rows of strangers. The moments are the rest. Scales of int8 parameters do not count.
struct TensorCounts {
  std::size_t parameters = 0;
  std::size_t statistics = 0;
  std::size_t people = 0;
  std::size_t strangers = 0;
};

/// The map for `checkpoint` stored as `kind`; "sha256" is 64 zeros. Compact kinds leave out what only the server needs.
/// Throws on JSON texts that are not objects, and on duplicate or unknown class names.
std::map<std::string, std::string> format_metadata(const Checkpoint& checkpoint, CheckpointKind kind);

/// Fills everything but the tensors. Throws, with `place`, on anything missing, unknown or malformed.
TensorCounts parse_metadata(const std::map<std::string, std::string>& metadata, const std::string& place,
                            Checkpoint& checkpoint);

}  // namespace tsugi
