// tsugi experiment: the source paper's experiment over a grid of people, seeds, methods and fractions. (A device's
// life: experiment_life.cpp.)
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "engine/core/text.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/experiment/grid.h"
#include "tools/experiment/report.h"
#include "tools/experiment/store.h"
#include "tools/options.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

struct ExperimentOptions {
  Common common;
  ExperimentSettings settings;
  std::string fractions = "0:1:0.1", ablation_fractions = "0,0.05,0.1";
  std::vector<std::string> methods = {"default", "paper", "features"};
  bool quick = false, paper = false, ablation = false;
  const CLI::App* command = nullptr;
};

bool given(const ExperimentOptions& options, const std::string& name) {
  return options.command->get_option(name)->count() > 0;
}

/// --quick is a grid of minutes; what was named on the command line stays as it was named.
void apply_quick(ExperimentOptions& options) {
  if (!given(options, "--people")) options.settings.people = {10};
  if (!given(options, "--fractions")) options.fractions = "0,0.1,0.3,1";
  if (!given(options, "--ablation-fractions")) options.ablation_fractions = "0.1";
  if (!given(options, "--seeds")) options.settings.seeds = 3;
  if (!given(options, "--epochs")) options.settings.epochs = 6;
  if (!given(options, "--handover-epochs")) options.settings.handover_epochs = 3;
}

void add_methods(ExperimentOptions& options) {
  std::vector<Method>& methods = options.settings.methods;
  if (options.paper) options.methods = {"paper"};
  for (const std::string& name : options.methods) methods.push_back(find_method(name));
  if (options.ablation)
    for (const Method& method : ablation_methods(parse_fractions(options.ablation_fractions))) {
      const bool there =
          std::any_of(methods.begin(), methods.end(), [&](const Method& other) { return other.name == method.name; });
      if (!there) methods.push_back(method);
    }
  keep_former_names(options.settings.out, methods);
}

void collect(ExperimentOptions& options) {
  if (options.quick) apply_quick(options);
  std::vector<int>& people = options.settings.people;
  std::sort(people.begin(), people.end());
  people.erase(std::unique(people.begin(), people.end()), people.end());
  try {
    options.settings.fractions = parse_fractions(options.fractions);
    add_methods(options);
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
}

ReportSummary make_report(const std::string& out, const Common& common, FileLog* files) {
  Console console(common.quiet);
  const ReportSummary report = write_report(
      out, [&](const std::string& line) { console.say(line); }, files);
  console.say("the report of " + std::to_string(report.cells) + " cells is " + report.page);
  return report;
}

void add_report(const ReportSummary& report, Json& json) {
  json["report"] = report.page;
  json["figures"] = report.figures;
}

int report_command(const std::string& out, const Common& common, FileLog* files) {
  keep_private();
  if (files != nullptr) files->personal(out);
  const ReportSummary report = make_report(out, common, files);
  Json json;
  json["cells"] = report.cells;
  add_report(report, json);
  finish(common, json);
  return kOk;
}

int handover_command(const ExperimentOptions& options, FileLog* files) {
  keep_private();
  install_stop_signals();
  const std::string command = command_line(*options.command, "tsugi experiment handover"), &out = options.settings.out;
  GridSummary summary;
  {
    Console console(options.common.quiet);
    summary = run_grid(options.settings, command, console, files);
  }
  Json json;
  json["cells"] = summary.cells;
  json["done"] = summary.done;
  json["run"] = summary.run;
  json["failed"] = summary.failed.size();
  json["wall_s"] = summary.wall_s;
  json["results"] = out + "/results.csv";
  if (!summary.stopped && summary.done > 0) add_report(make_report(out, options.common, files), json);
  finish(options.common, json);
  if (summary.stopped)
    Console::error("stopped after " + std::to_string(summary.done) + " of " + std::to_string(summary.cells) +
                   " cells, which are kept in " + out + ". Go on with: " + command);
  if (!summary.failed.empty() && !summary.stopped)
    Console::error(std::to_string(summary.failed.size()) + " cells failed, the first: " + summary.failed.front());
  return summary.stopped || !summary.failed.empty() ? kFailed : kOk;
}

void add_grid_options(CLI::App& command, ExperimentOptions& options) {
  ExperimentSettings& s = options.settings;
  command.add_option("--general", s.general, "Folder of general people, whom the server knows")->required();
  command.add_option("--personal", s.personal, "The device's person: a folder of photos, or a folder of such folders")
      ->required();
  command.add_option("-o,--output", s.out, "Folder of the experiment; finished cells in it are kept")->required();
  add_option(command, "--people", s.people, "Numbers of general people; those with the most photos come first", 2,
             100000)
      ->delimiter(',');
  add_option(command, "--fractions", options.fractions,
             "Shares of the server's photos to send: a list of numbers and start:stop:step");
  add_option(command, "--seeds", s.seeds, "Seeds 1 to this: of the split, the weights and the draws", 1, 100000);
  add_option(command, "--methods", options.methods, "Ways to hand over, side by side")->delimiter(',');
  command.add_flag("--paper", options.paper, "The source paper's plain settings only (--methods paper)");
  command.add_flag("--ablation", options.ablation,
                   "Also the default with one ingredient switched off each, with the most people");
  add_option(command, "--ablation-fractions", options.ablation_fractions, "Where --ablation looks");
  command.add_flag("--quick", options.quick,
                   "Minutes instead of hours: 10 people, fractions 0,0.1,0.3,1, 3 seeds, 6 epochs, 3 after the "
                   "hand-over, ablation at 0.1; options that are given stay");
}

void add_training_options(CLI::App& command, ExperimentOptions& options) {
  ExperimentSettings& s = options.settings;
  add_option(command, "--model", s.model, "Built-in model or a JSON file");
  command.add_option("--size", s.size, "Pixels a side that the network sees, 0 = as the model says")
      ->check(CLI::Range(0, 1024));
  const auto add = [&](const char* option, int& value, const char* flag, const char* help) {
    const SettingRange range = train_setting(flag).range;
    command.add_option(option, value, help)->check(CLI::Range(0, static_cast<int>(range.high)));
  };
  add("--epochs", s.epochs, "--epochs", "Of pretraining and of the device alone, 0 = pretrain's default");
  add("--handover-epochs", s.handover_epochs, "--epochs", "After the hand-over, 0 = resume's default");
  add("--augment", s.variants, "--augment", "Variants of each photo an epoch, 0 = default");
  add_option(command, "--personal-photos", s.personal_photos, "Most training photos of a personal person, 0 = all");
  add_option(command, "--device", s.device, "As of pretrain");
  add_precision(command, s.precision);
  add_threads(command, s.threads);
  command.add_flag("--keep", s.keep, "Keep every bundle and every device's checkpoint in OUT/kept");
}

}  // namespace

