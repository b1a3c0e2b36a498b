// Reads bundles as a stream: members are taken in the manifest's order, checked against it, and kept in memory.
#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/formats/file_kind.h"
#include "engine/handover/bundle.h"
#include "engine/handover/manifest.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The regular files of an archive that libarchive has opened.
class TarReader {
 public:
  TarReader(archive* opened, std::string place) : archive_(opened), place_(std::move(place)) {}

  // The name of the next member, or an empty one at the end.
  std::string next() {
    const int status = archive_read_next_header(archive_, &entry_);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK) fail("is not a readable tar");
    const char* name = archive_entry_pathname_utf8(entry_);
    if (name == nullptr) name = archive_entry_pathname(entry_);
    if (name == nullptr || *name == '\0') throw Error(place_ + ": a member has no readable name, a name expected");
    if (archive_entry_filetype(entry_) != AE_IFREG || archive_entry_hardlink(entry_) != nullptr ||
        archive_entry_symlink(entry_) != nullptr || archive_entry_sparse_count(entry_) != 0)
      throw Error(place_ + ": member " + shown(name) + " is a link, folder or device, a plain file expected");
    return name;
  }

  // The current member's bytes; the archive must declare `size` of them at most, exactly where `exact`.
  Bytes read(const std::string& name, std::uint64_t size, bool exact) {
    const la_int64_t declared = archive_entry_size(entry_);
    if (declared < 0 || static_cast<std::uint64_t>(declared) > size ||
        (exact && static_cast<std::uint64_t>(declared) != size))
      throw Error(place_ + ": member " + shown(name) + " has " + std::to_string(declared) + " bytes, " +
                  (exact ? "" : "at most ") + std::to_string(size) + " expected");
    // Grow as bytes arrive: a cut archive may declare more than it has.
    constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
    Bytes bytes;
    while (bytes.size() < static_cast<std::uint64_t>(declared)) {
      const std::size_t done = bytes.size();
      bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(done + kPiece, declared)));
      const la_ssize_t got = archive_read_data(archive_, bytes.data() + done, bytes.size() - done);
      if (got < 0) fail("member " + shown(name) + " cannot be read");
      if (static_cast<std::size_t>(got) != bytes.size() - done)
        throw Error(place_ + ": member " + shown(name) + " ends after " + std::to_string(done + got) + " bytes, " +
                    std::to_string(declared) + " expected");
    }
    return bytes;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const char* text = archive_error_string(archive_);
    throw Error(place_ + ": " + what + ": " + (text == nullptr ? "unknown reason" : text));
  }

  archive* archive_;
  archive_entry* entry_ = nullptr;
  std::string place_;
};

void check_limits(const Manifest& manifest, const BundleLimits& limits, const std::string& place) {
  const auto too_much = [&](const std::string& what, std::uint64_t found, std::uint64_t limit) {
    throw Error(place + ": " + what + " " + std::to_string(found) + ", at most " + std::to_string(limit) + " expected");
  };
  std::size_t tensors = 0;
  for (const auto& member : manifest.members) tensors += member.role == "tensors" ? 1 : 0;
  if (tensors > limits.tensors) too_much("the number of tensors' members is", tensors, limits.tensors);
  const std::size_t photos = manifest.members.size() - 1 - tensors;
  if (photos > limits.photos) too_much("the number of photos is", photos, limits.photos);
  std::uint64_t total = 0;
  for (const auto& member : manifest.members) {
    const std::uint64_t limit = member.role == "checkpoint" ? limits.checkpoint_bytes
                                : member.role == "tensors"  ? limits.tensors_bytes
                                                            : limits.photo_bytes;
    if (member.size > limit) too_much("the bytes of " + shown(member.name) + " are", member.size, limit);
    total += member.size;
    if (total > limits.total_bytes) too_much("the bytes of all members are", total, limits.total_bytes);
  }
}

void check_checkpoint(const Manifest& manifest, const Checkpoint& checkpoint, const std::string& place) {
  if (manifest.class_names != checkpoint.class_names)
    throw Error(place + ": the manifest names " + std::to_string(manifest.class_names.size()) +
                " classes, the checkpoint has " + std::to_string(checkpoint.class_names.size()) +
                "; the same names in the same order expected");
  const std::string model = sha256_hex(checkpoint.model);
  if (manifest.model_sha256 != model)
    throw Error(place + ": the manifest's model has digest " + shown(manifest.model_sha256) +
                ", the checkpoint's has " + model);
}

Bytes read_member(TarReader& tar, const ManifestMember& member, const std::string& place) {
  const std::string name = tar.next();
  if (name != member.name)
    throw Error(place + ": the next member is " + (name.empty() ? "missing" : shown(name)) + ", the manifest lists " +
                shown(member.name));
  Bytes bytes = tar.read(name, member.size, true);
  const std::string digest = sha256_hex(bytes);
  if (digest != member.sha256)
    throw Error(place + ": member " + shown(name) + " has digest " + digest + ", the manifest lists " + member.sha256);
  return bytes;
}

