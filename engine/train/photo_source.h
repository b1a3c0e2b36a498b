// Where a step finds its photos. A CPU reads them where the store keeps them. A GPU has all of them in its own memory where they fit,
// and gets those of each batch with the batch where they do not.
#pragma once

#include "engine/core/arena.h"
#include "engine/data/photo_store.h"

namespace tsugi {

class PhotoSource {
 public:
  PhotoSource(Backend& backend, const PhotoStore& store) : backend_(backend), store_(store) {
    if (backend.reads_host_memory()) device_ = store.pixels();
  }

  const PhotoStore& store() const { return store_; }

  /// Ops can read every photo of the store at device(): [size,stored_size,stored_size,3].
  bool resident() const { return device_ != nullptr; }
  const std::uint8_t* device() const { return device_; }  ///< device memory, null when not resident()

  /// Copies the whole store to the device, once. Throws Error when it does not fit.
  void make_resident() {
    if (resident()) return;
    copy_ = DeviceBuffer(backend_, store_.bytes());
    backend_.copy_to_device(copy_.data(), store_.pixels(), store_.bytes());
    device_ = copy_.as<std::uint8_t>();
  }

 private:
  Backend& backend_;
  const PhotoStore& store_;
  DeviceBuffer copy_;
  const std::uint8_t* device_ = nullptr;
};

/// The photos of one batch at a time: the source's own where it is resident, else copies in a block of `batch` photos.
class PhotoBatch {
 public:
  PhotoBatch() = default;
  PhotoBatch(Backend& backend, const PhotoSource& source, std::size_t batch);

  const std::uint8_t* device() const { return device_; }  ///< [*,stored_size,stored_size,3], device; the same for every batch

  /// Gathers the photos index[0, n) of the store on the host ahead of fetch(): the device may be busy with another batch meanwhile.
  void gather(const std::uint32_t* index, std::size_t n);

  /// Turns index[0, n) from photos of the store into photos of device(), and brings them there. Gathers what gather() has not.
  void fetch(std::uint32_t* index, std::size_t n);

  /// Device memory that a batch of a source that is not resident needs.
  static std::size_t bytes(const PhotoStore& store, std::size_t batch) { return store.photo_bytes() * batch; }

 private:
  Backend* backend_ = nullptr;
  const PhotoSource* source_ = nullptr;
  DeviceBuffer block_;
  std::vector<std::uint8_t> host_;       // what the next upload sends
  std::vector<std::uint32_t> gathered_;  // which photos these are
  const std::uint8_t* device_ = nullptr;
};

/// The fields of an augmentation op that preprocessing decides.
inline AugmentForward augment_op(const Preprocessing& p, const std::uint8_t* photos, int n) {
  AugmentForward op;
  op.n = n;
  op.photo_h = op.photo_w = p.stored_size;
  op.h = op.w = p.size;
  for (int i = 0; i < 3; ++i) {
    op.mean[i] = p.mean[i];
    op.inv_std[i] = 1.0f / p.std[i];
  }
  op.photos = photos;
  return op;
}

}  // namespace tsugi
