// tsugi experiment life: people join a device and leave it, again and again, as a report.
#include <memory>

#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/experiment/jobs.h"
#include "tools/life/life.h"
#include "tools/options.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

struct LifeOptions {
  LifeSettings settings;
  std::string fractions = "0";
  bool quick = false;
  const CLI::App* command = nullptr;
};

/// What was named on the command line stays as it was named.
void apply_quick_life(LifeOptions& options) {
  const auto quick = [&](const char* name, auto& value, const auto& less) {
    if (options.command->get_option(name)->count() == 0) value = less;
  };
  quick("--seeds", options.settings.seeds, 1);
  quick("--servers", options.settings.servers, 1);
  quick("--epochs", options.settings.epochs, 6);
  quick("--release-epochs", options.settings.release_epochs, 2);
  quick("--photos", options.settings.photos, std::vector<int>{5, 10});
}

int life_command(const LifeOptions& options, const Common& common, FileLog* files) {
  keep_private();
  install_stop_signals();
  const std::string command = command_line(*options.command, "tsugi experiment life");
  Console console(common.quiet);
  const LifeSummary summary = run_life(options.settings, console, files);
  Json json;
  json["rows"] = summary.rows.size();
  json["results"] = options.settings.out + "/life.csv";
  if (!summary.stopped)
    json["report"] = write_life_report(
        options.settings, summary.rows, command, [&](const std::string& line) { console.say(line); }, files);
  if (!summary.stopped) console.say("the report is " + json["report"].get<std::string>());
  finish(common, json);
  if (summary.stopped) Console::error("stopped; its servers are kept. Go on with: " + command);
  return summary.stopped ? kFailed : kOk;
}

}  // namespace

void add_experiment_life(CLI::App& experiment, Run& run, Audit& audit) {
  auto options = std::make_shared<LifeOptions>();
  auto common = std::make_shared<Common>();
  LifeSettings& s = options->settings;
  CLI::App* command = experiment.add_subcommand(
      "life", "People whom the server does not know join a device, one after another, and leave it again");
  options->command = command;
  command->add_option("--people", s.people, "Folder of people; each server does without a few of them")->required();
  command->add_option("--personal", s.personal,
                      "More who join: folders of one person's photos, whom no server ever sees");
  command->add_option("--strangers", s.strangers,
                      "Photos of people who belong to nobody, as of eval: how many of them each device takes for "
                      "somebody it knows");
  command->add_option("--train-strangers", s.train_strangers,
                      "Photos of other such people, whom the servers learn beside theirs, as of pretrain --strangers");
  command->add_option("-o,--output", s.out, "Folder of the experiment; servers in it are kept")->required();
  add_option(*command, "--seeds", s.seeds, "Seeds 1 to this: of the server's weights and of who is held back", 1,
             100000);
  add_option(*command, "--servers", s.servers, "Servers a seed, each without other people", 1, 100000);
  add_option(*command, "--held-back", s.held_back, "People whom a server does without, and who join the device", 1,
             100000);
  add_option(*command, "--photos", s.photos, "Photos of a person who joins alone; those who have fewer do not", 1,
             1000000)
      ->delimiter(',');
  add_option(*command, "--fractions", options->fractions,
             "Shares of the server's photos that are sent when one joins: a list of numbers and start:stop:step");
  add_option(*command, "--crowd-photos", s.crowd_photos, "At most so many of each where all join; half test them", 1,
             1000000);
  add_option(*command, "--general-loss", s.general_loss, "As of resume", 0.0, 100.0);
  add_option(*command, "--model", s.model, "Built-in model or a JSON file");
  add_option(*command, "--epochs", s.epochs, "Of pretraining, 0 = pretrain's default", 0, 1000000);
  add_option(*command, "--release-epochs", s.release_epochs,
             "Epochs that the server's next release trains on, to which all are carried over; 0 = no next release", 0,
             1000000);
  command->add_flag("--quick", options->quick,
                    "Minutes instead of hours: a server, 6 epochs, 5 and 10 photos; options that are given stay");
  add_option(*command, "--device", s.device, "As of pretrain");
  add_precision(*command, s.precision);
  add_threads(*command, s.threads);
  audit.add(*command);
  add_common(*command, *common, "tsugi experiment life --people photos/ --personal tony/ -o life/");
  command->callback([options, common, &run, &audit] {
    if (options->quick) apply_quick_life(*options);
    try {
      options->settings.fractions = parse_fractions(options->fractions);
    } catch (const Error& error) {
      throw CLI::ValidationError(error.what());
    }
    run = [options, common, &audit] { return life_command(*options, *common, audit.files()); };
  });
}

}  // namespace tsugi::tools
