// Regular files only, through read().
#include "engine/core/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/core/posix_file.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what, int code) {
  throw Error(name + ": " + what + ": " + system_reason(code));
}

int open_to_read(const std::string& path, const std::string& name) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it is refused after that.
  const int descriptor =
      uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); });
  if (descriptor < 0) fail(name, "cannot be opened", errno);
  return descriptor;
}

}  // namespace

InputFile::InputFile(const std::string& path, const FilePurpose& purpose, const std::string& name)
    : name_(!name.empty()   ? name
            : !path.empty() ? path
                            : "(a file without a name)"),
      descriptor_(open_to_read(path, name_)),
      record_(purpose, FileAccess::read, path) {
  struct stat info {};
  if (::fstat(descriptor_.value, &info) != 0) fail(name_, "cannot be read", errno);
  if (!S_ISREG(info.st_mode)) throw Error(name_ + ": is a folder, a pipe or a device, a regular file is expected");
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InputFile::Descriptor::~Descriptor() { ::close(value); }

std::size_t InputFile::read(void* to, std::size_t most) {
  const ssize_t got = uninterrupted([&] { return ::read(descriptor_.value, to, most); });
  if (got < 0) fail(name_, "cannot be read", errno);
  record_.passed(to, static_cast<std::size_t>(got));
  return static_cast<std::size_t>(got);
}

bool InputFile::peek(std::uint64_t offset, void* to, std::size_t size) {
  if (size > size_ || offset > size_ - size) return false;
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = uninterrupted([&] {
      return ::pread(descriptor_.value, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
    });
    if (got <= 0) return false;
    done += static_cast<std::size_t>(got);
  }
  return true;
}

std::vector<std::uint8_t> InputFile::read_all(std::uint64_t limit) {
  if (size_ > limit)
    throw Error(name_ + ": has " + std::to_string(size_) + " bytes, at most " + std::to_string(limit) + " expected");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size_));
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t got = read(bytes.data() + done, bytes.size() - done);
    if (got == 0)
      throw Error(name_ + ": ended after " + std::to_string(done) + " bytes, " + std::to_string(bytes.size()) +
                  " expected");
    done += got;
  }
  complete();
  return bytes;
}

std::vector<std::uint8_t> read_file(const std::string& path, const ReadOptions& options) {
  return InputFile(path, options.purpose, options.name).read_all(options.limit);
}

}  // namespace tsugi
