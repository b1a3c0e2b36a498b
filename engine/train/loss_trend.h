// Whether training goes somewhere: the loss of late beside the best so far. A run warns by it, and keeps the checkpoint
// from before a rise; it is part of a checkpoint's metrics, so that a run that goes on from there judges alike.
#pragma once

#include <cstdint>

namespace tsugi {

struct LossTrend {
  double lately = 0.0;      ///< mean loss of some ten steps
  double best = 0.0;        ///< where that was lowest; at first what is expected of an untrained network
  bool high = false;        ///< it rose half again as high as the best, and half the way from there to guessing, and
                            ///< has not come back to a quarter of the way
  std::uint32_t steps = 0;  ///< seen; counted up to kSettled

  static constexpr std::uint32_t kSettled = 10;  ///< before so many steps nothing is judged

  /// loss: the mean of a step's samples. guessing: the loss of equal probabilities, ln(classes).
  void add(double loss, double guessing);
};

}  // namespace tsugi
