// tsugi tune: measures which kernels are the fastest on this device, and remembers it for all other commands.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "bench/measure/environment.h"
#include "bench/measure/quantities.h"
#include "bench/tune/tune_model.h"
#include "engine/core/atomic_file.h"
#include "engine/core/device.h"
#include "engine/core/output_claim.h"
#include "engine/core/text.h"
#include "engine/tuning/tuned_backend.h"
#include "engine/tuning/tuning_file.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/tune_report.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

struct TuneOptions {
  Common common;
  std::string device = "auto", precision = "auto", budget = "60s", tuning = "auto", inc;
  std::vector<std::string> models = {"faces-resnet"};
  std::vector<int> batches = {64};
  int size = 0, threads = 0;
};

/// Seconds to measure for. Throws Error on what is no time, and on times that no measurement can use.
double budget_seconds(const std::string& text) {
  constexpr double kLeast = 0.1, kMost = 86400.0;
  const double seconds = bench::parse_duration(text, "--budget");
  if (seconds < kLeast || seconds > kMost) throw Error("--budget is " + text + ", a time from 0.1s to 24h expected");
  return seconds;
}

/// What the file already knows, as far as it is of this device and these kernels. Throws Error where `path` is
/// something else than a tuning file of this device, which must not be overwritten.
TuningFile known(const std::string& path, const TuningFile& made, Console& console) {
  std::error_code ignored;
  if (!fs::exists(path, ignored) && !ignored) return made;
  TuningFile file;
  try {
    file = read_tuning_file(path, nullptr);
  } catch (const Error& error) {
    throw Error(std::string(error.what()) + "; it is not overwritten: remove it, or name another by --tuning");
  }
  if (file.device != made.device)
    throw Error(path + ": made for device \"" + file.device + "\", here is \"" + made.device +
                "\"; it is not overwritten: remove it, or name another by --tuning");
  if (file.driver != made.driver || file.kernels != made.kernels)
    console.say(path + ": made for other drivers or kernels, starts anew");
  return merged(file, made);
}

/// What was found out. A call without an answer is left out: an earlier one may have it.
void add_calls(const bench::TuneResult& result, TuningFile& file) {
  for (const bench::TunedCall& call : result.calls) {
    const bench::SearchResult& search = call.search;
    if (search.candidates.front().turns == 0 || (result.kept && search.chosen == 0 && !search.decided)) continue;
    const std::size_t winner = result.kept ? search.chosen : 0;
    file.calls.push_back({call.made.call, call.kernels[winner], call.kernels[0], search.candidates[winner].seconds,
                          search.candidates[0].seconds});
  }
}

/// The file to keep the winners in. Throws Error where there is none.
std::string output_path(const TuneOptions& options, KernelChoice* choice) {
  const std::string path = tuning_path(options.tuning, choice);
  if (path.empty()) throw Error("tune: TSUGI_TUNING is \"off\", or there is no home folder: name a file by --tuning");
  std::error_code error;
  if (options.tuning == "auto")
    fs::create_directories(fs::path(path).parent_path(), error);  // what fails is told by the next line
  return path;
}

std::vector<bench::ShapeList> lists_of(const TuneOptions& options) {
  std::vector<bench::ShapeList> lists;
  for (const std::string& name : options.models) {
    lists.push_back(bench::find_shape_list(name));
    if (options.size > 0) lists.back().model = with_input_size(lists.back().model, options.size);
  }
  return lists;
}

/// One run of the command: a device, and the file that grows with every model and batch.
class TuneRun {
 public:
  TuneRun(const TuneOptions& options, Backend& backend, KernelChoice& choice, DType dtype, Console& console)
      : options_(options),
        backend_(backend),
        console_(console),
        path_(output_path(options, &choice)),
        claim_(path_),
        measured_(tuning_file_for(choice, bench::read_environment().date)),
        file_(known(path_, measured_, console)) {
    tune_.dtype = dtype;
    tune_.should_stop = stop_requested;
    json_ = {
        {"device", backend.name()}, {"precision", precision_name(dtype)}, {"tuning", path_}, {"models", Json::array()}};
    console.say("device " + backend.name() + " (" + backend.description() + "), precision " + precision_name(dtype));
    if (backend.name() == "simt")
      console.say("warning: the emulator's times say nothing about a GPU: do not ship what it finds");
  }

