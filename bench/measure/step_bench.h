// Times whole training steps of a model by layer and phase. Steps that nobody watches and steps whose parts are timed
// take turns: the former say how long a step takes, the latter where the time goes, and the difference what watching
// costs.
#pragma once

#include <functional>
#include <optional>

#include "bench/measure/result_file.h"
#include "bench/measure/shape_lists.h"
#include "engine/train/settings.h"

namespace tsugi::bench {

struct StepBenchOptions {
  DType dtype = DType::f32;
  int batch = 0;                          ///< 0 = as pretrain takes
  std::optional<TrainSettings> settings;  ///< in place of pretrain's; the batch is then theirs
  std::size_t memory_budget = 0;          ///< as of training: 0 = no limit
  double min_seconds = 5.0;               ///< of each kind of step
  int min_steps = 5;                      ///< of each kind
  /// Ends before min_seconds once the median is known to this share of it, and after min_seconds however few steps
  /// there were. 0 = never.
  double settled = 0.0;
  bool brief = false;  ///< one step of each kind, for tests
  std::function<void(double share_done)> progress;
  std::function<bool()> should_stop;
};

/// Fills in file.step, and an entry for each layer and direction, each phase and the whole step. Photos are noise.
/// Throws what training throws.
void bench_step(Backend& backend, const ShapeList& list, const StepBenchOptions& options, ResultFile& file);

}  // namespace tsugi::bench
