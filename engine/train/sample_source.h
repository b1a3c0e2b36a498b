// Where a step finds its samples: rows of bytes, and the op that turns rows into the network's input. photo_source.h
// has photos and augmentation, a hand-over activations and dequantisation. A CPU reads rows where they lie. A GPU has
// all of them in its own memory where they fit, and gets those of each batch with the batch where they do not.
#pragma once

#include <string>
#include <vector>

#include "engine/core/arena.h"
#include "engine/data/photo.h"
#include "engine/model/description.h"
#include "engine/train/soft_labels.h"

namespace tsugi {

/// One batch to be made. Pointers are device memory.
struct SampleRequest {
  int n = 1;
  std::uint32_t variants = 1;  ///< 1 = every item as it is
  AugmentStrength strength;
  DType dtype = DType::f32;
  const StepState* step = nullptr;
  const std::uint8_t* rows = nullptr;
  const std::uint32_t* index = nullptr;       ///< [n] rows
  const std::uint32_t* sample_ids = nullptr;  ///< [n] keys of random draws; variant is id % variants
  void* x = nullptr;                          ///< [n, shape()], overwritten
  void* workspace = nullptr;
};

class SampleSource {
 public:
  virtual ~SampleSource() = default;
  SampleSource(const SampleSource&) = delete;
  SampleSource& operator=(const SampleSource&) = delete;

  // -- items: photos, whatever is kept of them ----------------------------------------------------------------------
  virtual std::size_t size() const = 0;
  virtual int label(std::size_t item) const = 0;
  virtual const std::string& name(std::size_t item) const = 0;  ///< "<class>/<file>"
  /// What the photo is known by. Where nothing but its activations is there, `file` is their digest.
  virtual const PhotoIdentity& identity(std::size_t item) const = 0;
  virtual SampleShape shape() const = 0;  ///< of a sample, as the network reads it

  /// What is learnt beside the labels; of weight 0 unless it was set.
  const SoftLabels& soft_labels() const { return soft_labels_; }
  void set_soft_labels(SoftLabels labels) { soft_labels_ = std::move(labels); }

  // -- rows -----------------------------------------------------------------------------------------------------------
  virtual const std::uint8_t* rows() const = 0;  ///< [*,row_bytes()], host memory
  virtual std::size_t row_bytes() const = 0;
  virtual std::size_t bytes() const = 0;  ///< of rows()
  /// The row that variant `variant` of an item is made from. Throws Error when that variant is not kept.
  virtual std::uint32_t row(std::uint32_t item, std::uint32_t variant) const = 0;

  /// Ops can read every row at device().
  bool resident() const { return backend_.reads_host_memory() || copy_.data() != nullptr; }
  /// Device memory, null when not resident().
  const std::uint8_t* device() const { return backend_.reads_host_memory() ? rows() : copy_.as<std::uint8_t>(); }
  /// Copies all rows to the device, once. Throws Error when they do not fit.
  void make_resident();

  // -- the first op of a step
  // -------------------------------------------------------------------------------------------
  virtual std::size_t workspace_bytes(const SampleRequest& request) const = 0;  ///< sizes are read, pointers are not
  virtual void make_batch(const SampleRequest& request) const = 0;

 protected:
  explicit SampleSource(Backend& backend) : backend_(backend) {}
  Backend& backend() const { return backend_; }

 private:
  Backend& backend_;
  DeviceBuffer copy_;
  SoftLabels soft_labels_;
};

/// Throws Error naming `place` and both shapes unless `model` reads samples of the source's shape.
void check_shape(const SampleSource& source, const Model& model, const std::string& place);

/// The rows of one batch at a time: the source's own where it is resident, else copies in a block of `batch` rows.
class SampleBatch {
 public:
  SampleBatch() = default;
  SampleBatch(Backend& backend, const SampleSource& source, std::size_t batch);

  const std::uint8_t* device() const { return device_; }  ///< [*,row_bytes], device; the same for every batch

  /// Gathers the rows index[0, n) on the host ahead of fetch(): the device may be busy with another batch meanwhile.
  void gather(const std::uint32_t* index, std::size_t n);

  /// Turns index[0, n) from rows of the source into rows of device(), and brings them there. Gathers what gather() has
  /// not.
  void fetch(std::uint32_t* index, std::size_t n);

  /// Device memory that a batch of a source that is not resident needs.
  static std::size_t bytes(const SampleSource& source, std::size_t batch) { return source.row_bytes() * batch; }

 private:
  Backend* backend_ = nullptr;
  const SampleSource* source_ = nullptr;
  DeviceBuffer block_;
  std::vector<std::uint8_t> host_;       // what the next upload sends
  std::vector<std::uint32_t> gathered_;  // which rows these are
  const std::uint8_t* device_ = nullptr;
};

}  // namespace tsugi
