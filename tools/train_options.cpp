// Options of training commands.
#include "tools/train_options.h"

#include <memory>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/train/settings.h"
#include "tools/console.h"

namespace tsugi::tools {

template <class T>
void TrainOptions::setting(CLI::App& command, const std::string& flag, const std::string& field,
                           const std::string& help) {
  auto value = std::make_shared<T>();
  CLI::Option* option = command.add_option(flag, *value, help);
  given_.push_back([value, option, field](Json& json) {
    if (option->count() > 0) json[field] = *value;
  });
}

void TrainOptions::add(CLI::App& command) {
  command.add_option("-o,--output", request_.run.output, "Checkpoint to write (.safetensors)")->required();
  const auto remember_not = [&](CLI::Option* option) {
    not_remembered_.push_back(option);
    return option;
  };
  remember_not(
      command.add_option("--device", request_.device,
                         "auto, cpu, cuda, cudnn, simt (emulates CUDA, slow; simt:53 a Jetson Nano) or reference"))
      ->capture_default_str();
  remember_not(command.add_option("--precision", request_.precision, "auto, fp32, bf16 (CPU) or fp16 (GPU)"))
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16"}));
  remember_not(command.add_option("--threads", request_.threads, "Threads, 0 = all cores"))
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  remember_not(command.add_option("--tuning", request_.tuning,
                                  "What tsugi tune found out, which kernels to take: a file, auto (TSUGI_TUNING, or "
                                  "the user's cache folder) or off"))
      ->capture_default_str();
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
  remember_not(command.add_option("--checkpoint-every", request_.run.checkpoint_every,
                                  "Steps between checkpoints, 0 = after each epoch"))
      ->capture_default_str();
  setting<int>(command, "--epochs", "epochs", "Passes over the training samples (pretrain 40, resume 4)");
  setting<int>(command, "--batch", "batch", "Samples a step (64)");
  setting<std::uint32_t>(command, "--augment", "variants", "Variants of each photo an epoch (9); 1 = the photo alone");
  setting<double>(command, "--test-fraction", "test_fraction", "Share of each person's photos kept for testing (0.2)");
  setting<std::uint64_t>(command, "--seed", "seed", "Seed of every random draw");
  setting<float>(command, "--lr", "lr", "Learning rate (the model's own; resume a fifth of it)");
  setting<std::string>(command, "--optimizer", "optimizer", "sgd, adam or adamw (sgd)");
  setting<float>(command, "--momentum", "momentum", "Of sgd");
  setting<float>(command, "--weight-decay", "weight_decay", "Of weights (never of biases and batch norm)");
  setting<float>(command, "--clip-norm", "clip_norm", "Largest norm of the gradient, 0 = no clipping");
  setting<float>(command, "--label-smoothing", "label_smoothing", "0 to 1 (0.1)");
  setting<std::string>(command, "--schedule", "schedule", "Of the learning rate: constant, step or cosine (cosine)");
  setting<double>(command, "--warmup-epochs", "warmup_epochs", "Epochs of rising learning rate");
  setting<bool>(command, "--balanced", "balanced",
                "Every person equally often in the batches: true or false (resume: true)");
  setting<bool>(command, "--frozen-batch-norm", "frozen_batch_norm",
                "Keep batch norm's statistics: true or false (resume: true)");
  setting<std::string>(command, "--freeze-until", "freeze_until",
                       "Leave this layer and all before it as they are, and spare their backward "
                       "pass; \"\" = train everything (tsugi inspect lists the layers)");
}

void TrainOptions::add_handover(CLI::App& command) {
  setting<float>(command, "--distill", "distillation",
                 "Weight, 0 to 1, of keeping what the received network says of the training photos, against "
                 "their labels (0)");
  setting<float>(command, "--distill-temperature", "distillation_temperature",
                 "Softens what it says, 1 = as it is (2)");
  setting<float>(command, "--average", "average",
                 "Share, 0 to 1, of the trained weights in the network that training ends with; the rest is the "
                 "network before the first step (the cube root of the bundle's fraction, and 0.3 at least)");
  setting<float>(command, "--new-row-scale", "new_row_scale",
                 "What new people's rows of the last layer, which few photos made, are multiplied by at the "
                 "end: less favours the old people (what makes them twice as long as old ones, 0.65 to 1)");
  setting<float>(command, "--margin", "margin", "By how much new people must win beside that, in nats (0)");
  setting<bool>(command, "--distill-personal", "distil_personal",
                "Keep what it says of personal photos too: true or false");
}

TrainRequest TrainOptions::collect() const {
  TrainRequest request = request_;
  Json overrides = Json::object();
  for (const auto& add : given_) add(overrides);
  request.overrides = overrides.dump(-1, ' ', false, Json::error_handler_t::replace);  // of anything that was typed
  if (!memory_.empty()) request.memory_budget = parse_bytes(memory_);
  if (!compact_.empty()) request.run.output_kind = compact_ == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  return request;
}

void TrainOptions::check() const {
  try {
    TrainSettings settings;
    apply_json(settings, collect().overrides, "command line");
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
  json["checkpoint"] = output;
  return json;
}

void print_profile(const RunSummary& summary) {
  if (summary.profile.empty()) return;
  double all = 0.0;
  for (const ProfileLine& line : summary.profile) all += line.seconds;
  std::vector<std::vector<std::string>> table = {{"part", "layer", "seconds", "share", "times", "ms each"}};
  for (const ProfileLine& line : summary.profile) {
    char seconds[32], each[32];
    std::snprintf(seconds, sizeof seconds, "%.3f", line.seconds);
    std::snprintf(each, sizeof each, "%.3f", 1e3 * line.seconds / static_cast<double>(line.times));
    table.push_back({line.part, line.layer, seconds, percent(line.seconds / all), std::to_string(line.times), each});
  }
  print_table(table);
}

int report_end(const RunSummary& summary, const TrainOptions& options, const std::string& command) {
  if (!summary.stopped) return kOk;
  const std::string output = options.collect().run.output, word = shell_word(output);
  Console::error("stopped after step " + std::to_string(summary.progress.step) + "; the work is saved in " + output +
                 options.lost_by_compact() + ". Go on with: " + command + " --continue " + word + " -o " + word +
                 options.repeated());
  return kFailed;
}

}  // namespace tsugi::tools
