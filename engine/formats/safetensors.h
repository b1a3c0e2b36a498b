// The .safetensors container: an 8-byte header length, a JSON header, then the tensors' bytes, little endian.
// Checkpoints are such files. What is read is hostile until checked.
// Source: https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/api/types.h"

namespace tsugi {

class InputFile;

/// A named array in host memory, row major, little endian.
struct NamedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  ///< outermost first; empty: one element
  std::vector<std::uint8_t> data;   ///< element_count(shape) * size_of(dtype) bytes
};

/// What a file holds. Tensors keep the order in which the header lists them.
struct SafetensorsFile {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Product of the extents. Throws on negative extents and on overflow; `place` opens the message.
std::int64_t element_count(const std::vector<std::int64_t>& shape, const std::string& place);

/// A float32 tensor holding a copy of element_count(shape) values (host).
NamedTensor make_tensor(const std::string& name, const std::vector<std::int64_t>& shape, const float* values);

/// A float32 tensor's values. Throws when it is of another type, or when its bytes do not match its shape.
std::vector<float> values_of(const NamedTensor& tensor);

/// The tensor of that name, or nullptr.
const NamedTensor* find_tensor(const std::vector<NamedTensor>& tensors, const std::string& name);

/// The file's bytes. The header is padded with spaces to a multiple of 8; data lies largest element type first, so that
/// every tensor is aligned, and without holes. Throws on duplicate or empty names and on bytes that do not match the
/// shape.
std::vector<std::uint8_t> encode_safetensors(const SafetensorsFile& file);

/// Reads such bytes (host); `place`, the file's name, opens every message. Throws on everything that breaks the format:
/// cut or overlong files, invalid JSON, duplicate names, unknown types, offsets that overlap, leave holes or exceed the
/// file, and shapes that overflow or do not match their bytes.
SafetensorsFile decode_safetensors(const std::uint8_t* bytes, std::size_t size, const std::string& place);

/// The same from a file.
SafetensorsFile read_safetensors(InputFile& file, const std::string& place);

/// A file's header, checked against the file's size; its tensors have no data. Reads no more than the header, and
/// leaves the place where `file` is read from as it was.
struct SafetensorsLayout {
  SafetensorsFile file;
  std::uint64_t data = 0;  ///< where the data begin
};
SafetensorsLayout look_at_safetensors(InputFile& file, const std::string& place);

}  // namespace tsugi
