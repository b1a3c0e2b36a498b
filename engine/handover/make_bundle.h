// The server's side of the hand-over: a checkpoint and a chosen part of its training photos, as one .tar for a device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/scan.h"
#include "engine/handover/bundle.h"
#include "engine/handover/head_rows.h"
#include "engine/handover/pack_features.h"
#include "engine/handover/people_statistics.h"
#include "engine/handover/release.h"
#include "engine/handover/subset.h"
#include "engine/train/checkpoint_session.h"
#include "engine/train/dataset.h"
#include "engine/train/inference.h"

namespace tsugi {

/// What bundles are made from.
struct BundleSource {
  std::string checkpoint;  ///< path
  std::string photos;      ///< the folder of people that it was trained on
  bool only_known_people =
      false;  ///< leave out people of the folder that the checkpoint does not know, rather than refuse them
  bool allow_missing_people = false;  ///< people without a photo in the folder, whom the device will forget
  std::string device = "auto";        ///< computes logits and features
  int threads = 0;                    ///< 0 = all cores
};

struct BundleRequest {
  std::string output;  ///< .tar to write
  SubsetStrategy strategy = SubsetStrategy::stratified;
  double fraction = 0.3;                ///< of the training photos, 0 to 1
  std::uint64_t seed = 1;               ///< of the choice
  std::optional<CheckpointKind> kind;   ///< how to store the checkpoint; as it is where not given
  bool test_photos = true;              ///< send them along: the device measures forgetting on them
  std::optional<PackOptions> features;  ///< send activations instead of the photos, training and test
  std::string previous;   ///< the checkpoint of the release before, as devices have it: what they know of their people
                          ///< can be carried over (release.h); "" = none
  bool knowledge = true;  ///< send along what the checkpoint makes of the server's photos (people_statistics.h)
};

struct MadeBundle {
  BundleSummary written;
  std::size_t training_photos = 0;      ///< that could be read: what the fraction is of
  std::uint64_t knowledge_bytes = 0;    ///< of its member
  std::optional<PackSummary> features;  ///< what activations stand for
};

/// Makes bundles of one checkpoint. What they have in common is read and computed once, when it is first needed.
class BundleMaker {
 public:
  /// Reads the checkpoint and scans the folder. Throws Error naming the place when the checkpoint holds what was learnt
  /// from personal photos (naming the people), does not fit its own model, or does not know a person of the folder.
  BundleMaker(const BundleSource& source, const RunObserver& observer);

  /// Writes a bundle. Photos that cannot be read are reported and left out. Throws Error before anything is
  /// written when too many photos cannot be read, the fraction is outside 0..1, the output cannot be written, or the
  /// observer asks to stop.
  MadeBundle make(const BundleRequest& request);

 private:
  void decode();
  void look();
  void gather_statistics();
  Predictions run(const CheckpointSession& session, const PhotoStore& store, const std::vector<std::uint32_t>& photos,
                  std::uint32_t variant, bool logits) const;
  Predictions run(std::uint32_t variant, bool logits) const;
  void look_at_held_out();
  FeatureMap map_from(const std::string& previous);
  SafetensorsFile statistics_of(const std::vector<std::size_t>& chosen) const;
  void check_stop() const;

  BundleSource source_;
  RunObserver observer_;
  CheckpointSession session_;
  PhotoFolder folder_;
  std::vector<Photo> test_photos_;     // that can be read
  HeadSamples tests_;                  // what the network's head sees of them
  std::unique_ptr<PhotoStore> store_;  // the training photos that can be read
  Predictions seen_;                   // logits and features of the store's photos as they are
  PeopleStatistics statistics_;        // without logits
};

/// Makes one bundle. Throws as BundleMaker does.
MadeBundle make_bundle(const BundleSource& source, const BundleRequest& request, const RunObserver& observer);

}  // namespace tsugi
