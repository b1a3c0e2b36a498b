// Open file description locks (fcntl(2), Linux 3.15) on the output's folder. A folder cannot be opened for writing, so
// claims are read locks, which do not exclude each other: whoever comes sets theirs, then asks whether a write lock
// would collide with another's.
#include "engine/core/output_claim.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/core/atomic_file.h"
#include "engine/core/posix_file.h"
#include "engine/core/sha256.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr off_t kProcesses = off_t{1} << 22;  // Linux numbers processes below this (PID_MAX_LIMIT)

// A name's range of the folder's bytes: its start, with room for every process's number.
off_t range_of(const std::string& name) {
  constexpr std::size_t kDigits = 10;  // 40 bits, so that the range ends below 2^62
  return static_cast<off_t>(std::stoull(sha256_hex(name).substr(0, kDigits), nullptr, 16)) * kProcesses;
}

struct flock lock_of(short type, off_t start, off_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

}  // namespace

OutputClaim::OutputClaim(const std::string& path, const FilePurpose& purpose) {
  const std::string file = behind_links(path), folder = folder_of(file);
  folder_ = uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  const off_t range = range_of(base_name(file));
  struct flock own = lock_of(F_RDLCK, range + ::getpid() % kProcesses, 1), other = lock_of(F_WRLCK, range, kProcesses);
  const bool locked = folder_ >= 0 && uninterrupted([&] { return ::fcntl(folder_, F_OFD_SETLK, &own); }) == 0 &&
                      uninterrupted([&] { return ::fcntl(folder_, F_OFD_GETLK, &other); }) == 0;
  try {
    if (locked && other.l_type != F_UNLCK)
      throw Error(path + ": is being written by another run, process " + std::to_string(other.l_start - range) +
                  ", one at a time expected");
    const AtomicFile probe(path, purpose);  // it can be written, and what a killed run left goes
  } catch (...) {                           // no destructor will run
    if (folder_ >= 0) ::close(folder_);
    throw;
  }
}

OutputClaim::~OutputClaim() {
  if (folder_ >= 0) ::close(folder_);
}

OutputClaim::OutputClaim(OutputClaim&& other) noexcept : folder_(other.folder_) { other.folder_ = -1; }

}  // namespace tsugi
