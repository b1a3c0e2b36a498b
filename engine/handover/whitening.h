// The space of features where the server's people vary alike in every direction. Source: Ledoit & Wolf, "A
// well-conditioned estimator for large-dimensional covariance matrices", 2004 (the shrinkage; its amount is our own).
#pragma once

#include <vector>

#include "engine/handover/people_statistics.h"

namespace tsugi {

class Whitening {
 public:
  /// centred: rows start from the mean of the people's means, else from zero.
  Whitening(const PeopleStatistics& statistics, bool centred);

  /// The row of a person with this mean feature [width]: S^-1 (mean - m), as long as makes its length in that space 1;
  /// zeros at the centre m.
  std::vector<double> row(const std::vector<double>& mean) const;

  /// Where a feature [width] lies as seen from the centre, in the space where people vary alike: of length 1 there, so
  /// that two of these multiply to the cosine between them; zeros at the centre.
  std::vector<double> direction(const std::vector<double>& feature) const;

  /// The row's score of the centre.
  double at_centre(const std::vector<double>& row) const;

 private:
  bool factorise(const PeopleStatistics& statistics, double shrinkage);
  std::vector<double> apart_from_centre(const std::vector<double>& feature) const;
  std::vector<double> whitened(std::vector<double> x) const;
  std::vector<double> solve(std::vector<double> x) const;

  std::size_t width_;
  bool diagonal_;
  std::vector<double> centre_, root_;  // [width]; [width, width], lower, or [width]: root root' = S
};

}  // namespace tsugi
