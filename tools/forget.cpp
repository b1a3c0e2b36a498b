// tsugi forget: a checkpoint without some of its personal people, as if it had never seen them.
#include <memory>

#include "engine/core/output_claim.h"
#include "engine/handover/personal_people.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct ForgetOptions {
  Common common;
  std::string checkpoint, output;
  std::vector<std::string> names;
};

int forget_command(const ForgetOptions& options, FileLog* files) {
  install_stop_signals();  // not asked for: writing is short, and a temporary must not stay behind
  Checkpoint checkpoint = read_checkpoint(options.checkpoint, files);
  forget_people(checkpoint, options.names, options.checkpoint);
  const OutputClaim claim(options.output, {"checkpoint", files, !checkpoint.personal_classes.empty()});
  write_checkpoint(options.output, checkpoint, checkpoint.kind, files);
  if (!options.common.quiet)
    print_line(
        format("%s written: it knows %zu people, %zu of them personal, and is what it would be had it never seen "
               "the others",
               options.output.c_str(), checkpoint.class_names.size(), checkpoint.personal_classes.size()));
  Json json;
  json["checkpoint"] = options.output;
  json["forgotten"] = options.names;
  json["personal_classes"] = checkpoint.personal_classes;
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_forget(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<ForgetOptions>();
  CLI::App* command = app.add_subcommand("forget", "Remove personal people from a checkpoint of a hand-over");
  command
      ->add_option("CKPT", options->checkpoint,
                   "Checkpoint that a hand-over left, of whose weights only the head learnt")
      ->required();
  command->add_option("NAME", options->names, "Whom to forget")->required();
  command->add_option("-o,--output", options->output, "Checkpoint to write (.safetensors)")->required();
  audit.add(*command);
  add_common(*command, options->common, "tsugi forget device.safetensors Tony_Blair -o without.safetensors");
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return forget_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
