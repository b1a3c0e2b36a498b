// What a bundle carries instead of photos: their activations at a cut of the model, as the arrays "activations". Made
// by the server, read by the device; what is read is hostile until checked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/handover/bundle.h"
#include "engine/handover/feature_source.h"
#include "engine/handover/parts.h"

namespace tsugi {

inline constexpr const char* kActivationsName = "activations";  ///< in Bundle::tensors
inline constexpr std::uint32_t kMostVariants = 10000;

/// Training photos in `variants` variants each, the first of them the photo itself; test photos as they are.
struct BundledFeatures {
  std::string layer;                                 ///< of the cut
  std::uint32_t variants = 1;                        ///< 1 to 10000
  std::string model_sha256;                          ///< of the model description's text
  std::string lower_sha256;                          ///< weights_sha256 of the part that computed them
  std::vector<std::string> train_files, test_files;  ///< "<class>/<file>" of each photo
  std::vector<std::int64_t> extents;                 ///< h, w, c of one activation
  ChannelQuantization quantization;                  ///< [c]; empty where there are no rows
  std::vector<std::uint8_t> train;                   ///< [train_files, variants, h, w, c]
  std::vector<std::uint8_t> test;                    ///< [test_files, h, w, c]
};

/// Tensors "train", "test" (u8), "scale" and "offset" (f32); the rest is metadata.
SafetensorsFile to_safetensors(const BundledFeatures& features);

/// The reverse. Throws Error naming `place` on anything missing, of another type or shape, on scales that are not
/// finite or negative, on unusable and repeated file names, and on variants out of range.
BundledFeatures features_from(const SafetensorsFile& file, const std::string& place);

/// A bundle's features with the model and the weights that they belong to.
struct CutBundle {
  BundledFeatures features;
  ModelCut cut;
  Checkpoint lower, upper;  ///< of the bundle's checkpoint
};

/// Null when the bundle carries photos. Throws Error as features_from and cut_model do, and, naming `place` and both
/// values, when the features are of another model, of other weights, of another shape or of people that the checkpoint
/// does not have, or when there are photos beside them.
std::unique_ptr<CutBundle> cut_bundle(const Bundle& bundle, const Model& model, const std::string& place);

/// The features as a set that can be trained on: items are the training photos, then the test photos. labels: by
/// class_names.
FeatureSet feature_set(const BundledFeatures& features, const std::vector<std::string>& class_names);

}  // namespace tsugi
