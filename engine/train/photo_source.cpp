// Batches of photos on their way to a device that does not hold all of them.
#include "engine/train/photo_source.h"

#include <algorithm>
#include <cstring>

namespace tsugi {

PhotoBatch::PhotoBatch(Backend& backend, const PhotoSource& source, std::size_t batch)
    : backend_(&backend), source_(&source), device_(source.device()) {
  if (source.resident()) return;
  block_ = DeviceBuffer(backend, bytes(source.store(), batch));
  host_.resize(block_.bytes());
  device_ = block_.as<std::uint8_t>();
}

void PhotoBatch::gather(const std::uint32_t* index, std::size_t n) {
  if (host_.empty()) return;
  const PhotoStore& store = source_->store();
  const std::size_t bytes = store.photo_bytes();
  for (std::size_t i = 0; i < n; ++i) std::memcpy(host_.data() + i * bytes, store.pixels() + index[i] * bytes, bytes);
  gathered_.assign(index, index + n);
}

void PhotoBatch::fetch(std::uint32_t* index, std::size_t n) {
  if (host_.empty()) return;
  if (gathered_.size() != n || !std::equal(gathered_.begin(), gathered_.end(), index)) gather(index, n);
  backend_->copy_to_device(block_.data(), host_.data(), n * source_->store().photo_bytes());
  for (std::size_t i = 0; i < n; ++i) index[i] = static_cast<std::uint32_t>(i);
}

}  // namespace tsugi
