// tsugi compact: a checkpoint without what only training needs, at 2 bytes or 1 byte a weight.
#include <filesystem>
#include <memory>

#include "engine/core/output_claim.h"
#include "engine/train/checkpoint_session.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct CompactOptions {
  Common common;
  std::string checkpoint, output, as = "fp16";
};

int compact_command(const CompactOptions& options, FileLog* files) {
  install_stop_signals();  // not asked for: writing is short, and a temporary must not stay behind
  const Checkpoint checkpoint = CheckpointSession(options.checkpoint, "reference", 1, files).checkpoint;
  const OutputClaim claim(options.output, {"checkpoint", files, !checkpoint.personal_classes.empty()});
  const CheckpointKind kind = options.as == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  write_checkpoint(options.output, checkpoint, kind, files);
  const std::uintmax_t before = std::filesystem::file_size(options.checkpoint),
                       after = std::filesystem::file_size(options.output);
  if (!options.common.quiet)
    print_table({{"checkpoint", "size"},
                 {options.checkpoint, bytes_text(static_cast<double>(before))},
                 {options.output, bytes_text(static_cast<double>(after))}});
  Json json;
  json["checkpoint"] = options.output;
  json["bytes"] = after;
  json["bytes_before"] = before;
  json["kind"] = options.as;
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_compact(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<CompactOptions>();
  CLI::App* command = app.add_subcommand("compact", "Write a smaller copy of a checkpoint, for sending");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  add_option(*command, "--as", options->as, "fp16 or int8", {"fp16", "int8"});
  command->add_option("-o,--output", options->output, "Checkpoint to write (.safetensors)")->required();
  audit.add(*command);
  add_common(*command, options->common, "tsugi compact server.safetensors --as int8 -o small.safetensors");
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return compact_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
