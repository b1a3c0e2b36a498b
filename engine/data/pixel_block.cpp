// Memory or a mapped file for decoded photos.
#include "engine/data/pixel_block.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kAlignment = 64;

/// A new, unlinked file in the temporary folder with `bytes` of disk behind it. Returns its descriptor.
int make_file(std::size_t bytes, FileLog* files) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder && *folder ? folder : "/tmp") + "/tsugi-photos-XXXXXX";
  const int file = mkstemp(&path[0]);
  if (file < 0) throw Error("photos: no temporary file " + path + ": " + std::strerror(errno));
  unlink(path.c_str());
  FileRecord record({"decoded photos", files}, FileAccess::scratch, path);
  // Space is reserved now: a mapped write that finds the disk full would kill the process.
  int error = EINTR;
  while (error == EINTR) error = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (error != 0) {
    close(file);
    throw Error("photos: temporary file " + path + " of " + std::to_string(bytes) + " bytes: " + std::strerror(error));
  }
  record.passed(nullptr, bytes);
  record.complete();
  return file;
}

}  // namespace

PixelBlock::PixelBlock(std::size_t bytes, std::size_t resident_bytes, FileLog* files) {
  if (bytes <= resident_bytes) {
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    data_ = static_cast<std::uint8_t*>(std::aligned_alloc(kAlignment, rounded));
    if (!data_) throw Error("photos: " + std::to_string(bytes) + " bytes of memory are not to be had");
    return;
  }
  const int file = make_file(bytes, files);
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int error = errno;
  close(file);
  if (mapped == MAP_FAILED)
    throw Error("photos: mapping " + std::to_string(bytes) + " bytes failed: " + std::strerror(error));
  data_ = static_cast<std::uint8_t*>(mapped);
  mapped_bytes_ = bytes;
}

PixelBlock::~PixelBlock() {
  if (mapped_bytes_ > 0)
    munmap(data_, mapped_bytes_);
  else
    std::free(data_);
}

}  // namespace tsugi