  void tune(const bench::ShapeList& list, int batch, double seconds) {
    const std::string what = list.model.name + " at batch " + std::to_string(batch);
    tune_.batch = batch;
    tune_.seconds = seconds;
    tune_.progress = [&](const std::string& doing, double done) {
      console_.progress("tuning " + what + " " + percent(done) + ": " + doing);
    };
    const bench::TuneResult result = bench::tune_model(backend_, list, tune_);
    console_.say(tuning_summary(what, result));
    TuningFile found = measured_;
    found.calls.clear();
    add_calls(result, found);
    measured_ = merged(measured_, found);
    file_ = merged(file_, found);
    write_file_atomically(path_, to_json(file_));
    if (!options_.common.quiet) print_tuning(result);
    json_["models"].push_back(tuning_json(list.model.name, batch, result));
  }

  int finish_all() {
    if (!options_.inc.empty()) write_file_atomically(options_.inc, inc_rows(measured_));
    console_.say("kept in " + path_ + ", which all commands read from now on");
    json_["calls"] = file_.calls.size();
    json_["changed"] = file_.changed();
    finish(options_.common, json_);
    if (!stop_requested()) return kOk;
    Console::error("stopped; what was measured is kept in " + path_);
    return kFailed;
  }

 private:
  const TuneOptions& options_;
  Backend& backend_;
  Console& console_;
  std::string path_;
  OutputClaim claim_;           // of path_, before anything is measured
  TuningFile measured_, file_;  // of this run; and with what was known before
  bench::TuneOptions tune_;
  Json json_;
};

int tune_command(const TuneOptions& options) {
  const std::vector<bench::ShapeList> lists = lists_of(options);
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.threads);
  KernelChoice* choice = backend->kernel_choice();
  if (choice == nullptr)
    throw Error("device " + backend->name() + ": computes every call with one kernel, there is nothing to tune");
  if (!options.inc.empty() && backend->name() == "cpu")
    throw Error("--inc: device cpu takes no rows from tables, a GPU expected");
  std::optional<OutputClaim> claim;
  if (!options.inc.empty()) claim.emplace(options.inc);
  const DType dtype = choose_precision(options.precision, *backend);
  install_stop_signals();
  Console console(options.common.quiet);
  TuneRun run(options, *backend, *choice, dtype, console);
  const Stopwatch clock;
  auto left = static_cast<double>(lists.size() * options.batches.size());
  for (const bench::ShapeList& list : lists)
    for (const int batch : options.batches) {
      if (stop_requested()) return run.finish_all();
      run.tune(list, batch, std::max(0.0, budget_seconds(options.budget) - clock.seconds()) / left--);
    }
  return run.finish_all();
}

}  // namespace

void add_tune(CLI::App& app, Run& run) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command =
      app.add_subcommand("tune", "Find the fastest kernels for this device; all commands use them from then on");
  add_option(*command, "--device", options->device, "auto, cpu, cuda or simt (emulates CUDA; simt:53 a Jetson Nano)");
  command
      ->add_option("--model", options->models,
                   "Whose shapes: " + joined(model_names()) + ", or a JSON file; several with commas")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--batch", options->batches, "Samples a batch; several with commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_option(*command, "--size", options->size, "Pixels a side, 0 = as the model says", 0, 1024);
  add_precision(*command, options->precision);
  add_threads(*command, options->threads, "Threads, 0 = all cores; tuning holds for this number");
  add_option(*command, "--budget", options->budget, "Time for all of it: 60s, 2m, 1h");
  add_option(*command, "--tuning", options->tuning,
             "File to keep the winners in; auto: TSUGI_TUNING, or the user's cache folder");
  command->add_option("--inc", options->inc, "Write the winners as rows of a table in kernels/tuning, too (GPUs)");
  add_common(*command, options->common, "tsugi tune --model faces-resnet --batch 64 --budget 60s");
  command->callback([options, &run] {
    try {
      (void)budget_seconds(options->budget);
    } catch (const Error& error) {
      throw CLI::ValidationError(error.what());
    }
    run = [options] { return tune_command(*options); };
  });
}

}  // namespace tsugi::tools
