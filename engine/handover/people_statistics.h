// Statistics of people. Those of the server's, which the device cannot compute without their photos, travel in a bundle
// as tensors/knowledge.safetensors, so that even a hand-over with 0 % of the photos has something to hold on to: logits
// of the photos that are sent (distillation), and where each person's features lie, which is all that a head is made of
// (analytic_head.h). The device's checkpoint keeps the latter, with those of the personal people, for life: it adds
// people and forgets them without the bundle. Sources: Hayes & Kanan, "Lifelong machine learning with deep streaming
// linear discriminant analysis", CVPRW 2020; Hinton et al., "Distilling the knowledge in a neural network", 2015.
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

/// Of the scores of the server's test photos: a step is 5 % of them.
inline constexpr std::size_t kScoreQuantiles = 21;

/// A person of the device: the photos that they were learnt from, by digest, so that a photo that comes again changes
/// nothing and the order in which photos came does not show.
struct PersonalPerson {
  std::string name;
  std::vector<std::string> digests;  ///< SHA-256 of the photos' files, ascending, none twice
  std::vector<float> features;       ///< [digests, width]: of each photo as it is
};

/// A feature is an output of the layer that the model's last one reads. Bytes in a bundle: 2 * classes a photo that is
/// sent, and 4 * (classes * (width + 1) + width * width): 81 kB for 30 people and faces-resnet's 128 features, 293 kB
/// for faces-cnn's 256. A checkpoint has half of the covariance: 49 kB for the former, and 4 * width + 67 a photo of a
/// personal person.
struct PeopleStatistics {
  std::size_t classes = 0, width = 0;
  std::vector<float> logits;        ///< [training photos, classes], in the bundle's order of them; stored as float16
  std::vector<float> feature_mean;  ///< [classes, width]; zeros for a class without samples
  std::vector<float>
      feature_covariance;  ///< [width, width], symmetric: within classes, pooled; [width] where only_variances
  std::vector<float>
      feature_count;            ///< [classes] samples behind each mean: the server's training photos and draws of them
  bool only_variances = false;  ///< width is above kLargestCovariance
  /// How many of the server's test photos the head of these statistics names right; 0 of 0 where nobody counted.
  float held_out_correct = 0.0f, held_out_photos = 0.0f;
  /// [kScoreQuantiles] of how well those photos fit the person they are taken for (known_people.h): the lowest score,
  /// then those in equal steps of the share of photos below, to the highest. Empty where nobody looked.
  std::vector<float> held_out_scores;
  std::vector<PersonalPerson> personal;  ///< by name, ascending; a bundle has none
};

/// The sum of the features of a person's photos, and their mean without one of them. sum: theirs.
std::vector<double> feature_sum(const PersonalPerson& person, std::size_t width);
std::vector<double> mean_without(const PersonalPerson& person, const std::vector<double>& sum, std::size_t photo);

/// As arrays "logits", "feature_mean", "feature_covariance", "feature_count", "held_out" (right, photos) and
/// "held_out_scores" where there are any. Throws Error on sizes that do not fit each other and on values that are not
/// finite.
SafetensorsFile write_people_statistics(const PeopleStatistics& statistics);

/// The statistics of a bundle, whose model is `model`; nothing when it carries none. `place`, the bundle's name, opens
/// every message; older versions' lack the last arrays. Throws Error naming the array and both values on anything but
/// these arrays in the types and shapes that the bundle's classes, training photos and model need, with finite values,
/// a symmetric covariance without negative variances, and whole counts. The covariance may be singular.
/// `training_photos`: how many there are where the bundle does not carry them as photos (see feature_bundle.h).
std::optional<PeopleStatistics> read_people_statistics(const Bundle& bundle, const Model& model,
                                                       const std::string& place,
                                                       std::optional<std::size_t> training_photos = std::nullopt);

/// Puts the statistics into a checkpoint. Throws Error on sizes that do not fit each other and on values that are not
/// finite.
void store_people(const PeopleStatistics& statistics, Checkpoint& checkpoint);

/// The statistics of a checkpoint, whose model is `model`; nothing when it carries none. `place`, its file's name,
/// opens every message. Throws Error naming the array and both values on arrays of types and shapes other than the
/// people and the model need, values that are not finite, negative variances, counts that are not whole, scores that
/// are none, and personal people that are not its last classes. The covariance may be singular.
std::optional<PeopleStatistics> read_people(const Checkpoint& checkpoint, const Model& model, const std::string& place);

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
