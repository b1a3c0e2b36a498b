// tsugi forget: a checkpoint without some of its personal people, as if it had never seen them. Where only the head
// learnt, rows and statistics go; where layers learnt, the hand-over is made again without them.
#include <filesystem>
#include <memory>

#include "engine/core/output_claim.h"
#include "engine/handover/bundle.h"
#include "engine/handover/handover.h"
#include "engine/handover/personal_people.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

struct ForgetOptions {
  Common common;
  std::string checkpoint, output, bundle, personal;
  std::vector<std::string> names;
  TrainRequest train;  ///< device, precision and threads of a hand-over that is made again
};

void tell(const ForgetOptions& options, std::size_t people, const std::vector<std::string>& personal,
          const std::string& how) {
  if (!options.common.quiet)
    print_line(format("%s written: it knows %zu people, %zu of them personal, and %s", options.output.c_str(), people,
                      personal.size(), how.c_str()));
  Json json;
  json["checkpoint"] = options.output;
  json["forgotten"] = options.names;
  json["personal_classes"] = personal;
  finish(options.common, json);
}

/// Layers learnt of those who are to be forgotten: from what the device was sent, and the photos of those who stay.
int hand_over_again(const ForgetOptions& options, const Checkpoint& trained, FileLog* files) {
  HandoverRequest request = without_people(trained, options.names, options.checkpoint);
  if (request.people.empty())
    throw Error(options.checkpoint + ": nobody personal is left: what the device was sent, " + options.bundle +
                ", holds the checkpoint that never saw them (tar -xf " + shell_word(options.bundle) +
                " checkpoint.safetensors)");
  if (options.personal.empty())
    throw Error(options.checkpoint + ": its layers learnt, and are trained again without those who are forgotten: " +
                "--personal with the photos of " + std::to_string(request.people.size()) + " who stay expected");
  std::error_code not_there;
  if (std::filesystem::equivalent(options.output, options.checkpoint, not_there))
    throw Error(options.output +
                ": its hand-over is made again, and must be there until that is done; another file "
                "expected, which may take its place at the end");
  request.bundle = options.bundle;
  request.personal = options.personal;
  request.train.device = options.train.device;
  request.train.precision = options.train.precision;
  request.train.threads = options.train.threads;
  request.train.run.output = options.output;
  RunSummary summary;
  {
    Console console(options.common.quiet);
    summary = resume(request, console.observer(files));
  }
  if (summary.stopped) throw Error("stopped: " + options.output + " is not finished");
  tell(options, summary.class_names.size(), request.people, "was made again without the others");
  return kOk;
}

int forget_command(const ForgetOptions& options, FileLog* files) {
  install_stop_signals();  // not asked for: writing is short, and a temporary must not stay behind
  Checkpoint checkpoint = read_checkpoint(options.checkpoint, files);
  if (!options.bundle.empty() && checkpoint.people.empty()) return hand_over_again(options, checkpoint, files);
  forget_people(checkpoint, options.names, options.checkpoint);
  const OutputClaim claim(options.output, {"checkpoint", files, !checkpoint.personal_classes.empty()});
  write_checkpoint(options.output, checkpoint, checkpoint.kind, files);
  tell(options, checkpoint.class_names.size(), checkpoint.personal_classes,
       "is what it would be had it never seen the others");
  return kOk;
}

}  // namespace

void add_forget(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<ForgetOptions>();
  CLI::App* command = app.add_subcommand("forget", "Remove personal people from a checkpoint of a hand-over");
  command->add_option("CKPT", options->checkpoint, "Checkpoint that a hand-over left")->required();
  command->add_option("NAME", options->names, "Whom to forget")->required();
  command->add_option("-o,--output", options->output, "Checkpoint to write (.safetensors)")->required();
  command->add_option("--bundle", options->bundle,
                      "Bundle that it began with, where more than the head learnt: the hand-over is made again, with "
                      "the same settings, without those who are forgotten");
  command
      ->add_option("--personal", options->personal,
                   "With --bundle: photos of the personal people, as resume takes them")
      ->needs("--bundle");
  add_device(*command, options->train.device);
  add_precision(*command, options->train.precision);
  add_threads(*command, options->train.threads);
  audit.add(*command);
  add_common(*command, options->common, "tsugi forget device.safetensors Tony_Blair -o without.safetensors");
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return forget_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
