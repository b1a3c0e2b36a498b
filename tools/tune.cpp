// tsugi tune: measures which kernels are the fastest on this device, and remembers it for all other commands.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "engine/core/atomic_file.h"
#include "engine/core/device.h"
#include "engine/perf/environment.h"
#include "engine/perf/quantities.h"
#include "engine/perf/tune_model.h"
#include "engine/tuning/tuned_backend.h"
#include "engine/tuning/tuning_file.h"
#include "tools/bench.h"
#include "tools/command.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

struct Options {
  Common common;
  std::string device = "auto", precision = "auto", budget = "60s", tuning = "auto", inc;
  std::vector<std::string> models = {"faces-resnet"};
  std::vector<int> batches = {64};
  int size = 0, threads = 0;
};

/// Seconds to measure for. Throws Error on what is no time, and on times that no measurement can use.
double budget_seconds(const std::string& text) {
  constexpr double kLeast = 0.1, kMost = 86400.0;
  const double seconds = perf::parse_duration(text, "--budget");
  if (seconds < kLeast || seconds > kMost) throw Error("--budget is " + text + ", a time from 0.1s to 24h expected");
  return seconds;
}

/// What the file already knows, as far as it is of this device and these kernels. Throws Error where `path` is something else than a
/// tuning file of this device, which must not be overwritten.
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
    throw Error(path + ": made for device \"" + file.device + "\", here is \"" + made.device + "\"; it is not overwritten: remove it, or name another by --tuning");
  if (file.driver != made.driver || file.kernels != made.kernels) console.say(path + ": made for other drivers or kernels, starts anew");
  return merged(file, made);
}

void add_calls(const perf::TuneResult& result, TuningFile& file) {
  for (const perf::TunedCall& call : result.calls) {
    const perf::SearchResult& search = call.search;
    if (search.candidates.front().turns == 0) continue;  // no time for it
    const std::size_t winner = result.kept ? search.chosen : 0;
    file.calls.push_back({call.made.call, call.kernels[winner], call.kernels[0], search.candidates[winner].seconds, search.candidates[0].seconds});
  }
}

std::string faster_text(double ratio) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 1.0 / ratio);
  return text;
}

void print(const perf::TuneResult& result) {
  std::vector<std::vector<std::string>> table = {{"layer", "op", "x", "default", "time", "winner", "time", "times as fast", "turns", ""}};
  for (const perf::TunedCall& call : result.calls) {
    const perf::SearchResult& s = call.search;
    table.push_back({call.made.op_case.layer, perf::op_name(call.made.op_case, call.made.pass), std::to_string(call.made.times), call.kernels[0],
                     time_text(s.candidates[0].seconds), s.chosen == 0 ? "-" : call.kernels[s.chosen],
                     s.chosen == 0 ? "-" : time_text(s.candidates[s.chosen].seconds), s.chosen == 0 ? "-" : faster_text(s.ratio), std::to_string(s.turns),
                     s.decided ? "" : s.candidates[0].turns == 0 ? "no time" : "undecided"});
  }
  print_table(table);
}

/// One line on the whole of it.
std::string summary(const std::string& what, const perf::TuneResult& result) {
  const perf::StepCheck& check = result.check;
  std::string line = what + ": " + std::to_string(result.changed()) + " of " + std::to_string(result.calls.size()) + " calls with a choice take another kernel";
  if (check.pairs > 0)
    line += "; a step takes " + time_text(check.tuned_s) + ", before " + time_text(check.default_s) + " (" + faster_text(check.ratio) + " times as fast, median of " +
            std::to_string(check.pairs) + " pairs)";
  if (!result.kept) line += ": no faster, so all defaults stay";
  if (!check.failure.empty()) line += "; whole steps were not compared: " + check.failure;
  if (result.undecided() > 0) line += "; " + std::to_string(result.undecided()) + " undecided: give more time with --budget";
  return line;
}

Json model_json(const std::string& model, int batch, const perf::TuneResult& result) {
  Json json{{"model", model}, {"batch", batch}, {"changed", result.changed()}, {"undecided", result.undecided()}, {"kept", result.kept},
            {"without_choice", result.without_choice}, {"pairs", result.check.pairs}};
  if (result.check.pairs > 0) {
    json["default_step_s"] = result.check.default_s;
    json["tuned_step_s"] = result.check.tuned_s;
    json["step_ratio"] = result.check.ratio;
    json["step_ratio_mad"] = result.check.ratio_deviation;
  }
  json["calls"] = Json::array();
  for (const perf::TunedCall& call : result.calls) {
    Json one{{"layer", call.made.op_case.layer}, {"op", perf::op_name(call.made.op_case, call.made.pass)}, {"times", call.made.times},
             {"chosen", call.kernels[call.search.chosen]}, {"ratio", call.search.ratio}, {"decided", call.search.decided}, {"kernels", Json::array()}};
    for (std::size_t i = 0; i < call.kernels.size(); ++i) {
      const perf::SearchedCandidate& c = call.search.candidates[i];
      Json kernel{{"kernel", call.kernels[i]}, {"turns", c.turns}};
      if (c.turns > 0) kernel["seconds"] = c.seconds, kernel["mad_s"] = c.deviation;
      if (!c.failure.empty()) kernel["failure"] = c.failure;
      one["kernels"].push_back(kernel);
    }
    json["calls"].push_back(one);
  }
  return json;
}

