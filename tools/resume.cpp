// tsugi resume: continues a hand-over on the device, with personal photos.
#include <algorithm>
#include <memory>

#include "engine/handover/handover.h"
#include "tools/audit.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

struct ResumeOptions {
  Common common;
  TrainOptions train;
  HandoverRequest request;
  std::string new_row = "imprint", keep = "better";
};

/// Who was forgotten: accuracy a person before and after, the largest loss first.
void print_forgetting(const RunSummary& summary) {
  struct Row {
    std::string name;
    double before, after;
    std::uint64_t photos;
  };
  std::vector<Row> people;
  const auto& after = summary.evaluation.per_class;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const bool known = i < summary.history.before.size();
    people.push_back({summary.class_names[i] + (summary.personal[i] ? " (personal)" : ""),
                      known ? summary.history.before[i].accuracy() : std::nan(""), after[i].accuracy(),
                      after[i].photos});
  }
  const auto change = [](const Row& row) {
    return std::isfinite(row.before) && std::isfinite(row.after) ? row.after - row.before : 2.0;
  };
  std::stable_sort(people.begin(), people.end(), [&](const Row& a, const Row& b) { return change(a) < change(b); });
  std::vector<std::vector<std::string>> table = {{"person", "before", "after", "test photos"}};
  for (const Row& row : people)
    table.push_back({row.name, percent(row.before), percent(row.after), std::to_string(row.photos)});
  print_table(table);
}

/// The evaluation before the first step; NaN where an older version began the hand-over without one.
MetricsRow start_of(const RunSummary& summary) {
  const std::vector<MetricsRow>& rows = summary.history.rows;
  if (!rows.empty() && rows.front().step == 0) return rows.front();
  MetricsRow unknown;
  unknown.accuracy = unknown.accuracy_general = unknown.accuracy_personal = std::nan("");
  return unknown;
}

int resume_command(const ResumeOptions& options, FileLog* files) {
  HandoverRequest request = options.request;
  request.train = options.train.collect();
  request.overrides = options.train.handover();
  request.new_row = options.new_row == "imprint" ? NewRow::imprint : NewRow::random;
  request.keep = options.keep == "better" ? Keep::better : Keep::trained;
  install_stop_signals();
  RunSummary summary;
  {
    Console console(options.common.quiet);
    summary = resume(request, console.observer(files));
  }
  const std::string& output = request.train.run.output;
  const Evaluation& evaluation = summary.evaluation;
  if (!options.common.quiet && !summary.stopped) {
    print_forgetting(summary);
    print_line();
    const MetricsRow start = start_of(summary);
    std::vector<std::vector<std::string>> table = {
        {"", "before", "new row, no training", "after", "95 % interval", "test photos"}};
    const auto add = [&](const char* who, const std::string& before, double at_start, const Tally& after) {
      table.push_back({who, before, percent(at_start), percent(after.accuracy()), percent(after.interval()),
                       std::to_string(after.photos)});
    };
    add("overall", "", start.accuracy, evaluation.overall);
    add("general people", percent(summary.history.accuracy_general_before), start.accuracy_general, evaluation.general);
    add("personal", "", start.accuracy_personal, evaluation.personal);
    print_table(table);
    print_line();
    print_line(format("%s after opening the bundle, %s written (it holds personal data)",
                      duration(summary.wall_s).c_str(), output.c_str()));
  }
  if (!options.common.quiet) print_profile(summary);
  Json json = summary_json(summary, output);
  json["accuracy_general"] = number(evaluation.general.accuracy());
  json["accuracy_general_before"] = number(summary.history.accuracy_general_before);
  json["accuracy_personal"] = number(evaluation.personal.accuracy());
  json["accuracy_general_interval"] = evaluation.general.interval();
  json["accuracy_personal_interval"] = evaluation.personal.interval();
  json["kept"] = summary.history.kept.empty() ? "trained" : summary.history.kept;
  json["accuracy_general_start"] = number(start_of(summary).accuracy_general);
  json["accuracy_personal_start"] = number(start_of(summary).accuracy_personal);
  finish(options.common, json);
  std::string command = "tsugi resume " + shell_word(request.bundle);
  if (!request.personal.empty()) command += " --personal " + shell_word(request.personal);
  if (!request.from.empty()) command += " --from " + shell_word(request.from);
  if (request.personal_photos > 0) command += " --personal-photos " + std::to_string(request.personal_photos);
  if (request.new_row != HandoverRequest{}.new_row) command += " --new-row " + options.new_row;
  if (request.keep != HandoverRequest{}.keep) command += " --keep " + options.keep;
  return report_end(summary, options.train, command);
}

}  // namespace

void add_resume(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<ResumeOptions>();
  CLI::App* command =
      app.add_subcommand("resume", "Take a bundle over, or a device's checkpoint: add personal people and train on");
  command
      ->add_option("BUNDLE", options->request.bundle,
                   "Bundle that tsugi bundle wrote (.tar), or a checkpoint that a hand-over left, of whose weights "
                   "only the head learnt: people and photos join those that it knows")
      ->required();
  command->add_option("--personal", options->request.personal,
                      "One person's folder of photos, or a folder of such folders");
  command->add_option("--from", options->request.from,
                      "A device's checkpoint of the release before the bundle's: its personal people are carried over, "
                      "those of --personal by their photos, all others by what it knows of them");
  add_option(*command, "--personal-photos", options->request.personal_photos,
             "Most training photos of a personal person, 0 = all", 0, 1000000000);
  add_option(*command, "--new-row", options->new_row,
             "Start of a new person's row of the last layer: imprint or random", {"imprint", "random"});
  add_option(*command, "--keep", options->keep,
             "better: go back to the network before the first step where training made it worse, by what the device "
             "can see without test photos; trained: never",
             {"better", "trained"});
  command->add_option("--continue", options->request.continue_from,
                      "Checkpoint of an interrupted hand-over to go on from");
  options->train.add(*command);
  options->train.add_handover(*command);
  audit.add(*command);
  add_common(*command, options->common, "tsugi resume handover.tar --personal photos/Tony_Blair -o device.safetensors");
  command->callback([options, &run, &audit] {
    options->train.check();
    const HandoverRequest& request = options->request;
    if (request.personal.empty() && request.from.empty()) throw CLI::RequiredError("--personal");
    if (!request.from.empty() && (!request.continue_from.empty() || options->new_row == "random"))
      throw CLI::ValidationError("--from goes with neither --continue nor --new-row random");
    run = [options, &audit] { return resume_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
