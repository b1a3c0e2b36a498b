// What a hand-over trains and tests on: the bundle's photos, or their activations, and the personal photos beside them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/scan.h"
#include "engine/data/split.h"
#include "engine/handover/feature_bundle.h"
#include "engine/train/photo_source.h"
#include "engine/train/run.h"
#include "engine/train/settings.h"

namespace tsugi {

struct Material {
  std::optional<PhotoStore> store;  ///< photos only
  FeatureSet features;              ///< features only
  std::unique_ptr<SampleSource> source;
  Split split;  ///< items of the source
};

struct MaterialRequest {
  const Bundle& bundle;
  const PhotoFolder& personal;
  std::string personal_place;            ///< names the personal folder in messages
  std::vector<std::string> class_names;  ///< the bundle's people, then the personal ones
  int first_new = 0;                     ///< index of the first personal one
  Preprocessing preprocessing;
  const TrainSettings& settings;
  const Checkpoint& known;          ///< whose personal photos keep the roles that it lists
  std::size_t personal_photos = 0;  ///< most training photos of a personal person, 0 = all
  int threads = 0;                  ///< of decoding
  std::size_t memory = 0;           ///< bytes for pixels and decoding, 0 = no limit
  std::string save_crops;           ///< an empty folder for crop_sheet.h, "" = none
};

/// Decodes the bundle's photos and the personal ones. The bundle's have the roles that it says, personal ones are split
/// as usual. Throws Error naming the person of whom no photo can be read.
std::unique_ptr<Material> photo_material(Backend& backend, const MaterialRequest& request, const RunObserver& observer);

/// The bundle's features, and those of the personal photos: decoded, split, and run through the lower part once,
/// training photos in as many variants as the bundle's. Throws as photo_material and activate.
std::unique_ptr<Material> feature_material(Backend& backend, const MaterialRequest& request, const CutBundle& cut,
                                           const RunObserver& observer);

}  // namespace tsugi
