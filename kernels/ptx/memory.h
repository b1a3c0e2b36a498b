// A device's global memory: allocations with their bounds, whose addresses are the host's own. New memory holds NaN of
// every type; with `tracked`, what was written is known byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace tsugi {
namespace ptx {

/// Where a generic address stands for shared, local or parameter memory; below lies global memory.
constexpr std::uint64_t kSharedWindow = std::uint64_t{1} << 56;
constexpr std::uint64_t kLocalWindow = std::uint64_t{2} << 56;
constexpr std::uint64_t kParamWindow = std::uint64_t{3} << 56;

/// What new memory holds: NaN in binary16, float32 and float64, -1 in integers.
constexpr std::uint8_t kUnwritten = 0xff;

struct Allocation {
  std::uint64_t begin = 0;
  std::size_t bytes = 0;
  std::unique_ptr<std::uint8_t[]> storage;
  std::vector<bool> written;  ///< by byte; empty where it is not tracked

  bool holds(std::uint64_t address, std::size_t count) const {
    return address >= begin && count <= bytes && address - begin <= bytes - count;
  }
};

class Memory {
 public:
  /// total: bytes of the device. Accesses reach an allocation by 31-bit offsets, so none is larger.
  Memory(std::size_t total, bool tracked) : total_(total), free_(total), tracked_(tracked) {}

  /// Aligned to 256 bytes; null where it does not fit.
  void* allocate(std::size_t bytes);
  /// Whether `memory` was the start of an allocation.
  bool release(void* memory);

  /// The allocation that holds the address, or null.
  Allocation* find(std::uint64_t address);
  /// Whether it is an address of the device at all, and whether all of `bytes` from it on are in one allocation.
  bool owns(const void* memory) { return find(address_of(memory)) != nullptr; }
  bool holds(const void* memory, std::size_t bytes);
  /// The host has written there.
  void mark_written(const void* memory, std::size_t bytes);

  std::size_t total_bytes() const { return total_; }
  std::size_t free_bytes() const { return free_; }
  bool tracked() const { return tracked_; }

  static std::uint64_t address_of(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }

 private:
  std::size_t total_, free_;
  bool tracked_;
  std::map<std::uint64_t, Allocation> allocations_;  ///< by begin
};

}  // namespace ptx
}  // namespace tsugi
