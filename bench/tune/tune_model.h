// Measures, for every call of a model's training step that has a choice of kernels, the kernels against each other on
// this device, and then whole steps with the winners against steps without.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/tune/kernel_search.h"
#include "bench/tune/model_calls.h"

namespace tsugi::bench {

struct TuneOptions {
  DType dtype = DType::f32;
  int batch = 64;
  double seconds = 60.0;         ///< for all of it
  double sample_seconds = 2e-3;  ///< a turn repeats the call until it lasts about that long
  SearchOptions search;          ///< its out_of_time is the budget
  std::function<void(const std::string& doing, double share_done)> progress;
  std::function<bool()> should_stop;
};

/// One call with a choice.
struct TunedCall {
  ModelCall made;
  std::vector<std::string> kernels;  ///< the default first
  SearchResult search;
};

/// Steps with the winners and steps with the defaults, in turn.
struct StepCheck {
  int pairs = 0;
  double default_s = 0.0, tuned_s = 0.0;      ///< medians
  double ratio = 1.0, ratio_deviation = 0.0;  ///< of tuned to default, of pairs: median and its absolute deviation
  std::string failure;                        ///< why there is none: no time, no memory
};

struct TuneResult {
  std::vector<TunedCall> calls;
  int without_choice = 0;  ///< different calls that one kernel computes
  StepCheck check;         ///< without pairs where nothing is to be changed
  bool kept = true;        ///< false: the step was slower with the winners, so that all defaults stay

  int changed() const;    ///< calls that another kernel than the default computes from now on
  int undecided() const;  ///< calls that the time, or the noise, left without an answer: they keep their default
};

/// The backend takes the winners from then on. Throws Error when it has no choice of kernels, and what training throws.
TuneResult tune_model(Backend& backend, const ShapeList& list, const TuneOptions& options);

}  // namespace tsugi::bench