/// The file to keep the winners in. Throws Error where there is none, or it cannot be written: before anything is measured.
std::string output_path(const Options& options, KernelChoice* choice) {
  const std::string path = tuning_path(options.tuning, choice);
  if (path.empty()) throw Error("tune: TSUGI_TUNING is \"off\", or there is no home folder: name a file by --tuning");
  std::error_code error;
  if (options.tuning == "auto") fs::create_directories(fs::path(path).parent_path(), error);  // what fails is told by the next line
  AtomicFile probe(path);
  return path;
}

int tune_command(const Options& options) {
  std::vector<perf::ShapeList> lists;
  for (const std::string& name : options.models) {
    lists.push_back(perf::find_shape_list(name));
    if (options.size > 0) lists.back().model = with_input_size(lists.back().model, options.size);
  }
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.threads);
  KernelChoice* choice = backend->kernel_choice();
  if (choice == nullptr) throw Error("device " + backend->name() + ": computes every call with one kernel, there is nothing to tune");
  if (!options.inc.empty() && backend->name() == "cpu") throw Error("--inc: device cpu takes no rows from tables, a GPU expected");
  const DType dtype = choose_precision(options.precision, *backend);
  const std::string path = output_path(options, choice);
  if (!options.inc.empty()) AtomicFile probe(options.inc);
  Console console(options.common.quiet);
  TuningFile file = known(path, tuning_file_for(*choice, perf::read_environment().date), console);
  install_stop_signals();
  console.say("device " + backend->name() + " (" + backend->description() + "), precision " + precision_name(dtype));

  Json json;
  json["device"] = backend->name();
  json["precision"] = precision_name(dtype);
  json["tuning"] = path;
  json["models"] = Json::array();
  perf::TuneOptions tune;
  tune.dtype = dtype;
  const Stopwatch clock;
  std::size_t left = lists.size() * options.batches.size();
  tune.should_stop = stop_requested;
  TuningFile measured = tuning_file_for(*choice, file.date);
  for (const perf::ShapeList& list : lists) {
    for (const int batch : options.batches) {
      if (stop_requested()) break;
      tune.seconds = std::max(0.0, budget_seconds(options.budget) - clock.seconds()) / static_cast<double>(left--);
      const std::string what = list.model.name + " at batch " + std::to_string(batch);
      tune.batch = batch;
      tune.progress = [&](const std::string& doing, double done) { console.progress("tuning " + what + " " + percent(done) + ": " + doing); };
      const perf::TuneResult result = perf::tune_model(*backend, list, tune);
      console.say(summary(what, result));
      TuningFile one = tuning_file_for(*choice, file.date);
      add_calls(result, one);
      measured = merged(measured, one);
      file = merged(file, one);
      write_file_atomically(path, to_json(file));
      if (!options.common.quiet) print(result);
      json["models"].push_back(model_json(list.model.name, batch, result));
    }
  }
  if (!options.inc.empty()) write_file_atomically(options.inc, inc_rows(measured));
  console.say("kept in " + path + ", which all commands read from now on");
  json["calls"] = file.calls.size();
  json["changed"] = file.changed();
  finish(options.common, json);
  if (stop_requested()) {
    Console::error("stopped; what was measured is kept in " + path);
    return kFailed;
  }
  return kOk;
}

}  // namespace

void add_tune(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tune", "Find the fastest kernels for this device; all commands use them from then on");
  std::string lists;
  for (const std::string& name : perf::shape_list_names()) lists += (lists.empty() ? "" : ", ") + name;
  command->add_option("--device", options->device, "auto, cpu, cuda or simt (emulates CUDA; simt:53 a Jetson Nano)")->capture_default_str();
  command->add_option("--model", options->models, "Whose shapes: " + lists + ", or a JSON file; several with commas")->delimiter(',')->capture_default_str();
  command->add_option("--batch", options->batches, "Samples a batch; several with commas")->delimiter(',')->check(CLI::Range(1, 65536))->capture_default_str();
  command->add_option("--size", options->size, "Pixels a side, 0 = as the model says")->capture_default_str()->check(CLI::Range(0, 1024));
  command->add_option("--precision", options->precision, "auto, fp32, bf16 (CPU) or fp16 (GPU)")->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16"}));
  command->add_option("--threads", options->threads, "Threads, 0 = all cores; tuning holds for this number")->capture_default_str()->check(CLI::Range(0, 1024));
  command->add_option("--budget", options->budget, "Time for all of it: 60s, 2m, 1h")->capture_default_str();
  command->add_option("--tuning", options->tuning, "File to keep the winners in; auto: TSUGI_TUNING, or the user's cache folder")->capture_default_str();
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
