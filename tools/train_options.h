// The options that pretrain and resume share, and what both print at their end.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/handover_settings.h"
#include "engine/train/pretrain.h"
#include "tools/command.h"

namespace tsugi::tools {

/// Holds the values that CLI11 writes to, and so must not move; collect() turns those that were given into a request.
class TrainOptions {
 public:
  void add(CLI::App& command);
  /// The settings that only a hand-over has. After add().
  void add_handover(CLI::App& command);
  /// Only what was named on the command line becomes an override: everything else keeps its default, the model's or the
  /// checkpoint's value.
  TrainRequest collect() const;
  const Overrides<HandoverSettings>& handover() const { return handover_; }
  /// Throws CLI::ValidationError when a value can be seen to be wrong before any file is opened.
  void check() const;
  /// The options that were given and that no checkpoint remembers, as " --threads 2 ...": what continuing must repeat.
  std::string repeated() const;
  /// What the stopped run leaves out of its checkpoint; empty when it is a full one.
  std::string lost_by_compact() const;

 private:
  TrainRequest request_;
  std::string memory_, compact_;
  std::vector<CLI::Option*> not_remembered_;
  Overrides<HandoverSettings> handover_;
};

/// The row of a flag that training has: "--epochs".
const Setting<TrainSettings>& train_setting(const std::string& flag);

/// What --help says of a setting of training.
std::string described(const Setting<TrainSettings>& row);

/// The options of these flags; those that are given name their setting.
void add_settings(CLI::App& command, Overrides<TrainSettings>& overrides, const std::vector<std::string>& flags);

/// The JSON object of a finished run; `output` is the checkpoint's path.
Json summary_json(const RunSummary& summary, const std::string& output);

/// Where the time of a run with --profile went, as a table; nothing without one.
void print_profile(const RunSummary& summary);

/// Exit status of a run that ended by itself or was stopped; says how to go on: the command, without the options of
/// TrainOptions.
int report_end(const RunSummary& summary, const TrainOptions& options, const std::string& command);

/// `text` as one word of a shell's command line.
std::string shell_word(const std::string& text);

}  // namespace tsugi::tools
