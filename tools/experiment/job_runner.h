// Runs the jobs of an experiment through the library and keeps each one's cell.
#pragma once

#include <memory>

#include "engine/data/scan.h"
#include "engine/handover/make_bundle.h"
#include "tools/experiment/cells.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {

class JobRunner {
 public:
  /// general: the scanned folder settings.general. The other two must outlive the runner.
  JobRunner(const ExperimentSettings& settings, ExperimentStore& store, const PhotoFolder& general)
      : settings_(settings), store_(store), order_(people_order(general)) {}

  /// Runs a job and writes its cell and metrics; a hand-over needs the cell of its pretraining. Returns false when the
  /// observer stopped it: a pretraining and a device alone then go on from their own checkpoint, a hand-over starts
  /// again, so that its time is one run's. Throws what pretrain, make_bundle and resume throw; also when a bundle is
  /// stopped.
  bool run(const Job& job, const RunObserver& observer);

 private:
  TrainRequest train_request(const Job& job, int epochs) const;
  RunSummary train(const Job& job, const std::string& checkpoint, const RunObserver& observer) const;
  RunSummary hand_over(const Job& job, const std::string& checkpoint, const RunObserver& observer, MadeBundle& made);
  BundleMaker& maker_of(const std::string& checkpoint, const RunObserver& observer);

  const ExperimentSettings& settings_;
  ExperimentStore& store_;
  std::vector<std::string> order_;
  std::unique_ptr<BundleMaker> maker_;  // of the last checkpoint: what its bundles have in common is computed once
  std::string made_of_;
};

}  // namespace tsugi::tools
