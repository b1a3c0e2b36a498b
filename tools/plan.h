// What the parts of tsugi plan share: its options, and what it tells.
#pragma once

#include <string>
#include <vector>

#include "bench/plan/plan.h"
#include "engine/train/pretrain.h"
#include "tools/command.h"

namespace tsugi::tools {

struct PlanOptions {
  Common common;
  std::string device, model = PretrainRequest().model, precision = TrainRequest().precision;
  std::string memory, photos, strangers, compact = "none", link;
  std::string max_time, max_memory, max_transfer, save_device;
  std::vector<std::string> results;
  int size = 0, threads = 0, people = 0, personal = 0;
  double photo_bytes = 0.0, fraction = 0.3;
  Overrides<TrainSettings> settings;  ///< what the command line names of training's
  bool no_test = false, no_knowledge = false, resume = false, smoke = false;
};

struct PlanOutcome {
  bench::Plan plan;
  bool handover = false;   ///< photos were given: epochs, bundle and transfer mean something
  bool backwards = false;  ///< the fraction is the largest within budgets, and
  std::string binding;     ///< this one allows no more; empty: everything fits
};

void print_plan(const bench::DeviceDescription& device, const bench::PlanRequest& request, const PlanOutcome& outcome);
Json plan_json(const bench::DeviceDescription& device, const bench::PlanRequest& request, const PlanOutcome& outcome);

}  // namespace tsugi::tools
