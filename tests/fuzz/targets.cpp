// Fuzz targets of what engine/formats, engine/handover and engine/tuning read, and what must hold for bytes that they
// accept.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/core/sha256.h"
#include "engine/formats/checkpoint.h"
#include "engine/formats/gzip.h"
#include "engine/formats/safetensors.h"
#include "engine/handover/bundle.h"
#include "engine/handover/manifest.h"
#include "engine/tuning/tuning_file.h"
#include "tests/fuzz/targets.h"

namespace tsugi::fuzz {

Bytes with_right_digest(Bytes bytes, const std::string& key) {
  const auto found = std::search(bytes.begin(), bytes.end(), key.begin(), key.end());
  if (bytes.end() - found < static_cast<std::ptrdiff_t>(key.size() + 64)) return bytes;
  const auto digits = found + static_cast<std::ptrdiff_t>(key.size());
  std::fill_n(digits, 64, std::uint8_t{'0'});
  const std::string digest = sha256_hex(bytes);
  std::copy(digest.begin(), digest.end(), digits);
  return bytes;
}

Bundle decode_bundle(const Bytes& bytes) {
  const auto path = std::filesystem::temp_directory_path() / ("tsugi-fuzz-" + std::to_string(::getpid()) + ".tar");
  struct Removal {
    const std::filesystem::path& path;
    ~Removal() {
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
    }
  } const removal{path};
  std::ofstream file;
  file.exceptions(std::ios::badbit | std::ios::failbit);  // no Error: a full disk is no refusal of the input
  file.open(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return read_bundle(path.string());
}

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
  const Bytes repaired = with_right_digest({bytes, bytes + size});
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

bool packed(const std::uint8_t* bytes, std::size_t size) {
  static const Bytes outer = seeds::checkpoint().back();  // int8
  return accepts([&] {
    SafetensorsFile file = decode_safetensors(outer.data(), outer.size(), "the seed");
    NamedTensor& tensor = file.tensors.at(0);
    tensor.data = gzip({bytes, bytes + size});
    tensor.shape = {static_cast<std::int64_t>(tensor.data.size())};
    file.metadata["packed_from"] = std::to_string(size);
    const Bytes sealed = with_right_digest(encode_safetensors(file));
    decode_checkpoint(sealed.data(), sealed.size(), "input");
  });
}

bool gzip_data(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::uint64_t kMost = 1 << 20;
  std::uint64_t unpacked = 0;  // what the stream's own end says
  for (std::size_t i = 0; i < 4 && size >= 4; ++i) unpacked |= std::uint64_t{bytes[size - 4 + i]} << 8 * i;
  return unpacked <= kMost && accepts([&] {
           const Bytes content = gunzip({bytes, bytes + size}, unpacked, "input");
           expect(gunzip(gzip(content), content.size(), "again") == content, "gzip: round trip");
         });
}

bool manifest(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Manifest content = parse_manifest(text_of(bytes, size), "input");
    expect(parse_manifest(format_manifest(content), "again").members.size() == content.members.size(),
           "manifest: round trip");
    for (const auto& member : content.members)
      expect(member.name[0] != '/' && member.name.find("/../") == std::string::npos,
             "manifest: a name leads out of the bundle");
  });
}

bool bundle(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const Bundle content = decode_bundle({bytes, bytes + size});
    for (const auto& [name, file] : content.tensors)
      expect(name.find_first_of("/.") == std::string::npos, "bundle: arrays with another name");
    for (const auto& photo : content.photos)
      expect(photo.bytes != nullptr && photo.file.find('/') == std::string::npos, "bundle: a photo without bytes");
  });
}

bool tuning(const std::uint8_t* bytes, std::size_t size) {
  const Bytes repaired = with_right_digest({bytes, bytes + size}, "\"sha256\": \"");
  return accepts([&] {
    const TuningFile content = parse_tuning_file(std::string(repaired.begin(), repaired.end()), "input");
    const TuningFile back = parse_tuning_file(to_json(content), "again");
    expect(back.calls.size() == content.calls.size() && back.device == content.device, "tuning: round trip");
    for (const TunedKernel& one : content.calls) validate(one.call.shape, "tuning: an accepted shape");
    (void)inc_rows(content);
  });
}

}  // namespace tsugi::fuzz
