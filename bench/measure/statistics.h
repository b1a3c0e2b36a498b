// What samples of a noisy machine are summed up by. Neither mean nor minimum: one outlier moves the mean, and the
// minimum is a moment when nobody else was there, which no training run gets.
#pragma once

#include <vector>

namespace tsugi::bench {

/// Seconds on a clock that never goes back.
double now();

/// Processor time of all threads of this process so far, seconds.
double processor_seconds();

/// The middle value; of an even number of values the mean of the two in the middle. NaN of none.
double median(std::vector<double> values);

/// Median of the distances from the median: how far samples lie apart, whatever a few outliers do.
double median_deviation(const std::vector<double>& values);

/// NaN of none. All values must be positive.
double geometric_mean(const std::vector<double>& values);

}  // namespace tsugi::bench
