// Which bytes an op of a step still finds in the cache from ops before it: by how much else was used since they were,
// and, where other programs use the same cache, by how long ago that was.
#pragma once

#include <cstddef>
#include <vector>

#include "bench/measure/recorded_step.h"

namespace tsugi::bench {

/// Of bytes that are used again after so many others, or after so many seconds, this share comes from memory.
struct CachePoint {
  double after = 0.0, missed = 0.0;
};

/// A last-level cache: shares by bytes of this program's own in between, and by seconds for what others do meanwhile.
/// Empty: nobody says.
struct CacheCurves {
  std::vector<CachePoint> by_bytes, by_seconds;
};

/// The share between the points of a curve (ascending), linear; the nearest point's outside; 0 for none.
double missed_share(const std::vector<CachePoint>& curve, double after);

/// For each op of the step, in its steady state, the bytes of its operands that come from memory. seconds: of each op,
/// about. Without a curve by bytes: none, which is then what the device's efficiencies mean. Source of reuse distances:
/// Mattson et al., "Evaluation techniques for storage hierarchies", 1970.
std::vector<double> missed_bytes(const std::vector<RecordedOp>& ops, const std::vector<double>& seconds,
                                 const CacheCurves& cache);

}  // namespace tsugi::bench
