// Before anyone waits: how long a device will train, what memory it needs and how long the hand-over travels; and
// backwards, how much data may be sent.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/plan/bundle_size.h"
#include "bench/plan/step_model.h"

namespace tsugi::bench {

struct PlanRequest {
  StepRequest step;                                ///< its photos are filled in from what follows
  BundleRequestSize bundle;                        ///< the server's photos
  double fraction = 0.3;                           ///< of the server's training photos that is sent
  std::size_t personal_photos = 0;                 ///< training photos that the device has itself
  std::size_t strangers = 0, stranger_photos = 0;  ///< people in no class, learnt beside the others; and their photos
  bool as_resume = false;         ///< what learns, and whether anything does, is as `tsugi resume` has it by default
  bool own_epochs = false;        ///< the settings' epochs were asked for: a hand-over by statistics takes them, too
  double link_bytes_per_s = 0.0;  ///< 0 = nobody asked how long sending takes
};

/// What must not be exceeded; 0 = anything goes.
struct Budgets {
  double training_s = 0.0;    ///< of all epochs
  double memory_bytes = 0.0;  ///< of the process
  double transfer_bytes = 0.0, transfer_s = 0.0;
  bool any() const { return training_s > 0.0 || memory_bytes > 0.0 || transfer_bytes > 0.0 || transfer_s > 0.0; }
};

struct Plan {
  double fraction = 0.0;
  std::size_t sent = 0, trained = 0;  ///< photos sent to train on; photos trained on, personal ones among them
  std::string freeze_until;           ///< this layer and all before it stay as they are; "" = everything learns
  int epochs = 0;
  StepPrediction prediction;
  double epoch_s = 0.0, training_s = 0.0;  ///< steps alone: no evaluation, no decoding
  BundleSize bundle;
  double transfer_s = 0.0;  ///< 0 without a link
  std::size_t peak_memory_bytes = 0;
};

/// Where a step's time and memory come from: a description (predict_step) or the machine itself (TimedSteps).
using StepSource = std::function<StepPrediction(const StepRequest&)>;

/// A step alone, with twice as many photos as the batch, made of noise: what `tsugi bench --step` runs.
Plan plan_step(const DeviceDescription& device, const StepSource& steps, const StepRequest& request);

/// The hand-over of a fraction. Throws as its source; Error when there is no photo to train on.
Plan plan_handover(const DeviceDescription& device, const StepSource& steps, const PlanRequest& request);

/// The largest fraction within the budgets, and which of them ("time", "memory", "transfer") allows no more; empty
/// where all of it fits.
struct LargestFraction {
  Plan plan;
  std::string binding;
};

/// Ignores request.fraction. Throws Error naming the budget and both values when not even the least that can be trained
/// fits.
LargestFraction largest_fraction(const DeviceDescription& device, const StepSource& steps, const PlanRequest& request,
                                 const Budgets& budgets);

}  // namespace tsugi::bench
