// A mean over the steps of late: all of them alike at first, then with weights that fade by a tenth a step.
#include "engine/train/loss_trend.h"

#include <algorithm>

namespace tsugi {
namespace {

// Means of ten steps vary less where a network neither learns nor forgets: their lowest is seldom below 0.8 of them.
constexpr double kRise = 1.5;
constexpr double kOut = 0.5, kBack = 0.25;  // of the way to guessing: far enough apart that noise tells nothing twice

}  // namespace

void LossTrend::add(double loss, double guessing) {
  if (steps == 0) best = std::max(loss, guessing);  // not less where a first batch happens to be easy
  steps = std::min(steps + 1, kSettled);
  lately += (loss - lately) / steps;
  if (steps < kSettled) return;
  best = std::min(best, lately);
  const double way = std::max(guessing - best, 0.0);
  high = lately > (high ? best + kBack * way : std::max(kRise * best, best + kOut * way));
}

}  // namespace tsugi
