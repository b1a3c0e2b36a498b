// oneDNN writes its code into memory that it does not check, and constructs objects where none may be: without memory
// it ends in a segmentation fault. So it is asked for code only while there is room for it.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace tsugi {
namespace cpu {

/// What making one primitive takes at most, with room to spare: some megabytes measured, of which the buffers of its
/// code are the most.
constexpr std::size_t kPrimitiveBytes = std::size_t{32} << 20;

/// Throws std::bad_alloc unless that much address space can be had (`ulimit -v`).
inline void require_headroom() {
  void* const room = mmap(nullptr, kPrimitiveBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  munmap(room, kPrimitiveBytes);
}

}  // namespace cpu
}  // namespace tsugi