std::string command_line(const CLI::App& command, const std::string& name) {
  std::string text = name;
  for (const CLI::Option* option : command.get_options()) {
    const std::string option_name = option->get_name();
    if (option->count() == 0 || option_name == "--json" || option_name == "--quiet") continue;
    text += " " + option_name;
    if (option->get_items_expected_max() == 0) continue;
    text += " " + shell_word(joined(option->results(), ","));
  }
  return text;
}

void keep_private() { ::umask(::umask(0) | 077); }

void add_experiment(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<ExperimentOptions>();
  CLI::App* experiment =
      app.add_subcommand("experiment", "Repeat the experiments of this project on photos of yours, as a report");
  experiment->require_subcommand(1);
  add_common(*experiment, options->common, "tsugi experiment handover --help");
  CLI::App* command = experiment->add_subcommand(
      "handover",
      "Hand over with many fractions of the server's photos; stopped or killed, it goes on when it is run again");
  options->command = command;
  add_grid_options(*command, *options);
  add_training_options(*command, *options);
  audit.add(*command);
  add_common(
      *command, options->common,
      "tsugi experiment handover --general photos/ --personal tony/ --people 10,20,30 --fractions 0:1:0.1 -o report/");
  command->callback([options, &run, &audit] {
    collect(*options);
    run = [options, &audit] { return handover_command(*options, audit.files()); };
  });
  add_experiment_life(*experiment, run, audit);
  auto out = std::make_shared<std::string>();
  CLI::App* report =
      experiment->add_subcommand("report", "Make tables, figures and the page again from the cells that are there");
  report->add_option("OUT", *out, "Folder of the experiment")->required();
  audit.add(*report);
  add_common(*report, options->common, "tsugi experiment report report/");
  report->callback([options, out, &run, &audit] {
    run = [options, out, &audit] { return report_command(*out, options->common, audit.files()); };
  });
}

}  // namespace tsugi::tools
