// The container: length, padded header, data.
#include "engine/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "engine/core/input_file.h"
#include "engine/core/text.h"
#include "engine/formats/safetensors_header.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100000000;  // the format's own limit
constexpr std::size_t kAlignment = 8;

void check_tensor(const NamedTensor& tensor) {
  const std::string place = "tensor " + shown(tensor.name);
  const auto count = static_cast<std::uint64_t>(element_count(tensor.shape, place));
  const std::size_t element = size_of(tensor.dtype);
  if (tensor.data.size() % element != 0 || tensor.data.size() / element != count)
    throw Error(place + " has " + std::to_string(tensor.data.size()) + " bytes, its shape has " +
                std::to_string(count) + " elements of " + std::to_string(element) + " bytes");
}

void check_names(const std::vector<NamedTensor>& tensors) {
  std::set<std::string> names;
  for (const auto& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == "__metadata__")
      throw Error("safetensors: a tensor is named " + shown(tensor.name) + ", a name of its own expected");
    if (!names.insert(tensor.name).second)
      throw Error("safetensors: two tensors are named " + shown(tensor.name) + ", one expected");
  }
}

// The order of the data: largest element type first.
std::vector<std::size_t> data_order(const std::vector<NamedTensor>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return size_of(tensors[a].dtype) > size_of(tensors[b].dtype); });
  return order;
}

std::uint64_t header_length(const std::uint8_t* bytes, std::uint64_t size, const std::string& place) {
  if (size < 8)
    throw Error(place + ": has " + std::to_string(size) + " bytes, at least 8 expected (not a .safetensors file?)");
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
  if (length > kMaxHeaderBytes || length > size - 8)
    throw Error(place + ": the header has " + std::to_string(length) + " bytes, at most " +
                std::to_string(std::min<std::uint64_t>(kMaxHeaderBytes, size - 8)) +
                " expected (cut, or not a .safetensors file?)");
  return length;
}

// Of a file of `size` bytes.
SafetensorsHeader checked_header(const char* text, std::uint64_t length, std::uint64_t size, const std::string& place) {
  if (length == 0 || text[0] != '{')
    throw Error(place + ": the header does not begin with '{' (not a .safetensors file?)");
  return parse_header(text, static_cast<std::size_t>(length), size - 8 - length, place);
}

struct PeekedHeader {
  std::uint64_t length;
  SafetensorsHeader header;
};

PeekedHeader peek_header(InputFile& file, const std::string& place) {
  std::uint8_t prefix[8] = {};
  (void)file.peek(0, prefix, std::min<std::size_t>(sizeof prefix, file.size()));
  const std::uint64_t length = header_length(prefix, file.size(), place);
  std::string text(static_cast<std::size_t>(length), '\0');
  if (!file.peek(sizeof prefix, &text[0], text.size())) throw Error(place + ": its header cannot be read");
  return {length, checked_header(text.data(), length, file.size(), place)};
}

}  // namespace

std::int64_t element_count(const std::vector<std::int64_t>& shape, const std::string& place) {
  // Overflow counts even where another extent is 0, as in the format's own library.
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw Error(place + " has extent " + std::to_string(extent) + ", at least 0 expected");
    if (__builtin_mul_overflow(count, extent, &count))
      throw Error(place + " has a shape of more than 2^63 elements (extent " + std::to_string(extent) + ")");
  }
  return count;
}

NamedTensor make_tensor(const std::string& name, const std::vector<std::int64_t>& shape, const float* values) {
  NamedTensor tensor{name, DType::f32, shape, {}};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(values);
  const auto count = static_cast<std::size_t>(element_count(shape, "tensor " + shown(name)));
  if (count > 0) tensor.data.assign(bytes, bytes + count * sizeof(float));
  return tensor;
}

std::vector<float> values_of(const NamedTensor& tensor) {
  check_tensor(tensor);
  if (tensor.dtype != DType::f32)
    throw Error("tensor " + shown(tensor.name) + " has elements of " + std::to_string(size_of(tensor.dtype)) +
                " bytes, float32 expected");
  std::vector<float> values(tensor.data.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

const NamedTensor* find_tensor(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const auto& tensor : tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

std::vector<std::uint8_t> encode_safetensors(const SafetensorsFile& file) {
  check_names(file.tensors);
  for (const auto& tensor : file.tensors) check_tensor(tensor);
  SafetensorsHeader header;
  header.metadata = file.metadata;
  for (const auto& tensor : file.tensors) header.entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
  const auto order = data_order(file.tensors);
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    header.entries[i].begin = end;
    header.entries[i].end = end += file.tensors[i].data.size();
  }
  std::string text = format_header(header);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (text.size() > kMaxHeaderBytes)
    throw Error("safetensors: the header has " + std::to_string(text.size()) + " bytes, at most " +
                std::to_string(kMaxHeaderBytes) + " expected");

  std::vector<std::uint8_t> bytes;
  bytes.reserve(8 + text.size() + static_cast<std::size_t>(end));
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(text.size()) >> shift));
  bytes.insert(bytes.end(), text.begin(), text.end());
  for (const std::size_t i : order) bytes.insert(bytes.end(), file.tensors[i].data.begin(), file.tensors[i].data.end());
  return bytes;
}

SafetensorsFile decode_safetensors(const std::uint8_t* bytes, std::size_t size, const std::string& place) {
  const std::uint64_t length = header_length(bytes, size, place);
  SafetensorsHeader header = checked_header(reinterpret_cast<const char*>(bytes + 8), length, size, place);
  const std::uint8_t* data = bytes + 8 + length;

  SafetensorsFile file;
  file.metadata = std::move(header.metadata);
  file.tensors.reserve(header.entries.size());
  for (auto& entry : header.entries)
    file.tensors.push_back(
        {std::move(entry.name), entry.dtype, std::move(entry.shape), {data + entry.begin, data + entry.end}});
  return file;
}

SafetensorsLayout look_at_safetensors(InputFile& file, const std::string& place) {
  const PeekedHeader found = peek_header(file, place);
  SafetensorsLayout layout;
  layout.data = 8 + found.length;
  layout.file.metadata = found.header.metadata;
  for (const TensorEntry& entry : found.header.entries)
    layout.file.tensors.push_back({entry.name, entry.dtype, entry.shape, {}});
  return layout;
}

SafetensorsFile read_safetensors(InputFile& file, const std::string& place) {
  PeekedHeader found = peek_header(file, place);
  const auto read = [&](std::uint8_t* to, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
      const std::size_t got = file.read(to + done, size - done);
      if (got == 0) throw Error(place + ": ended before its " + std::to_string(file.size()) + " bytes were read");
      done += got;
    }
  };
  std::vector<std::uint8_t> header(8 + static_cast<std::size_t>(found.length));
  read(header.data(), header.size());
  SafetensorsFile result;
  result.metadata = std::move(found.header.metadata);
  std::vector<TensorEntry>& entries = found.header.entries;
  for (TensorEntry& entry : entries)
    result.tensors.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape), {}});
  for (const std::size_t i : found.header.order) {
    result.tensors[i].data.resize(static_cast<std::size_t>(entries[i].end - entries[i].begin));
    read(result.tensors[i].data.data(), result.tensors[i].data.size());
  }
  file.complete();
  return result;
}

}  // namespace tsugi
