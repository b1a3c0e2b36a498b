// Checkpoint <-> .safetensors bytes. The header lists parameters, statistics, those of people, rows of strangers, then
// each buffer of moments as "<buffer>/<parameter>"; an int8 tensor is followed by its scale. int8 files hold one tensor
// of bytes, "packed": the tensors as a .safetensors file of their own, gzipped, since plain int8 with its scales and
// header is some percent more than an eighth of a full checkpoint. "sha256" in the metadata is the digest of the whole
// file with its own 64 digits replaced by zeros.
#include "engine/formats/checkpoint.h"

#include <algorithm>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/formats/checkpoint_metadata.h"
#include "engine/formats/file_kind.h"
#include "engine/formats/gzip.h"
#include "engine/formats/quantize.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kDigits = 64;

// Where the digest's digits lie. Quotes inside JSON strings are escaped, so this text can only be the metadata's own
// key.
std::size_t digest_position(const std::uint8_t* bytes, std::size_t size, const std::string& place) {
  static const char kKey[] = "\"sha256\":\"";
  constexpr std::size_t kKeyLength = sizeof kKey - 1;
  const auto* found = std::search(bytes, bytes + size, kKey, kKey + kKeyLength);
  const auto position = static_cast<std::size_t>(found - bytes) + kKeyLength;
  if (found == bytes + size || size - position < kDigits + 1 || bytes[position + kDigits] != '"')
    throw Error(place + ": has no digest of 64 digits in its metadata, one expected (not a tsugi checkpoint?)");
  return position;
}

std::string digest_of(const std::uint8_t* bytes, std::size_t size, std::size_t position) {
  Sha256 digest;
  digest.update(bytes, position);
  digest.update(std::string(kDigits, '0').data(), kDigits);
  digest.update(bytes + position + kDigits, size - position - kDigits);
  return digest.hex();
}

void check_same_digest(const std::string& stored, const std::string& found, const std::string& place) {
  if (stored != found)
    throw Error(place + ": its bytes have digest " + found + ", " + shown(stored) +
                " expected (damaged, or changed by another program)");
}

void check_digest(const std::uint8_t* bytes, std::size_t size, const std::string& place) {
  const std::size_t position = digest_position(bytes, size, place);
  check_same_digest(std::string(reinterpret_cast<const char*>(bytes + position), kDigits),
                    digest_of(bytes, size, position), place);
}

// The same of a file, a piece at a time: a damaged one is refused before its tensors take memory. The key lies in the
// header.
void check_digest(InputFile& file, std::uint64_t data, const std::string& place) {
  std::vector<std::uint8_t> piece(static_cast<std::size_t>(data));
  const auto fill = [&](std::uint64_t from) {
    if (!file.peek(from, piece.data(), piece.size()))
      throw Error(place + ": cannot be read again, " + std::to_string(file.size()) + " bytes expected");
  };
  fill(0);
  const std::size_t position = digest_position(piece.data(), piece.size(), place);
  const std::string stored(reinterpret_cast<const char*>(piece.data() + position), kDigits);
  std::fill_n(piece.begin() + static_cast<std::ptrdiff_t>(position), kDigits, std::uint8_t{'0'});
  Sha256 digest;
  digest.update(piece.data(), piece.size());
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  for (std::uint64_t at = data; at < file.size(); at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min(kPiece, file.size() - at)));
    fill(at);
    digest.update(piece.data(), piece.size());
  }
  check_same_digest(stored, digest.hex(), place);
}

void check_tensors(const std::vector<NamedTensor>& tensors, const std::string& place) {
  for (const auto& tensor : tensors) {
    if (tensor.dtype != DType::f32)
      throw Error(place + ": tensor " + shown(tensor.name) + " has elements of " +
                  std::to_string(size_of(tensor.dtype)) + " bytes, float32 expected");
    if (tensor.name.find('/') != std::string::npos)
      throw Error(place + ": tensor " + shown(tensor.name) + " has a '/' in its name, which only moments have");
  }
}

void check_moments(const Checkpoint& checkpoint, const std::string& place) {
  for (const auto& [buffer, tensors] : checkpoint.moments) {
    if (buffer.empty() || buffer.find('/') != std::string::npos)
      throw Error(place + ": moments are named " + shown(buffer) + ", a name without '/' expected");
    if (tensors.size() != checkpoint.parameters.size())
      throw Error(place + ": " + shown(buffer) + " has " + std::to_string(tensors.size()) + " tensors, " +
                  std::to_string(checkpoint.parameters.size()) + " parameters expect as many");
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].name != checkpoint.parameters[i].name || tensors[i].shape != checkpoint.parameters[i].shape)
        throw Error(place + ": tensor " + std::to_string(i) + " of " + shown(buffer) + " is " + shown(tensors[i].name) +
                    ", the parameter is " + shown(checkpoint.parameters[i].name) +
                    "; the same name and shape expected");
  }
}

