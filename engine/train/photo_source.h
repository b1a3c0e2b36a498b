// Where a step finds its photos: the store's own memory when the device sees it, else a copy on the device, made once.
#pragma once

#include "engine/core/arena.h"
#include "engine/data/photo_store.h"

namespace tsugi {

class PhotoSource {
 public:
  PhotoSource(Backend& backend, const PhotoStore& store) : store_(store) {
    if (backend.shares_host_memory()) {
      device_ = store.pixels();
    } else {
      copy_ = DeviceBuffer(backend, store.bytes());
      backend.copy_to_device(copy_.data(), store.pixels(), store.bytes());
      device_ = copy_.as<std::uint8_t>();
    }
  }

  const PhotoStore& store() const { return store_; }
  const std::uint8_t* device() const { return device_; }  ///< [size,stored_size,stored_size,3], device

 private:
  const PhotoStore& store_;
  DeviceBuffer copy_;
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
