// Statistics of the server's people, which the device cannot compute without their photos. They travel in a bundle as
// tensors/knowledge.safetensors, so that even a hand-over with 0 % of the photos has something to hold on to: logits of
// the photos that are sent (distillation), and where each person's features lie (imprinting, replay of features drawn
// from Gaussians). Sources: Hayes & Kanan, "Lifelong machine learning with deep streaming linear discriminant
// analysis", CVPRW 2020; Zhu et al., "Prototype augmentation and self-supervision for incremental learning" (PASS),
// CVPR 2021; Hinton et al., "Distilling the knowledge in a neural network", 2015.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/handover/bundle.h"
#include "engine/model/description.h"

namespace tsugi {

/// The name of the bundle's file of arrays.
inline constexpr const char* kKnowledgeName = "knowledge";

/// Up to this many features the covariance is whole; above, only its diagonal travels: a whole one of 512 takes 1 MB.
inline constexpr std::size_t kLargestCovariance = 512;

/// A feature is an output of the layer that the model's last one reads. Bytes: 2 * classes a photo that is sent, and
/// 4 * (classes * (width + 1) + width * width): 81 kB for 30 people and faces-resnet's 128 features, 293 kB for
/// faces-cnn's 256.
struct PeopleStatistics {
  std::size_t classes = 0, width = 0;
  std::vector<float> logits;        ///< [training photos, classes], in the bundle's order of them; stored as float16
  std::vector<float> feature_mean;  ///< [classes, width]; zeros for a class without samples
  std::vector<float>
      feature_covariance;  ///< [width, width], symmetric: within classes, pooled; [width] where only_variances
  std::vector<float>
      feature_count;            ///< [classes] samples behind each mean: the server's training photos and draws of them
  bool only_variances = false;  ///< width is above kLargestCovariance
};

/// As arrays "logits", "feature_mean", "feature_covariance" and "feature_count". Throws Error on sizes that do not fit
/// each other and on values that are not finite.
SafetensorsFile write_people_statistics(const PeopleStatistics& statistics);

/// The statistics of a bundle, whose model is `model`; nothing when it carries none. `place`, the bundle's name, opens
/// every message. Throws Error naming the array and both values on anything but the four arrays in the types and shapes
/// that the bundle's classes, training photos and model need, with finite values, a symmetric covariance without
/// negative variances, and whole counts. The covariance may be singular. `training_photos`: how many there are where
/// the bundle does not carry them as photos (see feature_bundle.h).
std::optional<PeopleStatistics> read_people_statistics(const Bundle& bundle, const Model& model,
                                                       const std::string& place,
                                                       std::optional<std::size_t> training_photos = std::nullopt);

/// Features of a sample of `model`: what its last layer reads.
std::size_t feature_width(const Model& model, int classes);

/// Class means and pooled within-class covariance, gathered sample by sample in double precision.
class FeatureStatistics {
 public:
  /// features: [labels.size(), width], host, of one sample a photo: their class means are what sums are shifted by, so
  /// that nothing cancels. They are not added.
  FeatureStatistics(std::size_t classes, std::size_t width, const std::vector<float>& features,
                    const std::vector<int>& labels);

  /// Adds samples of these features. labels: 0 .. classes - 1.
  void add(const std::vector<float>& features, const std::vector<int>& labels);

  /// Fills in everything but logits. The covariance is divided by samples - classes seen (at least 1).
  void store(PeopleStatistics& statistics) const;

 private:
  std::size_t classes_, width_;
  bool only_variances_;
  std::vector<double> shift_, sum_, products_,
      count_;  // [classes,width] twice, [width,width] (upper triangle) or [width], [classes]
};

}  // namespace tsugi
