// Complete files or none: write beside the target, sync, rename, sync the folder.
#include "engine/core/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "engine/core/posix_file.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

// Closes a descriptor at the end of a scope.
struct Closer {
  int descriptor;
  ~Closer() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

// Marks a new temporary as in use. False when somebody who took it for a left one was faster: it is removed, or will be
// at once.
bool lock(int descriptor) {
  if (uninterrupted([&] { return ::flock(descriptor, LOCK_EX | LOCK_NB); }) != 0 && errno == EWOULDBLOCK) return false;
  struct stat made {};
  return ::fstat(descriptor, &made) == 0 && made.st_nlink > 0;
}

// Gives a new file the owner and the mode of the one that it will replace. Returns false with errno set when it cannot.
bool take_over(int descriptor, const struct stat& old) {
  struct stat made {};
  if (::fstat(descriptor, &made) != 0) return false;
  mode_t mode = old.st_mode & 0777;
  if (made.st_uid != old.st_uid &&
      uninterrupted([&] { return ::fchown(descriptor, old.st_uid, static_cast<gid_t>(-1)); }) != 0)
    errno = 0;  // only root can
  if (made.st_gid != old.st_gid &&
      uninterrupted([&] { return ::fchown(descriptor, static_cast<uid_t>(-1), old.st_gid); }) != 0)
    mode &= ~static_cast<mode_t>(070);  // what the old group may do is not for another
  return uninterrupted([&] { return ::fchmod(descriptor, mode); }) == 0;
}

// Removes what killed runs left of the same output: temporaries that nobody has locked. Which cannot be looked at stay.
void remove_left_temporaries(const std::string& folder, const std::string& name) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), ::closedir);
  const std::string start = name + ".tmp-";
  while (const dirent* entry = listing ? ::readdir(listing.get()) : nullptr) {
    const std::string found = entry->d_name;
    const bool ours = found.compare(0, start.size(), start) == 0 &&
                      found.find_first_not_of("0123456789-", start.size()) == std::string::npos;
    if (!ours) continue;
    const std::string path = folder + "/" + found;
    const int file = uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); });
    if (file < 0) continue;
    if (uninterrupted([&] { return ::flock(file, LOCK_EX | LOCK_NB); }) == 0)
      uninterrupted([&] { return ::unlink(path.c_str()); });
    ::close(file);
  }
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path, const FilePurpose& purpose) : path_(behind_links(path)) {
  struct stat existing {};
  const bool replaces = ::stat(path_.c_str(), &existing) == 0;
  if (replaces && !S_ISREG(existing.st_mode))
    throw Error(path + ": is a folder, a pipe or a device, a regular file is expected");
  remove_left_temporaries(folder_of(path_), base_name(path_));
  const mode_t mode = replaces ? existing.st_mode & 0700 : purpose.personal ? 0600 : 0666;
  static std::atomic<unsigned> counter{0};
  const std::string stem = path_ + ".tmp-" + std::to_string(::getpid()) + "-";
  for (bool ours = false; !ours;) {
    temporary_ = stem + std::to_string(counter++);
    descriptor_ =
        uninterrupted([&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode); });
    if (descriptor_ < 0 && errno == EEXIST) continue;
    if (descriptor_ < 0) throw Error(path + ": cannot be written: " + system_reason(errno));
    ours = lock(descriptor_);
    if (!ours) ::close(descriptor_);
  }
  if (replaces && !take_over(descriptor_, existing)) fail("cannot take over the mode of the file that is there", errno);
  try {
    record_ = std::make_unique<FileRecord>(purpose, FileAccess::write, path, stem + "*");
  } catch (...) {  // no destructor will run
    discard();
    throw;
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (!temporary_.empty()) uninterrupted([&] { return ::unlink(temporary_.c_str()); });
  temporary_.clear();
  if (descriptor_ >= 0) ::close(descriptor_);  // and with it the lock
  descriptor_ = -1;
}

void AtomicFile::fail(const std::string& what, int code) {
  discard();
  throw Error(path_ + ": " + what + ": " + system_reason(code));
}

void AtomicFile::write(const void* bytes, std::size_t size) {
  if (descriptor_ < 0) throw Error(path_ + ": written to after it was closed, an open file is expected");
  const char* rest = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = uninterrupted([&] { return ::write(descriptor_, rest, size); });
    if (written < 0) fail("cannot be written", errno);
    record_->passed(rest, static_cast<std::size_t>(written));
    rest += written;
    size -= static_cast<std::size_t>(written);
    size_ += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error(path_ + ": committed after it was closed, an open file is expected");
  if (uninterrupted([&] { return ::fsync(descriptor_); }) != 0) fail("cannot be synced", errno);
  if (uninterrupted([&] { return ::rename(temporary_.c_str(), path_.c_str()); }) != 0)
    fail("cannot be renamed into place", errno);
  temporary_.clear();
  ::close(descriptor_);  // not before, the lock keeps the temporary; all is on the disk, so that this may fail
  descriptor_ = -1;
  record_->complete();
  // The new file is in place by now. Some file systems cannot sync a folder (EINVAL); that is no failure of ours.
  const Closer folder{
      uninterrupted([&] { return ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })};
  if (folder.descriptor >= 0 && uninterrupted([&] { return ::fsync(folder.descriptor); }) != 0 && errno != EINVAL)
    fail("is written, but its folder cannot be synced", errno);
}

void write_file_atomically(const std::string& path, const void* bytes, std::size_t size, const FilePurpose& purpose) {
  AtomicFile file(path, purpose);
  file.write(bytes, size);
  file.commit();
}

void write_file_atomically(const std::string& path, const std::string& text, const FilePurpose& purpose) {
  write_file_atomically(path, text.data(), text.size(), purpose);
}

}  // namespace tsugi
