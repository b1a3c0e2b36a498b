// Activations of photos as the source of a step's samples: rows of 8-bit levels, and dequantisation on the device.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/channel_quantization.h"
#include "engine/train/sample_source.h"

namespace tsugi {

/// What is kept of one photo: `variants` rows from `first_row` on; row 0 is the photo itself, the others are augmented.
struct FeatureItem {
  std::string name;  ///< "<class>/<file>"
  int label = 0;
  std::uint32_t first_row = 0, variants = 1;
  PhotoIdentity identity;  ///< SampleSource::identity
};

/// Host memory. All rows share one table of levels.
struct FeatureSet {
  SampleShape shape;                 ///< of one row
  ChannelQuantization quantization;  ///< [shape.c]
  std::vector<FeatureItem> items;
  std::vector<std::uint8_t> rows;  ///< [*, shape]

  /// Adds rows of these levels, widening the table (and recoding what is there) where they reach further. values: [*,
  /// shape], host.
  void append(std::vector<std::uint8_t> added, const ChannelQuantization& added_quantization);
};

class FeatureSource : public SampleSource {
 public:
  /// Throws Error when an item's rows are not there, or the levels are not those of the shape's channels. Both
  /// arguments must outlive it.
  FeatureSource(Backend& backend, const FeatureSet& set);

  std::size_t size() const override { return set_.items.size(); }
  int label(std::size_t item) const override { return set_.items[item].label; }
  const std::string& name(std::size_t item) const override { return set_.items[item].name; }
  const PhotoIdentity& identity(std::size_t item) const override { return set_.items[item].identity; }
  SampleShape shape() const override { return set_.shape; }

  const std::uint8_t* rows() const override { return set_.rows.data(); }
  std::size_t row_bytes() const override { return set_.shape.count(); }
  std::size_t bytes() const override { return set_.rows.size(); }
  std::uint32_t row(std::uint32_t item, std::uint32_t variant) const override;

  std::size_t workspace_bytes(const SampleRequest&) const override { return 0; }
  void make_batch(const SampleRequest& request) const override;

 private:
  const FeatureSet& set_;
  DeviceBuffer tables_;  // scale, then offset, each from a multiple of 16 bytes on
};

}  // namespace tsugi
