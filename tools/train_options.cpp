// Options of training commands.
#include "tools/train_options.h"

#include <type_traits>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/handover/handover.h"
#include "tools/console.h"
#include "tools/help.h"
#include "tools/options.h"

namespace tsugi::tools {

namespace {

/// What a hand-over takes instead of pretraining's default, "" = the same.
std::string of_handover(const Setting<TrainSettings>& row) {
  TrainSettings pretraining, handover;
  apply_handover_defaults(handover);
  const std::string value = value_text(row.field(handover));
  if (value == value_text(row.field(pretraining))) return "";
  return ", resume " + (row.usual.empty() ? value : number_text(kLearningRateShare) + " of it");
}
std::string of_handover(const Setting<HandoverSettings>&) { return ""; }

/// What --help says of a setting.
template <class Settings>
std::string help_of(const Setting<Settings>& row) {
  Settings defaults;
  std::vector<std::string> remarks;
  if (const std::string range = range_text(row.range); !range.empty()) remarks.push_back(range);
  const std::string usual = row.usual.empty() ? value_text(row.field(defaults)) : row.usual;
  remarks.push_back("default " + usual + of_handover(row));
  return with_remarks(row.help, remarks);
}

/// An option of any type that a setting has.
CLI::Option* add_setting(CLI::App& command, const std::string& flag, const SettingField& field,
                         const std::string& help) {
  return std::visit(
      [&](auto* value) {
        using Kind = std::decay_t<decltype(*value)>;
        if constexpr (std::is_enum_v<Kind>)
          return command.add_option_function<std::string>(
              flag,
              [value](const std::string& word) {
                try {
                  parse(word, *value);
                } catch (const Error& error) {
                  throw CLI::ValidationError(error.what());
                }
              },
              help);
        else
          return command.add_option(flag, *value, help);
      },
      field);
}

template <class Settings>
void add_setting(CLI::App& command, const Setting<Settings>& row, Overrides<Settings>& overrides) {
  if (*row.flag == '\0') return;
  const std::string former = *row.former_flag == '\0' ? "" : std::string(",") + row.former_flag;
  add_setting(command, row.flag + former, row.field(overrides.values), help_of(row))
      ->each([&overrides, &row](const std::string&) { overrides.name(row); });
}

}  // namespace

const Setting<TrainSettings>& train_setting(const std::string& flag) {
  for (const Setting<TrainSettings>& row : setting_rows<TrainSettings>())
    if (flag == row.flag) return row;
  throw Error(flag + ": is no setting of training");
}

std::string described(const Setting<TrainSettings>& row) { return help_of(row); }

void add_settings(CLI::App& command, Overrides<TrainSettings>& overrides, const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) add_setting(command, train_setting(flag), overrides);
}

void TrainOptions::add(CLI::App& command) {
  command.add_option("-o,--output", request_.run.output, "Checkpoint to write (.safetensors)")->required();
  const auto remember_not = [&](CLI::Option* option) {
    not_remembered_.push_back(option);
    return option;
  };
  remember_not(add_device(command, request_.device));
  remember_not(add_precision(command, request_.precision));
  remember_not(add_threads(command, request_.threads));
  remember_not(add_option(command, "--tuning", request_.tuning,
                          "What tsugi tune found out, which kernels to take: a file, auto (TSUGI_TUNING, or "
                          "the user's cache folder) or off"));
  remember_not(command.add_option("--memory", memory_,
                                  "Most memory of the process (with a GPU, of the device), such as 2G: "
                                  "smaller batches add up their gradients"));
  remember_not(command.add_flag("!--no-graph", request_.graph,
                                "Issue every kernel of a step by itself instead of replaying a recorded graph "
                                "(GPUs; same results, for debugging)"));
  remember_not(command.add_option("--metrics", request_.run.metrics, "Write one JSON line an evaluation to this file"));
  remember_not(command.add_option("--profile", request_.run.profile,
                                  "Write a trace of every part of every step to this file (JSON, for ui.perfetto.dev), "
                                  "and print where the time went"));
  remember_not(command.add_option("--compact", compact_, "Write a compact checkpoint instead: fp16 or int8"))
      ->check(CLI::IsMember({"fp16", "int8"}));
  remember_not(add_option(command, "--checkpoint-every", request_.run.checkpoint_every,
                          "Steps between checkpoints, 0 = after each epoch"));
  add_save_crops(command, request_.save_crops, ", and its random variants, a row a photo");
  for (const Setting<TrainSettings>& row : setting_rows<TrainSettings>()) add_setting(command, row, request_.overrides);
}

