// Photos of the server's people that the device does not have, drawn: features from Gaussians around each person's
// mean. Photos that were trained on lie closer to their mean than others, so the draws are spread as much wider as
// makes them as hard to name as the server's test photos were. Sources: Zhu et al., "Prototype augmentation and
// self-supervision for incremental learning" (PASS), CVPR 2021; Higham, "Analysis of the Cholesky decomposition of a
// semi-definite matrix", 1990.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/handover/head_rows.h"
#include "engine/handover/people_statistics.h"

namespace tsugi {

/// Of the deviation of draws where the server had no test photo to go by: what came out on three servers of 30 people
/// was 3.4 to 4.2.
inline constexpr double kUsualSpread = 3.75;

class HeadDraws {
 public:
  /// The same seed gives the same draws.
  HeadDraws(const PeopleStatistics& statistics, std::uint64_t seed);

  /// Of people with samples, person by person.
  const std::vector<int>& labels() const { return labels_; }

  /// The draws, their deviation `spread` times the people's own.
  HeadSamples samples(double spread) const;

  /// Scores of the draws by rows [count, width]: score = at_mean[label, row] + spread * noise[draw, row].
  struct Scores {
    std::vector<double> at_mean, noise;
  };
  Scores scores(const std::vector<std::vector<double>>& rows, const std::vector<double>& bias) const;

 private:
  const PeopleStatistics& statistics_;
  std::vector<double> factor_;  // [width, width], or deviations [width]
  std::vector<float> normal_;   // [draws, width]
  std::vector<int> labels_;
};

}  // namespace tsugi
