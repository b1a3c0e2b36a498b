// How large a bundle will be, part by part, before there is one.
#pragma once

#include <cstddef>

#include "bench/measure/shape_lists.h"
#include "engine/formats/checkpoint.h"
#include "engine/train/settings.h"

namespace tsugi::bench {

struct BundleRequestSize {
  std::size_t train_photos = 0;  ///< of the server, all of them: a full checkpoint lists them
  std::size_t test_photos = 0;
  double photo_bytes = 0.0;  ///< of a photo's file, on average
  CheckpointKind kind = CheckpointKind::full;
  bool send_test_photos = true;
  bool knowledge = true;
};

struct BundleSize {
  double checkpoint = 0.0, knowledge = 0.0, photos = 0.0, test_photos = 0.0, manifest = 0.0, total = 0.0;  ///< bytes
};

class BundleSizes {
 public:
  /// Encodes a checkpoint of the model with start values, once.
  BundleSizes(const ShapeList& list, const TrainSettings& settings, const BundleRequestSize& request);
  /// With `sent` training photos.
  BundleSize with(std::size_t sent) const;

 private:
  BundleRequestSize request_;
  int classes_;
  double width_, checkpoint_;
};

}  // namespace tsugi::bench
