// Complete files or none: write beside the target, sync, rename, sync the folder.
#include "engine/state/atomic_file.h"

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

AtomicFile::AtomicFile(const std::string& path) : path_(resolved(path)) {
  struct stat existing {};
  if (::stat(path_.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode))
    throw Error(path + ": is a folder or a device, a regular file is expected");
  static std::atomic<unsigned> counter{0};
  do {
    temporary_ = path_ + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) throw Error(path + ": cannot be written: " + reason(errno));
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
  // The new file is in place by now. Some file systems cannot sync a folder (EINVAL); that is no failure of ours.
  const Closer folder{::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.descriptor >= 0 && ::fsync(folder.descriptor) != 0 && errno != EINVAL)
    fail("is written, but its folder cannot be synced", errno);
}

void write_file_atomically(const std::string& path, const void* bytes, std::size_t size) {
  AtomicFile file(path);
  file.write(bytes, size);
  file.commit();
}

void write_file_atomically(const std::string& path, const std::string& text) {
  write_file_atomically(path, text.data(), text.size());
}

std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t limit) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it is refused below.
  const Closer file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.descriptor < 0) throw Error(path + ": cannot be opened: " + reason(errno));
  struct stat info {};
  if (::fstat(file.descriptor, &info) != 0) throw Error(path + ": cannot be read: " + reason(errno));
  if (!S_ISREG(info.st_mode)) throw Error(path + ": is a folder or a device, a regular file is expected");
  const auto expected = static_cast<std::uint64_t>(info.st_size);
  if (expected > limit)
    throw Error(path + ": has " + std::to_string(expected) + " bytes, at most " + std::to_string(limit) + " expected");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(expected));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.descriptor, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(path + ": cannot be read: " + reason(errno));
    if (got == 0)
      throw Error(path + ": ended after " + std::to_string(done) + " bytes, " + std::to_string(bytes.size()) +
                  " expected");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace tsugi
