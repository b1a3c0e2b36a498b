// Files that are either complete or not there: everything tsugi saves is written to a temporary file beside its target,
// synced, and renamed over it, so a full disk, a kill or a power cut leaves the old file as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/core/file_log.h"

namespace tsugi {

/// A file being written. Nothing is visible under its path before commit(); without commit() the destructor removes
/// the temporary. Every failure throws an Error that names the path and the system's reason.
///
/// A file that is replaced passes its mode and, where the system allows, its owner on. A new one gets what the umask
/// says, and where `purpose` is personal 0600 from its creation on. The temporary is locked (flock) while it is
/// written: one that is not locked belongs to nobody any more, and the next AtomicFile of that output removes it.
class AtomicFile {
 public:
  /// Opens a temporary file beside `path`. Throws when the folder cannot be written to, or when `path` exists and is
  /// not a regular file.
  explicit AtomicFile(const std::string& path, const FilePurpose& purpose = {});
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends `size` bytes (host).
  void write(const void* bytes, std::size_t size);

  /// Syncs the file, renames it to `path` and syncs the folder.
  void commit();

  /// Bytes written so far.
  std::uint64_t size() const { return size_; }

 private:
  [[noreturn]] void fail(const std::string& what, int code);
  void discard() noexcept;

  std::string path_;
  std::string temporary_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
  std::unique_ptr<FileRecord> record_;  // made once the temporary is open
};

/// Replaces the file at `path` by these bytes (host), or throws and leaves it as it was.
void write_file_atomically(const std::string& path, const void* bytes, std::size_t size,
                           const FilePurpose& purpose = {});
void write_file_atomically(const std::string& path, const std::string& text, const FilePurpose& purpose = {});

}  // namespace tsugi
