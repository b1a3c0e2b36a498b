// Planned memory: every tensor's lifetime is known before the first step, so all of them share one block
// whose offsets are chosen once. Nothing is allocated in the training loop.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/api/backend.h"

namespace tsugi {

/// A tensor that must hold its bytes from time `first` to time `last`, both included.
struct BufferRequest {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct ArenaLayout {
  std::vector<std::size_t> offsets;  ///< a request's byte offset, 256-byte aligned
  std::size_t peak = 0;              ///< bytes of the whole arena
};

/// Places requests so that no two that live at the same time overlap: largest first, each at the lowest offset that is
/// free during its lifetime. Throws Error when a lifetime is empty (last < first).
/// Source: Pisarchyk, Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size).
ArenaLayout lay_out_arena(const std::vector<BufferRequest>& requests);

/// A block of device memory that is released with its owner. Zeroed when it is made.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Backend& backend, std::size_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t bytes() const { return bytes_; }

 private:
  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace tsugi