void TrainOptions::add_handover(CLI::App& command) {
  for (const Setting<HandoverSettings>& row : setting_rows<HandoverSettings>()) add_setting(command, row, handover_);
}

TrainRequest TrainOptions::collect() const {
  TrainRequest request = request_;
  if (!memory_.empty()) request.memory_budget = parse_bytes(memory_);
  if (!compact_.empty()) request.run.output_kind = compact_ == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  return request;
}

void TrainOptions::check() const {
  try {
    const TrainRequest request = collect();
    validate(request.overrides.values, "command line");
    validate(handover_.values, "command line");
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
}

std::string TrainOptions::repeated() const {
  std::string text;
  for (const CLI::Option* option : not_remembered_)
    if (option->count() > 0) {
      const bool flag = option->get_items_expected_max() == 0;
      text += " " + option->get_name() + (flag ? "" : " " + shell_word(option->as<std::string>()));
    }
  return text;
}

std::string TrainOptions::lost_by_compact() const {
  return compact_.empty() ? "" : " (as " + compact_ + ", without the optimizer's state)";
}

std::string shell_word(const std::string& text) {
  if (printable(text) != text) {  // by bytes, as bash, ksh and zsh read them
    std::string word = "$'";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      word += byte < 0x20 || byte > 0x7E || c == '\'' || c == '\\' ? format("\\x%02x", byte) : std::string(1, c);
    }
    return word + "'";
  }
  const bool plain = !text.empty() && text.find_first_of(" \t\n'\"\\$`!*?[](){}<>|&;~#") == std::string::npos;
  if (plain) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

Json summary_json(const RunSummary& summary, const std::string& output) {
  Json json;
  json["accuracy"] = number(summary.evaluation.overall.accuracy());
  json["epochs"] = summary.progress.epoch;
  json["steps"] = summary.progress.step;
  json["wall_s"] = summary.wall_s;
  json["images_per_s"] = summary.images_per_s;
  json["peak_memory_bytes"] = summary.peak_memory_bytes;
  json["device"] = summary.device;
  json["precision"] = summary.precision;
  if (summary.progress.loss_scale != 0.0f) {
    json["loss_scale"] = summary.progress.loss_scale;
    json["skipped_steps"] = summary.progress.skipped_steps;
  }
  json["diverged"] = summary.diverged;
  json["checkpoint"] = output;
  return json;
}

void print_profile(const RunSummary& summary) {
  if (summary.profile.empty()) return;
  double all = 0.0;
  for (const ProfileLine& line : summary.profile) all += line.seconds;
  std::vector<std::vector<std::string>> table = {{"part", "layer", "seconds", "share", "times", "ms each"}};
  for (const ProfileLine& line : summary.profile) {
    const std::string seconds = format("%.3f", line.seconds),
                      each = format("%.3f", 1e3 * line.seconds / static_cast<double>(line.times));
    table.push_back({line.part, line.layer, seconds, percent(line.seconds / all), std::to_string(line.times), each});
  }
  print_table(table);
}

int report_end(const RunSummary& summary, const TrainOptions& options, const std::string& command) {
  if (!summary.stopped) return kOk;
  const std::string output = options.collect().run.output, word = shell_word(output);
  const std::string step = std::to_string(summary.progress.step);
  Console::error((summary.diverged ? "stopped; " + output + " stays as of step " + step + ", from before the loss rose"
                                   : "stopped after step " + step + "; the work is saved in " + output) +
                 options.lost_by_compact() + ". Go on with: " + command + " --continue " + word + " -o " + word +
                 options.repeated());
  return kFailed;
}

}  // namespace tsugi::tools
