// Writes bundles. The manifest comes first, so photos are read twice: once for their digests, once to be copied; a
// photo that changes in between is an error.
#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/handover/bundle.h"
#include "engine/handover/manifest.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::shared_ptr<const Bytes> photo_bytes(const BundlePhoto& photo, FileLog* files) {
  if (photo.bytes) return photo.bytes;
  return std::make_shared<const Bytes>(read_file(photo.path, {BundleLimits{}.photo_bytes, {"photo", files}, ""}));
}

ManifestMember describe(const std::string& name, const std::string& role, const Bytes& bytes) {
  return {name, bytes.size(), sha256_hex(bytes), role};
}

void check_classes(const Bundle& bundle) {
  const auto& names = bundle.checkpoint.class_names;
  for (const auto& photo : bundle.photos)
    if (std::find(names.begin(), names.end(), photo.class_name) == names.end())
      throw Error("bundle: photo " + shown(photo.file) + " is of class " + shown(photo.class_name) +
                  ", which is not among the checkpoint's " + std::to_string(names.size()) + " classes");
}

// Training photos, then test photos, each by class and file.
std::vector<const BundlePhoto*> sorted_photos(const Bundle& bundle) {
  std::vector<const BundlePhoto*> photos;
  for (const auto& photo : bundle.photos) photos.push_back(&photo);
  std::sort(photos.begin(), photos.end(), [](const BundlePhoto* a, const BundlePhoto* b) {
    return std::tie(a->test, a->class_name, a->file) < std::tie(b->test, b->class_name, b->file);
  });
  return photos;
}

// A member that lies in memory, ready to be written.
struct Encoded {
  std::string name;
  std::string role;
  Bytes bytes;
};

// The checkpoint, then the tensors by name.
std::vector<Encoded> encode_members(const Bundle& bundle) {
  std::vector<Encoded> members;
  members.push_back({kCheckpointName, "checkpoint", encode_checkpoint(bundle.checkpoint, bundle.kind)});
  for (const auto& [name, file] : bundle.tensors)
    members.push_back({tensors_member_name(name), "tensors", encode_safetensors(file)});
  return members;
}

Manifest make_manifest(const Bundle& bundle, const std::vector<Encoded>& encoded,
                       const std::vector<const BundlePhoto*>& photos, FileLog* files) {
  Manifest manifest;
  manifest.strategy = bundle.strategy;
  manifest.fraction = bundle.fraction;
  manifest.seed = bundle.seed;
  manifest.model_sha256 = sha256_hex(bundle.checkpoint.model);
  manifest.class_names = bundle.checkpoint.class_names;
  for (const Encoded& member : encoded) manifest.members.push_back(describe(member.name, member.role, member.bytes));
  for (const BundlePhoto* photo : photos)
    manifest.members.push_back(describe(photo_member_name(photo->class_name, photo->file, photo->test),
                                        photo->test ? "test" : "train", *photo_bytes(*photo, files)));
  return manifest;
}

// A tar file being written through libarchive into an AtomicFile.
class TarWriter {
 public:
  TarWriter(const std::string& path, FileLog* files)
      : path_(path), file_(path, {"bundle", files}), archive_(archive_write_new()) {
    // GNU tar is ustar with room for long names, and takes names as bytes: pax would depend on the locale.
    check(archive_write_set_format_gnutar(archive_.get()));
    check(archive_write_add_filter_none(archive_.get()));
    check(archive_write_open(archive_.get(), this, nullptr, &TarWriter::write, nullptr));
  }

  void add(const std::string& name, const void* bytes, std::size_t size) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    check(archive_write_header(archive_.get(), entry.get()));
    const la_ssize_t written = size == 0 ? 0 : archive_write_data(archive_.get(), bytes, size);
    check(written < 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
    if (static_cast<std::size_t>(written) != size)
      throw Error(path_ + ": " + std::to_string(written) + " bytes of " + shown(name) + " were written, " +
                  std::to_string(size) + " expected");
  }

  std::uint64_t commit() {
    check(archive_write_close(archive_.get()));
    file_.commit();
    return file_.size();
  }

 private:
  /// Never fails: an archive that was told of a failure is not closed any more, and keeps its buffer for good. check()
  /// tells.
  static la_ssize_t write(struct archive*, void* self, const void* bytes, std::size_t size) {
    auto& writer = *static_cast<TarWriter*>(self);
    try {
      if (!writer.failure_) writer.file_.write(bytes, size);
    } catch (...) {  // must not pass through C code
      writer.failure_ = std::current_exception();
    }
    return static_cast<la_ssize_t>(size);
  }

  void check(int status) {
    if (failure_) std::rethrow_exception(failure_);
    if (status == ARCHIVE_OK) return;
    const char* text = archive_error_string(archive_.get());
    throw Error(path_ + ": cannot be written: " + (text == nullptr ? "unknown reason" : text));
  }

  struct Free {
    void operator()(archive* a) const { archive_write_free(a); }
  };

  std::string path_;
  AtomicFile file_;
  std::exception_ptr failure_;
  std::unique_ptr<archive, Free> archive_;  // last: freeing it may still write
};

}  // namespace

BundleSummary write_bundle(const std::string& path, const Bundle& bundle, FileLog* files) {
  check_classes(bundle);
  const std::vector<Encoded> encoded = encode_members(bundle);
  const auto photos = sorted_photos(bundle);
  const Manifest manifest = make_manifest(bundle, encoded, photos, files);
  const std::string text = format_manifest(manifest);
  parse_manifest(text, "bundle");  // refuses here what every reader would refuse

  TarWriter tar(path, files);
  tar.add(kManifestName, text.data(), text.size());
  BundleSummary summary;
  for (const Encoded& member : encoded) {
    tar.add(member.name, member.bytes.data(), member.bytes.size());
    (member.role == "checkpoint" ? summary.checkpoint_bytes : summary.tensors_bytes) += member.bytes.size();
  }
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const auto bytes = photo_bytes(*photos[i], files);
    const ManifestMember& member = manifest.members[encoded.size() + i];
    if (!photos[i]->bytes && sha256_hex(*bytes) != member.sha256)
      throw Error(photos[i]->path + ": changed while the bundle was written, digest " + member.sha256 + " expected");
    tar.add(member.name, bytes->data(), bytes->size());
    ++(photos[i]->test ? summary.test_photos : summary.photos);
    (photos[i]->test ? summary.test_photo_bytes : summary.photo_bytes) += bytes->size();
  }
  summary.bytes = tar.commit();
  return summary;
}

}  // namespace tsugi
