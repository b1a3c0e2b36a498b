// Times whole training steps of a model by layer and phase. Steps that nobody watches and steps whose parts are timed
// take turns: the former say how long a step takes, the latter where the time goes, and the difference what watching
// costs.
#pragma once

#include <functional>

#include "bench/measure/result_file.h"
#include "bench/measure/shape_lists.h"

namespace tsugi::bench {

struct StepBenchOptions {
  DType dtype = DType::f32;
  int batch = 0;                  ///< 0 = as pretrain takes
  std::size_t memory_budget = 0;  ///< as of training: 0 = no limit
  double min_seconds = 5.0;       ///< of each kind of step
  int min_steps = 5;              ///< of each kind
  bool brief = false;             ///< one step of each kind, for tests
  std::function<void(double share_done)> progress;
  std::function<bool()> should_stop;
};

/// Fills in file.step, and an entry for each layer and direction, each phase and the whole step. Photos are noise.
/// Throws what training throws.
void bench_step(Backend& backend, const ShapeList& list, const StepBenchOptions& options, ResultFile& file);

}  // namespace tsugi::bench
