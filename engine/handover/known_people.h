// Whether a photo shows anybody whom a checkpoint knows, by the statistics of its people. How well a photo fits a
// person is the cosine between photo and person, seen from the centre of the server's people in the space where people
// vary alike (whitening.h). Personal people, whose photos taught the layers nothing, fit their own photos less well:
// their scores are raised by what they lack. The threshold lies where it accepts as many of the server's test photos as
// the user says. Sources: Hendrycks & Gimpel, "A baseline for detecting misclassified and out-of-distribution
// examples", ICLR 2017 (the task); Scheirer et al., "Toward open set recognition", TPAMI 2013.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/handover/people_statistics.h"
#include "engine/handover/whitening.h"

namespace tsugi {

/// Of what a personal person's photos lack. Of 24 hand-overs of 10 photos 86, 97 and 98 % of their later photos are
/// accepted with none, half and all of it, and 2.8, 7.3 and 10.2 % of strangers for theirs (bench/strangers.py).
inline constexpr double kRaisedShare = 0.5;

class KnownPeople {
 public:
  /// accept: the share (0 to 1) of the server's test photos that are not to be a stranger's. bias: whether the head has
  /// one (see analytic_head.h).
  KnownPeople(const PeopleStatistics& statistics, double accept, bool bias = true);

  /// The cosines [people] of a photo with everybody: the server's people, then the personal ones. feature: [width],
  /// finite.
  std::vector<double> cosines(const float* feature) const;

  /// How well a photo of these cosines fits a person.
  double score(const std::vector<double>& cosines, std::size_t person) const {
    return cosines.at(person) + raised_.at(person);
  }

  /// Whether it shows this person rather than anybody else, known or not: the cosine less half of the best other's.
  static double verification(const std::vector<double>& cosines, std::size_t person);

  /// The score below which a photo is a stranger's; nothing where the server had no test photo, or an older version.
  std::optional<double> threshold() const { return threshold_; }

 private:
  Whitening whitening_;
  std::size_t width_;
  std::vector<std::vector<double>> directions_;  // of the people's means
  std::vector<double> raised_;                   // what is added to a person's cosines
  std::optional<double> threshold_;
};

/// The people of a checkpoint, whose file's name `place` opens messages; nothing where it carries no statistics.
/// accept: instead of what its settings say. Throws as read_people.
std::optional<KnownPeople> known_people(const Checkpoint& checkpoint, const Model& model, const std::string& place,
                                        std::optional<double> accept = std::nullopt);

/// As PeopleStatistics::held_out_scores; empty of none. scores: in any order, finite.
std::vector<float> score_quantiles(std::vector<double> scores);

/// The share of pairs in which the first one's score is the higher, ties half: 1 where all are, NaN of no pair.
double auroc(std::vector<double> positive, const std::vector<double>& negative);

}  // namespace tsugi