void append(SafetensorsFile& file, const std::vector<NamedTensor>& tensors, CheckpointKind kind) {
  for (const auto& tensor : tensors) {
    if (kind == CheckpointKind::full) {
      file.tensors.push_back(tensor);
    } else if (kind == CheckpointKind::int8 && wants_int8(tensor)) {
      for (auto& part : to_int8(tensor)) file.tensors.push_back(std::move(part));
    } else {
      file.tensors.push_back(to_half(tensor));
    }
  }
}

constexpr const char* kPacked = "packed";
constexpr const char* kUnpackedSize = "packed_from";
constexpr std::uint64_t kMostUnpacked = std::uint64_t{1}
                                        << 30;  // a gigabyte of int8: far beyond the devices meant here
// Trained weights shrink by a little. gzip could make a thousand bytes of one.
constexpr std::uint64_t kSmallUnpacked = std::uint64_t{16} << 20, kMostRatio = 16;

void pack(SafetensorsFile& file) {
  SafetensorsFile inner;
  inner.tensors = std::move(file.tensors);
  const std::vector<std::uint8_t> bytes = encode_safetensors(inner);
  std::vector<std::uint8_t> packed = gzip(bytes);
  const auto size = static_cast<std::int64_t>(packed.size());
  file.metadata[kUnpackedSize] = std::to_string(bytes.size());
  file.tensors = {{kPacked, DType::u8, {size}, std::move(packed)}};
}

void unpack(SafetensorsFile& file, const std::string& place) {
  if (file.tensors.size() != 1 || file.tensors[0].name != kPacked || file.tensors[0].dtype != DType::u8)
    throw Error(place + ": has " + std::to_string(file.tensors.size()) + " tensors, one of bytes named " +
                shown(kPacked) + " expected in an int8 checkpoint");
  const std::string& text = file.metadata[kUnpackedSize];
  const bool number = !text.empty() && text.size() <= 10 && text.find_first_not_of("0123456789") == std::string::npos;
  const std::uint64_t most = std::min(kMostUnpacked, kSmallUnpacked + kMostRatio * file.tensors[0].data.size());
  if (!number || std::stoull(text) > most)
    throw Error(place + ": " + kUnpackedSize + " is " + shown(text) + ", a number of bytes up to " +
                std::to_string(most) + " expected of " + std::to_string(file.tensors[0].data.size()) + " packed ones");
  const std::string where = place + ": tensor " + shown(kPacked);
  const auto bytes = gunzip(file.tensors[0].data, std::stoull(text), where);
  file.tensors = decode_safetensors(bytes.data(), bytes.size(), where).tensors;
}

// Hands out a file's tensors in order, dequantised to float32.
class TensorReader {
 public:
  TensorReader(std::vector<NamedTensor>& tensors, CheckpointKind kind, const std::string& place)
      : tensors_(tensors), kind_(kind), place_(place) {}

  bool done() const { return next_ == tensors_.size(); }

  NamedTensor next() {
    NamedTensor tensor = take();
    if (kind_ == CheckpointKind::int8 && tensor.dtype == DType::i8) return from_int8(tensor, take(), place_);
    if (kind_ == CheckpointKind::full && tensor.dtype != DType::f32)
      throw Error(place_ + ": tensor " + shown(tensor.name) + " has elements of " +
                  std::to_string(size_of(tensor.dtype)) + " bytes, float32 expected in a full checkpoint");
    return from_half(std::move(tensor), place_);
  }

  std::vector<NamedTensor> next(std::size_t count) {
    std::vector<NamedTensor> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(next());
    return result;
  }

 private:
  NamedTensor take() {
    if (done()) throw Error(place_ + ": has " + std::to_string(tensors_.size()) + " tensors, its metadata counts more");
    return std::move(tensors_[next_++]);
  }

  std::vector<NamedTensor>& tensors_;
  CheckpointKind kind_;
  const std::string& place_;
  std::size_t next_ = 0;
};

