// Header text <-> entries. Parsing is a SAX pass that accepts the one structure that the format allows, so hostile JSON
// builds no tree.
#include "engine/formats/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "engine/core/text.h"
#include "engine/formats/safetensors.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using nlohmann::json;

struct DTypeName {
  DType dtype;
  const char* name;
};
constexpr DTypeName kDTypeNames[] = {
    {DType::f32, "F32"}, {DType::f16, "F16"}, {DType::bf16, "BF16"}, {DType::i8, "I8"}, {DType::u8, "U8"}};

// Accepts {"__metadata__": {string: string}, name: {"dtype": string, "shape": [int], "data_offsets": [int, int]}}.
class HeaderReader : public json::json_sax_t {
 public:
  HeaderReader(const std::string& place, SafetensorsHeader& header) : place_(place), header_(header) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_float(number_float_t, const string_t& text) override { return unexpected("number " + shown(text)); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool number_integer(number_integer_t value) override { return unexpected("number " + std::to_string(value)); }

  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) return unexpected("number " + std::to_string(value));
    if (field_ == "shape") {
      if (value > static_cast<number_unsigned_t>(INT64_MAX)) return unexpected("extent " + std::to_string(value));
      entry_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (offsets_ == 2) fail(where() + " has more than 2 data_offsets, 2 expected");
    (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      if (!header_.metadata.emplace(field_, value).second) fail("metadata " + shown(field_) + " stands twice");
      return true;
    }
    if (depth_ != 2 || field_ != "dtype") return unexpected("string " + shown(value));
    for (const auto& known : kDTypeNames)
      if (value == known.name) {
        entry_.dtype = known.dtype;
        return true;
      }
    fail(where() + " has dtype " + shown(value) + ", one of F32 F16 BF16 I8 U8 expected");
  }

  bool start_object(std::size_t) override {
    if (depth_ >= 2) return unexpected("an object");
    ++depth_;
    if (depth_ == 2) {
      entry_ = TensorEntry{};
      entry_.name = name_;
      fields_.clear();
      offsets_ = 0;
    }
    return true;
  }

  bool end_object() override {
    if (depth_ == 2 && !in_metadata_) {
      for (const char* needed : {"dtype", "shape", "data_offsets"})
        if (fields_.count(needed) == 0) fail(where() + " has no " + needed + ", one expected");
      if (offsets_ != 2) fail(where() + " has " + std::to_string(offsets_) + " data_offsets, 2 expected");
      header_.entries.push_back(std::move(entry_));
    }
    --depth_;
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || (field_ != "shape" && field_ != "data_offsets")) return unexpected("an array");
    ++depth_;
    return true;
  }

  bool end_array() override {
    --depth_;
    return true;
  }

  bool key(string_t& name) override {
    field_.clear();
    if (depth_ == 1) {
      if (!names_.insert(name).second) fail("tensor " + shown(name) + " stands twice in the header");
      if (name.empty()) fail("a tensor has an empty name, a name expected");
      name_ = name;
      in_metadata_ = name == "__metadata__";
      return true;
    }
    field_ = name;
    if (in_metadata_) return true;
    if (name != "dtype" && name != "shape" && name != "data_offsets")
      fail(where() + " has field " + shown(name) + ", dtype, shape or data_offsets expected");
    if (!fields_.insert(name).second) fail(where() + " has two fields " + shown(name));
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail("the header is not valid JSON at its byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(place_ + ": " + what); }

  bool unexpected(const std::string& what) const {
    static const char* const kExpected[] = {"an object", "objects by name", "", "integers >= 0"};
    if (depth_ == 2) fail(where() + " has " + what + " for " + shown(field_) + ", " + expected_field() + " expected");
    fail((depth_ == 3 ? where() : std::string("the header")) + " has " + what + ", " + kExpected[depth_] + " expected");
  }

  std::string expected_field() const {
    if (in_metadata_ || field_ == "dtype") return "a string";
    return "an array of integers";
  }

  std::string where() const { return in_metadata_ ? "__metadata__" : "tensor " + shown(name_); }

  const std::string& place_;
  SafetensorsHeader& header_;
  int depth_ = 0;  // 1: in the header's object, 2: in a tensor's or the metadata's, 3: in an array of numbers
  bool in_metadata_ = false;
  std::string name_;
  std::string field_;
  TensorEntry entry_;
  int offsets_ = 0;
  std::set<std::string> names_;
  std::set<std::string> fields_;
};

/// The order of the entries' data. Throws unless they cover `data_bytes` without holes or overlaps, each with as many
/// bytes as its shape needs.
std::vector<std::size_t> data_order(const std::vector<TensorEntry>& entries, std::uint64_t data_bytes,
                                    const std::string& place) {
  const auto where = [&](const TensorEntry& entry) { return place + ": tensor " + shown(entry.name); };
  const auto range = [](const TensorEntry& entry) {
    return std::to_string(entry.begin) + " to " + std::to_string(entry.end);
  };
  for (const auto& entry : entries) {
    if (entry.begin > entry.end || entry.end > data_bytes)
      throw Error(where(entry) + " lies at bytes " + range(entry) + ", the file has " + std::to_string(data_bytes) +
                  " bytes of data");
    const auto count = static_cast<std::uint64_t>(element_count(entry.shape, where(entry)));
    const std::uint64_t bytes = entry.end - entry.begin;
    if (count > UINT64_MAX / size_of(entry.dtype) || count * size_of(entry.dtype) != bytes)
      throw Error(where(entry) + " has " + std::to_string(bytes) + " bytes, its shape has " + std::to_string(count) +
                  " elements of " + std::to_string(size_of(entry.dtype)) + " bytes");
  }
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::make_pair(entries[a].begin, entries[a].end) < std::make_pair(entries[b].begin, entries[b].end);
  });
  std::uint64_t covered = 0;
  for (const std::size_t i : order) {
    if (entries[i].begin != covered)
      throw Error(where(entries[i]) + " lies at bytes " + range(entries[i]) + ", expected to begin at byte " +
                  std::to_string(covered) + (entries[i].begin < covered ? " (it overlaps)" : " (it leaves a hole)"));
    covered = entries[i].end;
  }
  if (covered != data_bytes)
    throw Error(place + ": its tensors end at byte " + std::to_string(covered) + " of the data, the file has " +
                std::to_string(data_bytes));
  return order;
}

}  // namespace

std::string format_header(const SafetensorsHeader& header) {
  nlohmann::ordered_json root = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) root["__metadata__"] = header.metadata;
  for (const auto& entry : header.entries) {
    const char* dtype = "";
    for (const auto& known : kDTypeNames)
      if (known.dtype == entry.dtype) dtype = known.name;
    // push_back, not []: ordered_json looks through all of its keys on [].
    root.push_back(
        {entry.name, {{"dtype", dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}}});
  }
  try {
    return root.dump();
  } catch (const json::exception&) {
    throw Error("safetensors: a name or a metadata text is not UTF-8, UTF-8 expected");
  }
}

SafetensorsHeader parse_header(const char* text, std::size_t size, std::uint64_t data_bytes, const std::string& place) {
  SafetensorsHeader header;
  HeaderReader reader(place, header);
  json::sax_parse(text, text + size, &reader);
  header.order = data_order(header.entries, data_bytes, place);
  return header;
}

}  // namespace tsugi