Bundle read_members(archive* opened, const std::string& place, const BundleLimits& limits) {
  TarReader tar(opened, place);
  const std::string first = tar.next();
  if (first != kManifestName)
    throw Error(place + ": the first member is " + (first.empty() ? "missing" : shown(first)) + ", " +
                shown(kManifestName) + " expected");
  const Bytes text = tar.read(first, limits.manifest_bytes, false);
  const std::string where = place + ": " + kManifestName;
  const Manifest manifest = parse_manifest(std::string(text.begin(), text.end()), where);
  check_limits(manifest, limits, place);

  Bundle bundle;
  const Bytes checkpoint = read_member(tar, manifest.members[0], place);
  bundle.checkpoint = decode_checkpoint(checkpoint.data(), checkpoint.size(), place + ": " + kCheckpointName);
  check_checkpoint(manifest, bundle.checkpoint, place);
  bundle.kind = bundle.checkpoint.kind;
  bundle.strategy = manifest.strategy;
  bundle.fraction = manifest.fraction;
  bundle.seed = manifest.seed;
  const std::set<std::string> names(manifest.class_names.begin(), manifest.class_names.end());
  for (std::size_t i = 1; i < manifest.members.size(); ++i) {
    const ManifestMember& member = manifest.members[i];
    if (member.role == "tensors") {
      const Bytes bytes = read_member(tar, member, place);
      bundle.tensors[parse_tensors_name(member.name, place)] =
          decode_safetensors(bytes.data(), bytes.size(), place + ": " + member.name);
      continue;
    }
    const PhotoName photo = parse_photo_name(member.name, place);
    if (names.count(photo.class_name) == 0)
      throw Error(place + ": photo " + shown(member.name) + " is of class " + shown(photo.class_name) +
                  ", which is not among the checkpoint's " + std::to_string(names.size()) + " classes");
    bundle.photos.push_back(
        {photo.class_name, photo.file, photo.test, std::make_shared<const Bytes>(read_member(tar, member, place)), {}});
  }
  const std::string extra = tar.next();
  if (!extra.empty()) throw Error(place + ": member " + shown(extra) + " is not in the manifest");
  return bundle;
}

// A complete tar is a whole number of 512-byte blocks of which the last two are zeros; libarchive would accept less.
constexpr std::size_t kEndBytes = 1024;

void check_end(std::uint64_t size, const std::uint8_t* end, const std::string& place) {
  if (size % 512 != 0 || std::any_of(end, end + kEndBytes, [](std::uint8_t byte) { return byte != 0; }))
    throw Error(place + ": has " + std::to_string(size) +
                " bytes and does not end like a tar, two blocks of zeros expected (cut?)");
}

// Behind the two blocks that end a tar there is padding, zeros up to a whole record, and nothing else: not another
// archive, which libarchive and tar would pass over in silence.
void check_padding(const std::uint8_t* bytes, std::size_t size, std::uint64_t offset, const std::string& place) {
  const auto* found = std::find_if(bytes, bytes + size, [](std::uint8_t byte) { return byte != 0; });
  if (found != bytes + size)
    throw Error(place + ": byte " + std::to_string(offset + static_cast<std::uint64_t>(found - bytes)) + " is " +
                std::to_string(*found) + ", behind the archive's end zeros expected (another archive appended?)");
}

void check_kind(FileKind kind, const std::string& path) {
  if (kind == FileKind::tar) return;
  const char* what = kind == FileKind::compressed    ? "is compressed"
                     : kind == FileKind::safetensors ? "looks like a checkpoint"
                                                     : "is not a tar";
  throw Error(path + ": " + what + ", a bundle (plain .tar) expected");
}

// What libarchive reads from: blocks of a file, each as it passes.
struct Blocks {
  InputFile& file;
  Bytes block = Bytes(std::size_t{1} << 16);

  static la_ssize_t next(archive* reader, void* self, const void** block) {
    auto& blocks = *static_cast<Blocks*>(self);
    try {
      *block = blocks.block.data();
      return static_cast<la_ssize_t>(blocks.file.read(blocks.block.data(), blocks.block.size()));
    } catch (const std::exception& error) {  // must not pass through C code
      archive_set_error(reader, EIO, "%s", error.what());
      return -1;
    }
  }

  // What follows the archive's end at byte `end`: padding, but part of the file.
  void read_rest(std::uint64_t end, const std::string& place) {
    std::uint64_t offset = end;
    for (std::size_t size = 0; offset < file.size(); offset += size) {  // some of it may have been read with the end
      size = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), file.size() - offset));
      if (!file.peek(offset, block.data(), size))
        throw Error(place + ": cannot be read to its end, byte " + std::to_string(file.size()));
      check_padding(block.data(), size, offset, place);
    }
    while (file.read(block.data(), block.size()) > 0) continue;
    file.complete();
  }
};

}  // namespace

Bundle read_bundle(const std::string& path, const BundleLimits& limits, FileLog* files) {
  InputFile file(path, {"bundle", files});
  std::uint8_t head[kFileKindBytes] = {}, end[kEndBytes] = {1};
  const auto head_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof head));
  if (!file.peek(0, head, head_bytes)) throw Error(path + ": cannot be read, a bundle (plain .tar) expected");
  check_kind(detect_file_kind(head, head_bytes), path);
  if (file.size() < kEndBytes || !file.peek(file.size() - kEndBytes, end, kEndBytes)) end[0] = 1;
  check_end(file.size(), end, path);
  Blocks blocks{file};
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), archive_read_free);
  if (!reader || archive_read_support_format_tar(reader.get()) != ARCHIVE_OK)  // and no decompression
    throw Error("bundle: libarchive cannot read tar, support for it expected");
  if (archive_read_open(reader.get(), &blocks, nullptr, &Blocks::next, nullptr) != ARCHIVE_OK)
    throw Error(path + ": cannot be read as a tar, a bundle (plain .tar) expected");
  Bundle bundle = read_members(reader.get(), path, limits);
  blocks.read_rest(static_cast<std::uint64_t>(archive_filter_bytes(reader.get(), 0)), path);  // its end included
  return bundle;
}

}  // namespace tsugi