void read_moments(TensorReader& reader, const std::string& place, Checkpoint& checkpoint) {
  while (!reader.done()) {
    NamedTensor tensor = reader.next();
    const auto slash = tensor.name.find('/');
    if (slash == std::string::npos || checkpoint.kind != CheckpointKind::full)
      throw Error(place + ": tensor " + shown(tensor.name) + " is neither a parameter nor a statistic that the " +
                  "metadata counts, nor a moment of a full checkpoint");
    auto& buffer = checkpoint.moments[tensor.name.substr(0, slash)];
    tensor.name.erase(0, slash + 1);
    buffer.push_back(std::move(tensor));
  }
}

// What follows parse_metadata and check_digest.
void take_tensors(SafetensorsFile& file, const TensorCounts& counts, const std::string& place, Checkpoint& checkpoint) {
  if (checkpoint.kind == CheckpointKind::int8) unpack(file, place);
  TensorReader reader(file.tensors, checkpoint.kind, place);
  checkpoint.parameters = reader.next(counts.parameters);
  checkpoint.statistics = reader.next(counts.statistics);
  checkpoint.people = reader.next(counts.people);
  checkpoint.strangers = reader.next(counts.strangers);
  check_tensors(checkpoint.parameters, place);
  check_tensors(checkpoint.statistics, place);
  check_tensors(checkpoint.people, place);
  check_tensors(checkpoint.strangers, place);
  read_moments(reader, place, checkpoint);
  check_moments(checkpoint, place);
}

}  // namespace

std::vector<std::uint8_t> encode_checkpoint(const Checkpoint& checkpoint, CheckpointKind kind) {
  check_tensors(checkpoint.parameters, "checkpoint");
  check_tensors(checkpoint.statistics, "checkpoint");
  check_tensors(checkpoint.people, "checkpoint");
  check_tensors(checkpoint.strangers, "checkpoint");
  check_moments(checkpoint, "checkpoint");
  SafetensorsFile file;
  file.metadata = format_metadata(checkpoint, kind);
  append(file, checkpoint.parameters, kind);
  append(file, checkpoint.statistics, kind);
  append(file, checkpoint.people, CheckpointKind::full);
  if (kind == CheckpointKind::full) {
    append(file, checkpoint.strangers, kind);
    for (const auto& [buffer, tensors] : checkpoint.moments) {
      check_tensors(tensors, "checkpoint");
      for (NamedTensor tensor : tensors) {
        tensor.name = buffer + "/" + tensor.name;
        file.tensors.push_back(std::move(tensor));
      }
    }
  }
  if (kind == CheckpointKind::int8) pack(file);
  std::vector<std::uint8_t> bytes = encode_safetensors(file);
  const std::size_t position = digest_position(bytes.data(), bytes.size(), "checkpoint");
  const std::string digest = digest_of(bytes.data(), bytes.size(), position);
  std::copy(digest.begin(), digest.end(), bytes.begin() + static_cast<std::ptrdiff_t>(position));
  return bytes;
}

Checkpoint decode_checkpoint(const std::uint8_t* bytes, std::size_t size, const std::string& place) {
  SafetensorsFile file = decode_safetensors(bytes, size, place);
  Checkpoint checkpoint;
  const TensorCounts counts = parse_metadata(file.metadata, place, checkpoint);
  check_digest(bytes, size, place);
  take_tensors(file, counts, place, checkpoint);
  return checkpoint;
}

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint, CheckpointKind kind, FileLog* files) {
  const auto bytes = encode_checkpoint(checkpoint, kind);
  write_file_atomically(path, bytes.data(), bytes.size(), {"checkpoint", files, !checkpoint.personal_classes.empty()});
}

Checkpoint read_checkpoint(const std::string& path, FileLog* files) {
  InputFile file(path, {"checkpoint", files});
  std::uint8_t head[kFileKindBytes] = {};
  const auto head_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof head));
  (void)file.peek(0, head, head_bytes);
  const FileKind kind = detect_file_kind(head, head_bytes);
  if (kind == FileKind::tar || kind == FileKind::compressed)
    throw Error(path + (kind == FileKind::tar ? ": looks like a bundle" : ": is compressed") +
                ", a checkpoint (.safetensors) expected");
  Checkpoint checkpoint;
  // Everything that can be known before the tensors take memory.
  const SafetensorsLayout layout = look_at_safetensors(file, path);
  const TensorCounts counts = parse_metadata(layout.file.metadata, path, checkpoint);
  check_digest(file, layout.data, path);
  SafetensorsFile content = read_safetensors(file, path);
  take_tensors(content, counts, path, checkpoint);
  if (files != nullptr && !checkpoint.personal_classes.empty()) files->personal(path);
  return checkpoint;
}

}  // namespace tsugi
