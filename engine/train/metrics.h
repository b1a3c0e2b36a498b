// The record of a run: one JSON object an evaluation, kept in the checkpoint and written as JSON lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/formats/checkpoint.h"
#include "engine/train/evaluation.h"
#include "engine/train/loss_trend.h"
#include "engine/train/trainer.h"

namespace tsugi {

/// One evaluation. `loss` is the mean training loss since the one before, NaN where no step was taken with these
/// weights; accuracies are of test photos.
struct MetricsRow {
  double wall_s = 0.0;  ///< seconds from the start of the run (a hand-over: from just before the bundle is opened)
  std::uint32_t step = 0, epoch = 0;
  double loss = 0.0;
  double train_accuracy = 0.0;  ///< on augmented training samples
  double accuracy = 0.0;
  bool handover = false;  ///< whether the next two are given
  double accuracy_general = 0.0, accuracy_personal = 0.0;
  bool concluded = false;  ///< of the network that a hand-over ends with, which has no loss (not written)
};

/// What a checkpoint's metrics hold: every evaluation so far, the sums of the unfinished epoch, and the loss's trend.
struct MetricsHistory {
  std::vector<MetricsRow> rows;
  StepTotals unfinished;
  LossTrend trend;
  double wall_s = 0.0;                   ///< seconds trained before this process, as far as known (continued_history)
  double accuracy_general_before = 0.0;  ///< a hand-over: of the checkpoint as it was received
  std::vector<Tally> before;             ///< a hand-over: [classes] the same, person by person
  std::string kept;  ///< a finished hand-over: "trained", or "start" where training was not worth keeping; else ""
};

/// One line of the metrics file, without the newline.
std::string to_json(const MetricsRow& row);

/// For the checkpoint, without times: the same run leaves the same bytes. They are in the metrics file.
std::string to_json(const MetricsHistory& history);
/// Throws Error naming `place` when the text is not such an object.
MetricsHistory metrics_from_json(const std::string& text, const std::string& place);

/// What an interrupted run leaves to the one that goes on: the metrics of its checkpoint `from` (`place` names it), and
/// of those evaluations that its metrics file has, too, the times. Others' times stay unknown (NaN). metrics_file may
/// be "" or missing.
MetricsHistory continued_history(const Checkpoint& from, const std::string& place, const std::string& metrics_file,
                                 FileLog* files);

/// Replaces the file at `path` by one line a row: a continued run rewrites what an interrupted one left behind.
void write_metrics(const std::string& path, const std::vector<MetricsRow>& rows, const FilePurpose& purpose);

}  // namespace tsugi
