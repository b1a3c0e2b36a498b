// Photos as the source of a step's samples: decoded pixels, and augmentation on the device.
#pragma once

#include "engine/data/photo_store.h"
#include "engine/train/sample_source.h"

namespace tsugi {

/// The op that makes a batch of photos stored by `preprocessing`.
AugmentForward augment_op(const Preprocessing& preprocessing, const SampleRequest& request);

class PhotoSource : public SampleSource {
 public:
  /// Both must outlive the source.
  PhotoSource(Backend& backend, const PhotoStore& store) : SampleSource(backend), store_(store) {}

  const PhotoStore& store() const { return store_; }

  std::size_t size() const override { return store_.size(); }
  int label(std::size_t item) const override { return store_.label(item); }
  const std::string& name(std::size_t item) const override { return store_.photo(item).file; }
  const PhotoIdentity& identity(std::size_t item) const override { return store_.identity(item); }
  SampleShape shape() const override { return {store_.preprocessing().size, store_.preprocessing().size, 3}; }

  const std::uint8_t* rows() const override { return store_.pixels(); }  ///< [size,stored_size,stored_size,3]
  std::size_t row_bytes() const override { return store_.photo_bytes(); }
  std::size_t bytes() const override { return store_.bytes(); }
  std::uint32_t row(std::uint32_t item, std::uint32_t) const override {
    return item;
  }  // variants are drawn on the device

  std::size_t workspace_bytes(const SampleRequest& request) const override;
  void make_batch(const SampleRequest& request) const override;

 private:
  const PhotoStore& store_;
};

}  // namespace tsugi
