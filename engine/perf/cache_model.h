// Which bytes an op of a step still finds in the cache from ops before it: by how much else was used since they were.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/perf/recorded_step.h"

namespace tsugi::perf {

/// Of bytes that are used again after `bytes` of others, this share comes from memory.
struct CachePoint {
  double bytes = 0.0, missed = 0.0;
};

/// The share between the points of a curve (ascending in bytes), linear; the nearest point's outside.
double missed_share(const std::vector<CachePoint>& cache, double bytes);

/// For each op of the step, in its steady state, the bytes of its operands that come from memory. An empty curve: none, which is then what the
/// device's efficiencies mean. Source of reuse distances: Mattson et al., "Evaluation techniques for storage hierarchies", 1970.
std::vector<double> missed_bytes(const std::vector<RecordedOp>& ops, const std::vector<CachePoint>& cache);

}  // namespace tsugi::perf
