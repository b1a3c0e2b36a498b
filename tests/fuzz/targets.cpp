// The fuzz targets, and what must hold for bytes that they accept.
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/core/sha256.h"
#include "engine/state/bundle.h"
#include "engine/state/checkpoint.h"
#include "engine/state/manifest.h"
#include "engine/state/safetensors.h"
#include "engine/tuning/tuning_file.h"
#include "kernels/api/error.h"

namespace tsugi::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

template <typename Read>
bool accepts(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Otherwise the digest would stop nearly every input before the code behind it.
Bytes with_right_digest(const std::uint8_t* bytes, std::size_t size, const std::string& key = "\"sha256\":\"") {
  Bytes result(bytes, bytes + size);
  const auto found = std::search(result.begin(), result.end(), key.begin(), key.end());
  if (result.end() - found < static_cast<std::ptrdiff_t>(key.size() + 64)) return result;
  const auto digits = found + static_cast<std::ptrdiff_t>(key.size());
  std::fill_n(digits, 64, std::uint8_t{'0'});
  const std::string digest = sha256_hex(result);
  std::copy(digest.begin(), digest.end(), digits);
  return result;
}

}  // namespace

bool safetensors(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const SafetensorsFile file = decode_safetensors(bytes, size, "input");
    const Bytes again = encode_safetensors(file);
    const SafetensorsFile back = decode_safetensors(again.data(), again.size(), "again");
    expect(back.tensors.size() == file.tensors.size() && back.metadata == file.metadata, "safetensors: round trip");
    for (std::size_t i = 0; i < file.tensors.size(); ++i)
      expect(back.tensors[i].data == file.tensors[i].data && back.tensors[i].shape == file.tensors[i].shape,
             "safetensors: round trip of a tensor");
  });
}

bool checkpoint(const std::uint8_t* bytes, std::size_t size) {
  const Bytes repaired = with_right_digest(bytes, size);
  return accepts([&] {
    const Checkpoint content = decode_checkpoint(repaired.data(), repaired.size(), "input");
    const Bytes again = encode_checkpoint(content, CheckpointKind::full);
    const Checkpoint back = decode_checkpoint(again.data(), again.size(), "again");
    expect(back.parameters.size() == content.parameters.size() && back.class_names == content.class_names,
           "checkpoint: round trip");
    for (const auto kind : {CheckpointKind::fp16, CheckpointKind::int8})
      accepts([&] { encode_checkpoint(content, kind); });  // refuses NaN
  });
}

bool manifest(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Manifest content = parse_manifest(std::string(bytes, bytes + size), "input");
    expect(parse_manifest(format_manifest(content), "again").members.size() == content.members.size(),
           "manifest: round trip");
    for (const auto& member : content.members)
      expect(member.name[0] != '/' && member.name.find("/../") == std::string::npos,
             "manifest: a name leads out of the bundle");
  });
}

bool bundle(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Bundle content = decode_bundle(bytes, size, "input");
    for (const auto& [name, file] : content.tensors)
      expect(name.find_first_of("/.") == std::string::npos, "bundle: arrays with another name");
    for (const auto& photo : content.photos)
      expect(photo.bytes != nullptr && photo.file.find('/') == std::string::npos, "bundle: a photo without bytes");
  });
}

bool tuning(const std::uint8_t* bytes, std::size_t size) {
  const Bytes repaired = with_right_digest(bytes, size, "\"sha256\": \"");
  return accepts([&] {
    const TuningFile content = parse_tuning_file(std::string(repaired.begin(), repaired.end()), "input");
    const TuningFile back = parse_tuning_file(to_json(content), "again");
    expect(back.calls.size() == content.calls.size() && back.device == content.device, "tuning: round trip");
    for (const TunedKernel& one : content.calls) validate(one.call.shape, "tuning: an accepted shape");
    (void)inc_rows(content);
  });
}

}  // namespace tsugi::fuzz
