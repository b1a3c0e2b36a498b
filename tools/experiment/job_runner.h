// Runs the jobs of an experiment through the library and keeps each one's cell.
#pragma once

#include "engine/data/scan.h"
#include "tools/experiment/cells.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {

class JobRunner {
 public:
  /// general: the scanned folder settings.general. All references must outlive the runner.
  JobRunner(const ExperimentSettings& settings, ExperimentStore& store, const PhotoFolder& general)
      : settings_(settings), store_(store), general_(general), order_(people_order(general)) {}

  /// Runs a job and writes its cell and metrics; a hand-over needs the cell of its pretraining. Returns false when the observer stopped it:
  /// a pretraining and a device alone then go on from their own checkpoint, a hand-over starts again, so that its time is one run's.
  /// Throws what pretrain, resume and write_bundle throw.
  bool run(const Job& job, const RunObserver& observer);

 private:
  TrainRequest train_request(const Job& job, int epochs) const;
  RunSummary train(const Job& job, const std::string& checkpoint, const RunObserver& observer) const;
  RunSummary hand_over(const Job& job, const std::string& checkpoint, const RunObserver& observer, Cell& sizes) const;
  void write_job_bundle(const Job& job, const Method& method, const std::string& path, Cell& sizes) const;

  const ExperimentSettings& settings_;
  ExperimentStore& store_;
  const PhotoFolder& general_;
  std::vector<std::string> order_;
};

}  // namespace tsugi::tools
