// The JSON header of a .safetensors file, as text and as entries. Internal to engine/formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/api/types.h"

namespace tsugi {

/// One tensor as the header describes it; `begin` and `end` are byte offsets into the data that follows the header.
struct TensorEntry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  ///< in the order of the text
  std::vector<std::size_t> order;    ///< of the data: numbers of entries
  std::map<std::string, std::string> metadata;
};

/// The JSON text, not padded. Throws when a name or a metadata string is not UTF-8.
std::string format_header(const SafetensorsHeader& header);

/// Reads such text. Throws on anything but the exact structure, and unless the entries cover `data_bytes` without holes
/// or overlaps, each with as many bytes as its shape needs.
SafetensorsHeader parse_header(const char* text, std::size_t size, std::uint64_t data_bytes, const std::string& place);

}  // namespace tsugi
