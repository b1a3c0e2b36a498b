// The server's side of a bundle of features: its photos give way to their activations.
#pragma once

#include <string>

#include "engine/handover/feature_bundle.h"
#include "engine/train/run.h"

namespace tsugi {

struct PackOptions {
  std::string layer;           ///< to cut the model at; "" = default_cut
  std::uint32_t variants = 9;  ///< of each training photo; the photo itself is one of them
  int threads = 0;             ///< of decoding
};

struct PackSummary {
  CutPlace place;
  std::size_t photos = 0, test_photos = 0;  ///< that activations stand for
  std::uint64_t photo_bytes = 0;            ///< the same photos' files
  std::uint64_t feature_bytes = 0;          ///< their activations
  std::uint64_t member_bytes = 0;           ///< the file of all arrays
};

/// Replaces bundle.photos by the arrays of their activations, computed with the weights as the device will read them
/// (bundle.checkpoint stored as bundle.kind). Variants are drawn as the checkpoint's settings say. Photos that cannot
/// be read are reported and left out. Throws Error naming `place` as cut_model and activate do, when variants are out
/// of 1..10000, and when the observer asks to stop.
PackSummary pack_features(Bundle& bundle, Backend& backend, const PackOptions& options, const std::string& place,
                          const RunObserver& observer);

}  // namespace tsugi
