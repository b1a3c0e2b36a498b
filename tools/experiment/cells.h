// A finished cell as numbers, its file, and the tables of all cells.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/train/run.h"
#include "tools/experiment/jobs.h"

namespace tsugi::tools {

/// One person's test photos, before and after a hand-over.
struct PersonResult {
  std::string name;
  bool personal = false;
  std::uint64_t photos = 0, correct = 0,
                correct_before = 0;  ///< before: 0 for a personal person, whom the checkpoint does not know
};

/// What a job found. Everything but `Timing` is decided by the seed. Accuracies are 0 to 1, NaN where there is none.
struct Cell {
  Job job;
  std::uint64_t epochs = 0, steps = 0;
  std::uint64_t train_photos = 0, photos_sent = 0,
                photo_bytes = 0;      ///< trained on; of the general people's in the bundle
  std::uint64_t knowledge_bytes = 0;  ///< what the server says about them
  std::uint64_t feature_bytes = 0;    ///< of the activations that travelled instead of the photos
  double step_flops =
      std::numeric_limits<double>::quiet_NaN();  ///< with features: a sample's, forward and backward, above the cut
  double step_flops_share = std::numeric_limits<double>::quiet_NaN();  ///< of those of the whole model
  double accuracy = 0.0, general = 0.0, personal = 0.0;
  double general_before = 0.0;                                    ///< of the checkpoint as it was received
  double start = 0.0, start_general = 0.0, start_personal = 0.0;  ///< before the first step
  std::vector<PersonResult> people;
  Json settings = Json::object();  ///< TrainSettings of the run
  struct Timing {
    double wall_s = 0.0;     ///< of the run: a hand-over's from just before the bundle is opened
    double elapsed_s = 0.0;  ///< of the whole job, bundling included
    double images_per_s = 0.0;
    std::uint64_t bundle_bytes = 0, checkpoint_bytes = 0,
                  test_bytes = 0;  ///< of the .tar; of its checkpoint and test photos
    std::uint64_t peak_memory_bytes = 0;
    std::string finished;  ///< UTC, ISO 8601
  } timing;
  std::string device, precision, tsugi, build, commit;
};

/// The cell of a finished run: everything that the summary knows.
Cell cell_of(const Job& job, const RunSummary& summary);

Json to_json(const Cell& cell);
/// Throws Error naming `place` when the object is not a cell.
Cell cell_from_json(const Json& json, const std::string& place);

/// Every finished cell of an experiment's folder, by people, seed, kind, method and fraction. Throws as cell_from_json
/// does.
std::vector<Cell> read_cells(const std::string& out, FileLog* files = nullptr);

/// Writes results.csv: what the seeds decide, the same however often the experiment was interrupted; and timing.csv:
/// what the clock decides, and the sizes of files.
void write_tables(const std::string& out, const std::vector<Cell>& cells, FileLog* files = nullptr);

}  // namespace tsugi::tools
