// Complete files or none: write beside the target, sync, rename, sync the folder.
#include "engine/core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

std::string reason(int code) { return std::generic_category().message(code); }

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A rename would replace a symbolic link, not the file behind it: resolve links first.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string result(real);
  std::free(real);
  return result;
}

// Closes a descriptor at the end of a scope.
struct Closer {
  int descriptor;
  ~Closer() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

}  // namespace

AtomicFile::AtomicFile(const std::string& path, const FilePurpose& purpose) : path_(resolved(path)) {
  struct stat existing {};
  if (::stat(path_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode))
    throw Error(path + ": is a folder, a pipe or a device, a regular file is expected");
  static std::atomic<unsigned> counter{0};
  const std::string stem = path_ + ".tmp-" + std::to_string(::getpid()) + "-";
  do {
    temporary_ = stem + std::to_string(counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) throw Error(path + ": cannot be written: " + reason(errno));
  try {
    record_ = std::make_unique<FileRecord>(purpose, FileAccess::write, path, stem + "*");
  } catch (...) {  // no destructor will run
    discard();
    throw;
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail(const std::string& what, int code) {
  discard();
  throw Error(path_ + ": " + what + ": " + reason(code));
}

void AtomicFile::write(const void* bytes, std::size_t size) {
  if (descriptor_ < 0) throw Error(path_ + ": written to after it was closed, an open file is expected");
  const char* rest = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, rest, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written", errno);
    record_->passed(rest, static_cast<std::size_t>(written));
    rest += written;
    size -= static_cast<std::size_t>(written);
    size_ += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error(path_ + ": committed after it was closed, an open file is expected");
  if (::fsync(descriptor_) != 0) fail("cannot be synced", errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("cannot be closed", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be renamed into place", errno);
  temporary_.clear();
  record_->complete();
  // The new file is in place by now. Some file systems cannot sync a folder (EINVAL); that is no failure of ours.
  const Closer folder{::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.descriptor >= 0 && ::fsync(folder.descriptor) != 0 && errno != EINVAL)
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
