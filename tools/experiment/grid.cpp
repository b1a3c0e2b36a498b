// Input checks, identity, and the loop over jobs.
#include "tools/experiment/grid.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "bench/measure/environment.h"
#include "engine/core/device.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/core/version.h"
#include "engine/model/description.h"
#include "engine/train/dataset.h"
#include "engine/tuning/tuned_backend.h"
#include "tools/experiment/job_runner.h"
#include "tools/experiment/progress.h"

namespace tsugi::tools {
namespace {

/// One digest of all photos of a folder: their names and their bytes.
std::string digest_of(const PhotoFolder& folder, FileLog* files) {
  Sha256 digest;
  for (const Photo& photo : folder.photos) {
    const std::string line =
        photo.file + " " + sha256_hex(read_file(photo.path, {ReadOptions{}.limit, {"photo", files}, ""})) + "\n";
    digest.update(line.data(), line.size());
  }
  return digest.hex();
}

void check_people(const ExperimentSettings& settings, const PhotoFolder& general, const PhotoFolder& personal) {
  with_personal(general, personal, settings.personal);
  const auto have = static_cast<int>(general.class_names.size());
  for (const int people : settings.people)
    if (people > have)
      throw Error(settings.general + ": holds " + std::to_string(have) + " people, but " + std::to_string(people) +
                  " are asked for");
}

/// What all cells share. Absent numbers are the defaults of the model and of resume.
Json identity_of(const ExperimentSettings& settings, const PhotoFolder& general, const PhotoFolder& personal,
                 FileLog* files) {
  const std::unique_ptr<Backend> backend = make_backend(settings.device, settings.threads);
  const auto given = [](auto number) { return number > 0 ? Json(number) : Json("default"); };
  Json json;
  json["photos of general people"] = digest_of(general, files);
  json["photos of personal people"] = digest_of(personal, files);
  json["most training photos of a personal person"] =
      settings.personal_photos > 0 ? Json(settings.personal_photos) : Json("all");
  const Model model = find_model(settings.model, files);
  json["model"] = model.name + ", digest " + sha256_hex(model.json).substr(0, 16);
  json["size"] = given(settings.size);
  json["epochs"] = given(settings.epochs);
  json["hand-over epochs"] = given(settings.handover_epochs);
  json["variants"] = given(settings.variants);
  json["device"] = backend->name() + " (" + backend->description() + ")";
  json["precision"] = precision_name(choose_precision(settings.precision, *backend));
  const TuningUse tuning = apply_tuning(*backend, {"auto", files});  // other kernels, other rounding
  if (tuning.changed > 0)
    json["tuned kernels"] =
        "digest " + sha256_hex(read_file(tuning.path, {ReadOptions{}.limit, {"tuning", files}, ""})).substr(0, 16);
  return json;
}

class GridRun {
 public:
  GridRun(const ExperimentSettings& settings, const PhotoFolder& general, const std::vector<Job>& jobs,
          ExperimentStore& store, Console& console, FileLog* files)
      : settings_(settings),
        jobs_(jobs),
        store_(store),
        console_(console),
        files_(files),
        runner_(settings, store, general),
        progress_(jobs) {}

  GridSummary run() {
    const Stopwatch clock;
    count_finished();
    for (const Job& job : jobs_) {
      if (store_.has(job)) continue;
      if (stop_requested() || !run_job(job)) {
        summary_.stopped = true;
        break;
      }
    }
    summary_.cells = jobs_.size();
    summary_.done = progress_.done();
    summary_.wall_s = clock.seconds();
    write_tables(settings_.out, read_cells(settings_.out, files_), files_);
    return summary_;
  }

 private:
  void count_finished() {
    std::set<std::string> keys;
    for (const Cell& cell : read_cells(settings_.out, files_))
      for (const Job& job : jobs_)
        if (job.key() == cell.job.key()) progress_.finish(job, cell.timing.elapsed_s);
    if (progress_.done() > 0)
      console_.say(std::to_string(progress_.done()) + " of " + std::to_string(jobs_.size()) +
                   " cells are there already");
  }

  /// False when it was stopped.
  bool run_job(const Job& job) {
    progress_.start(job);
    if (failed_servers_.count({job.people, job.seed}) > 0 && job.kind == JobKind::handover) return true;
    RunObserver observer = console_.observer(files_);
    observer.evaluated = nullptr;
    if (summary_.run > 0) observer.say = nullptr;  // device, model and memory: once is enough
    observer.step = [this](const RunStatus& status) { console_.progress(progress_.line(status)); };
    try {
      if (!runner_.run(job, observer)) return false;
      finished(job);
    } catch (const Error& error) {
      if (stop_requested()) return false;  // in the middle of a bundle
      if (job.kind == JobKind::pretrain) failed_servers_.insert({job.people, job.seed});
      summary_.failed.push_back(job.text() + ": " + error.what());
      Console::error(summary_.failed.back());
    }
    return true;
  }

  void finished(const Job& job) {
    ++summary_.run;
    const std::vector<Cell> cells = read_cells(settings_.out, files_);
    const auto cell = std::find_if(cells.begin(), cells.end(), [&](const Cell& c) { return c.job.key() == job.key(); });
    progress_.finish(job, cell->timing.elapsed_s);
    write_tables(settings_.out, cells, files_);
    console_.say(progress_.finished_line(*cell));
  }

  const ExperimentSettings& settings_;
  const std::vector<Job>& jobs_;
  ExperimentStore& store_;
  Console& console_;
  FileLog* files_;
  JobRunner runner_;
  GridProgress progress_;
  GridSummary summary_;
  std::set<std::pair<int, std::uint64_t>> failed_servers_;
};

}  // namespace

GridSummary run_grid(const ExperimentSettings& settings, const std::string& command, Console& console, FileLog* files) {
  if (files != nullptr)
    for (const std::string& personal : {settings.personal, settings.out})
      files->personal(personal);  // what is written knows of them
  const PhotoFolder general = scan_photos(settings.general), personal = scan_person(settings.personal);
  check_people(settings, general, personal);
  ExperimentStore store(settings.out, identity_of(settings, general, personal, files), settings.methods, files);
  const std::vector<Job> jobs = list_jobs(settings, general, personal);
  read_cells(settings.out, files);  // they must be readable before hours go by
  Json about;
  about["command"] = command;
  about["machine"] = bench::cpu_name() + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores, " +
                     bytes_text(static_cast<double>(bench::memory_bytes()));
  about["people in order"] = people_order(general);
  about["people"] = settings.people;
  about["fractions"] = settings.fractions;
  about["seeds"] = settings.seeds;
  about["cells"] = jobs.size();
  store.describe(about);
  return GridRun(settings, general, jobs, store, console, files).run();
}

}  // namespace tsugi::tools
