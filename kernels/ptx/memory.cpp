#include "kernels/ptx/memory.h"

#include <cstring>

namespace tsugi {
namespace ptx {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kLargest = std::size_t{0x7fffffff} - kAlignment;

std::size_t rounded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void* Memory::allocate(std::size_t bytes) {
  if (bytes > kLargest || rounded(bytes) > free_) return nullptr;
  Allocation made;
  // A gap of an alignment on either side belongs to nobody: what runs over an end is seen.
  made.storage.reset(new std::uint8_t[rounded(bytes) + 3 * kAlignment]);
  made.begin = address_of(made.storage.get() + kAlignment);
  made.begin = (made.begin + kAlignment - 1) / kAlignment * kAlignment;
  made.bytes = bytes;
  if (tracked_) made.written.assign(bytes, false);
  void* memory = reinterpret_cast<void*>(made.begin);
  std::memset(memory, kUnwritten, bytes);
  free_ -= rounded(bytes);
  allocations_.emplace(made.begin, std::move(made));
  return memory;
}

bool Memory::release(void* memory) {
  const auto found = allocations_.find(address_of(memory));
  if (found == allocations_.end()) return false;
  free_ += rounded(found->second.bytes);
  allocations_.erase(found);
  return true;
}

Allocation* Memory::find(std::uint64_t address) {
  auto behind = allocations_.upper_bound(address);
  if (behind == allocations_.begin()) return nullptr;
  Allocation& allocation = std::prev(behind)->second;
  return allocation.holds(address, 1) ? &allocation : nullptr;
}

bool Memory::holds(const void* memory, std::size_t bytes) {
  const Allocation* allocation = find(address_of(memory));
  return allocation != nullptr && allocation->holds(address_of(memory), bytes);
}

void Memory::mark_written(const void* memory, std::size_t bytes) {
  Allocation* allocation = tracked_ ? find(address_of(memory)) : nullptr;
  if (allocation == nullptr) return;
  const std::size_t begin = address_of(memory) - allocation->begin;
  for (std::size_t i = begin; i < begin + bytes && i < allocation->bytes; ++i) allocation->written[i] = true;
}

}  // namespace ptx
}  // namespace tsugi
