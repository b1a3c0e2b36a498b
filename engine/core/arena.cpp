// Greedy-by-size placement of tensors in one block, and the block's owner.
#include "engine/core/arena.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

namespace tsugi {
namespace {

constexpr std::size_t kAlignment = 256;

std::size_t align(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool alive_together(const BufferRequest& a, const BufferRequest& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

ArenaLayout lay_out_arena(const std::vector<BufferRequest>& requests) {
  ArenaLayout layout;
  layout.offsets.assign(requests.size(), 0);
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return requests[a].bytes > requests[b].bytes; });

  std::vector<std::size_t> placed;
  for (const std::size_t current : order) {
    const BufferRequest& request = requests[current];
    if (request.last < request.first)
      throw Error("arena: a tensor lives from time " + std::to_string(request.first) + " to " +
                  std::to_string(request.last));
    // The neighbours in time, by offset: the first gap between them that is wide enough wins.
    std::vector<std::pair<std::size_t, std::size_t>> taken;
    for (const std::size_t other : placed)
      if (alive_together(request, requests[other]))
        taken.emplace_back(layout.offsets[other], layout.offsets[other] + align(requests[other].bytes));
    std::sort(taken.begin(), taken.end());
    std::size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + align(request.bytes) <= begin) break;
      offset = std::max(offset, end);
    }
    layout.offsets[current] = offset;
    layout.peak = std::max(layout.peak, offset + align(request.bytes));
    placed.push_back(current);
  }
  return layout;
}

DeviceBuffer::DeviceBuffer(Backend& backend, std::size_t bytes)
    : backend_(&backend), data_(backend.allocate(std::max<std::size_t>(bytes, 1))), bytes_(bytes) {
  backend.fill_zero(data_, bytes);
}

DeviceBuffer::~DeviceBuffer() {
  if (data_ != nullptr) backend_->release(data_);
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace tsugi
