// Times the ops of models one by one on a device. Every point gets a turn in every round, the device's limits too: what
// else the machine does hits all alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/measure/op_cases.h"
#include "bench/measure/result_file.h"

namespace tsugi::bench {

struct OpBenchOptions {
  DType dtype = DType::f32;
  bool warm = true, cold = true;  ///< inputs in the cache from the call before, or from memory
  double min_seconds = 1.0;       ///< of measurement a point, all rounds together
  int rounds = 5;
  std::string filter;         ///< only points with this text in their name
  bool peers = true;          ///< time the vendor's library beside each convolution and dense layer, in turn
  bool every_kernel = false;  ///< convolutions and dense layers alone, each by every kernel that computes it
  bool brief = false;         ///< one short sample a point: shows that everything runs, and nothing else
};

struct OpBenchObserver {
  std::function<void(std::size_t done, std::size_t total)> progress;  ///< turns
  std::function<bool()> should_stop;                                  ///< asked before every turn
};

/// Measures `cases` and, in the same rounds, the limits; the first vendor as LimitMeter. The peer of a convolution or
/// dense layer is the fastest vendor, and where there is none the backend's own kernel of the name "onednn"; each has
/// as long as the point itself. Points without a sample (stopped before their first turn) are left out and counted;
/// points that the device cannot compute carry its message. Throws Error when nothing matches the filter.
void bench_ops(Backend& backend, const std::vector<Backend*>& vendors, const std::vector<OpCase>& cases,
               const OpBenchOptions& options, const OpBenchObserver& observer, ResultFile& file);

/// "faces-cnn/b64/conv1/conv2d_forward/f32/cold".
std::string entry_name(const OpCase& op_case, OpPass pass, DType dtype, const std::string& cache);

}  // namespace tsugi::bench
