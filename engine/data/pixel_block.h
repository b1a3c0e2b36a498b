// One block of bytes for decoded photos: in memory, or in a temporary file that is mapped and already unlinked, so that
// it vanishes with the process however that ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/core/file_log.h"

namespace tsugi {

class PixelBlock {
 public:
  /// bytes: size of the block; beyond `resident_bytes` it is a mapped file in $TMPDIR (default /tmp), with its disk
  /// space reserved. Throws Error naming the bytes and the place when there is not enough memory or disk.
  PixelBlock(std::size_t bytes, std::size_t resident_bytes, FileLog* files = nullptr);
  ~PixelBlock();
  PixelBlock(const PixelBlock&) = delete;
  PixelBlock& operator=(const PixelBlock&) = delete;

  std::uint8_t* data() { return data_; }  ///< 64-byte aligned

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t mapped_bytes_ = 0;  ///< 0 when the block is in memory
};

}  // namespace tsugi
