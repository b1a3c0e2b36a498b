// tsugi plan: how long a device will train, how much memory that takes and how long the hand-over travels, before
// anyone waits; and how much data fits.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "bench/measure/quantities.h"
#include "bench/plan/measured_device.h"
#include "bench/plan/timed_steps.h"
#include "engine/core/atomic_file.h"
#include "engine/core/device.h"
#include "engine/core/output_claim.h"
#include "engine/core/text.h"
#include "engine/data/scan.h"
#include "engine/data/split.h"
#include "engine/handover/handover.h"
#include "engine/tuning/tuned_backend.h"
#include "tools/audit.h"
#include "tools/bench.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/plan.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

void add_workload(CLI::App& command, PlanOptions& o) {
  add_option(command, "--model", o.model, "A model by name (" + joined(model_names()) + ") or a JSON file");
  add_option(command, "--size", o.size, "Pixels a side, 0 = as the model says", 0, 1024);
  add_settings(command, o.settings, {"--batch", "--optimizer", "--freeze-until"});
  add_precision(command, o.precision, "auto (what training takes there), fp32, bf16 (CPU) or fp16 (GPU)");
  command.add_option("--memory", o.memory, "Most memory for training, such as 2G: batches are split to keep it");
  add_threads(command, o.threads, "Of this CPU, 0 = all cores");
}

void add_handover(CLI::App& command, PlanOptions& o) {
  command.add_option("--photos", o.photos, "The server's photos: how many, or their folder of people");
  command
      .add_option("--photo-bytes", o.photo_bytes,
                  "Of a photo's file on average (those of the folder; 8710, the mean of LFW's)")
      ->check(CLI::Range(1.0, 1e9));
  command.add_option("--people", o.people, "Classes (those of the folder; 32, ImageNet's 1000 for its models)")
      ->check(CLI::Range(2, 65536));
  add_option(command, "--personal", o.personal, "Training photos that the device has itself", 0, 1000000);
  command.add_option("--strangers", o.strangers,
                     "Photos of people in no class that are learnt beside them, as of pretrain: how many, of a person "
                     "each, or their folder");
  add_option(command, "--fraction", o.fraction, "Share of the server's training photos that is sent, 0 to 1", 0.0, 1.0);
  add_settings(command, o.settings, {"--test-fraction", "--augment", "--epochs"});
  command.add_flag("--no-test", o.no_test, "Test photos do not travel");
  command.add_flag("--no-knowledge", o.no_knowledge, "What the server knows of its photos does not travel");
  add_option(command, "--compact", o.compact, "The checkpoint in the bundle: none, fp16 or int8",
             {"none", "fp16", "int8"});
  command.add_flag(
      "--resume", o.resume,
      "With the defaults of tsugi resume: without photos of others nothing is trained, or without what the server "
      "knows of them the head alone. Otherwise with those of tsugi pretrain");
  command.add_option("--link", o.link, "Speed of the way to the device: 10Mbit/s, 1.5MB/s");
  command.add_option("--max-time", o.max_time,
                     "Find the largest fraction that trains within this time: 90s, 30min, 2h");
  command.add_option("--max-memory", o.max_memory, "... within this memory: 1G");
  command.add_option("--max-transfer", o.max_transfer,
                     "... whose bundle is no larger than 20M, or over --link takes no longer than 30s");
}

void add_device(CLI::App& command, PlanOptions& o) {
  std::string shipped;
  for (const std::string& name : bench::shipped_device_names()) shipped += name + ", ";
  command
      .add_option("--device", o.device,
                  shipped + "a JSON file, or this: the machine that runs the command times such steps for some seconds")
      ->required();
  command
      .add_option("--result", o.results,
                  "Result files of the real board (tsugi bench -o), which then count instead of what was derived")
      ->delimiter(',');
  command.add_option("--save-device", o.save_device,
                     "Write the device's description (JSON), for --device on another machine");
}

/// Options that say nothing for what was asked must not be ignored in silence.
void check(const CLI::App& command, const PlanOptions& o) {
  const auto refuse = [&](const char* without, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (command.get_option(name)->count() > 0)
        throw CLI::ValidationError(std::string(name) + " means nothing without " + without);
  };
  if (o.photos.empty())
    refuse("--photos", {"--photo-bytes", "--personal", "--strangers", "--fraction", "--test-fraction", "--no-test",
                        "--no-knowledge", "--compact", "--augment", "--epochs", "--link", "--resume", "--max-time",
                        "--max-memory", "--max-transfer"});
  if (o.resume && !o.settings.values.freeze_until.empty())
    throw CLI::ValidationError("--resume freezes layers itself: --freeze-until means nothing with it");
  if (o.resume && !o.strangers.empty())
    throw CLI::ValidationError("a hand-over learns no strangers: --strangers means nothing with --resume");
  if (o.smoke && o.device != "this") throw CLI::ValidationError("--smoke means nothing without --device this");
  std::error_code ignored;
  if (!o.save_device.empty() &&
      std::filesystem::weakly_canonical(o.save_device, ignored) == std::filesystem::weakly_canonical(o.device, ignored))
    throw CLI::ValidationError("--save-device and --device are the same file, " + o.device + ", two expected");
  try {
    validate(o.settings.values, "command line");
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
  if (command.get_option("--epochs")->count() > 0 && o.settings.values.epochs == 0)
    throw CLI::ValidationError("--epochs is 0, at least 1 expected: nothing else is to be planned");
  const bool backwards = !o.max_time.empty() || !o.max_memory.empty() || !o.max_transfer.empty();
  if (backwards && command.get_option("--fraction")->count() > 0)
    throw CLI::ValidationError(
        "--fraction is what --max-time, --max-memory and --max-transfer look for: give one or the other");
}

/// The number that a text is, below a thousand million; nothing where it is a path.
std::optional<std::size_t> count_in(const std::string& text) {
  if (text.find_first_not_of("0123456789") != std::string::npos || text.size() >= 10) return std::nullopt;
  return std::stoul(text);
}

void count_strangers(const std::string& strangers, bench::PlanRequest& request) {
  if (const std::optional<std::size_t> count = count_in(strangers)) {
    request.strangers = request.stranger_photos = *count;
    return;
  }
  const PhotoFolder folder = scan_strangers(strangers);
  request.strangers = folder.class_names.size();
  request.stranger_photos = folder.photos.size();
}

/// How many photos there are, how large and of how many people. Of a folder, as training would split it.
void count_photos(const PlanOptions& o, bench::PlanRequest& request) {
  bench::BundleRequestSize& bundle = request.bundle;
  bundle.photo_bytes = 8710.0;  // the mean of the 1770 photos of LFW's deep-funneled version at hand
  if (const std::optional<std::size_t> number = count_in(o.photos)) {
    const std::size_t count = *number;
    if (count == 0) throw Error("--photos is 0, at least 1 expected");
    bundle.test_photos =
        static_cast<std::size_t>(std::lround(request.step.settings.test_fraction * static_cast<double>(count)));
    bundle.train_photos = count - bundle.test_photos;
  } else {
    const PhotoFolder folder = scan_photos(o.photos);
    double sum = 0.0;
    for (const Photo& photo : folder.photos) sum += static_cast<double>(std::filesystem::file_size(photo.path));
    const Split split =
        split_by_person(folder.photos, folder.labels, request.step.settings.test_fraction, request.step.settings.seed);
    bundle.train_photos = split.train.size();
    bundle.test_photos = split.test.size();
    bundle.photo_bytes = sum / static_cast<double>(folder.photos.size());
    if (o.people == 0)
      request.step.list.classes = static_cast<int>(folder.class_names.size()) + (o.personal > 0 ? 1 : 0);
  }
  if (o.photo_bytes > 0.0) bundle.photo_bytes = o.photo_bytes;
}

bench::PlanRequest request_of(const PlanOptions& o, FileLog* files) {
  bench::PlanRequest request;
  bench::StepRequest& step = request.step;
  step.list = bench::find_shape_list(o.model, files);
  if (o.size > 0) step.list.model = with_input_size(step.list.model, o.size);
  const Model& model = step.list.model;
  if (model.input.h != model.input.w)
    throw Error("model " + model.name + ": input is " + std::to_string(model.input.h) + "x" +
                std::to_string(model.input.w) + ", photos are cropped to squares");
  if (o.people > 0) step.list.classes = o.people;
  step.settings = pretrain_settings(model, "model " + model.name);
  if (o.resume) apply_handover_defaults(step.settings);
  o.settings.apply(step.settings, "command line");
  if (!o.memory.empty()) step.memory_budget = parse_bytes(o.memory);
  step.preprocessing = default_preprocessing(model.input.h);
  if (!o.photos.empty()) count_photos(o, request);
  if (!o.strangers.empty()) count_strangers(o.strangers, request);
  request.bundle.kind = o.compact == "fp16"   ? CheckpointKind::fp16
                        : o.compact == "int8" ? CheckpointKind::int8
                                              : CheckpointKind::full;
  request.bundle.send_test_photos = !o.no_test;
  request.bundle.knowledge = !o.no_knowledge;
  request.fraction = o.fraction;
  request.personal_photos = static_cast<std::size_t>(o.personal);
  request.as_resume = o.resume;
  request.own_epochs = o.settings.names(train_setting("--epochs"));
  if (!o.link.empty()) request.link_bytes_per_s = bench::parse_link(o.link, "--link");
  return request;
}

bench::Budgets budgets_of(const PlanOptions& o) {
  bench::Budgets budgets;
  if (!o.max_time.empty()) budgets.training_s = bench::parse_duration(o.max_time, "--max-time");
  if (!o.max_memory.empty()) budgets.memory_bytes = static_cast<double>(parse_bytes(o.max_memory));
  if (!o.max_transfer.empty()) {
    const bench::TransferBudget transfer = bench::parse_transfer(o.max_transfer, "--max-transfer");
    if (transfer.seconds > 0.0 && o.link.empty())
      throw Error("--max-transfer is a time, \"" + o.max_transfer + "\": over which --link?");
    budgets.transfer_bytes = transfer.bytes;
    budgets.transfer_s = transfer.seconds;
  }
  return budgets;
}

/// The device to plan for, a backend that knows what scratch memory its kernels take, and where times come from.
struct PlannedDevice {
  bench::DeviceDescription description;
  std::unique_ptr<Backend> kernels;
  std::unique_ptr<bench::TimedSteps> timed;  // of this machine
  bench::StepSource steps;
};

/// request.step gets what the device decides.
PlannedDevice measure_this(const PlanOptions& o, Console& console, FileLog* files, bench::StepRequest& step) {
  PlannedDevice device;
  // As training does: tuned kernels take other scratch memory.
  device.kernels =
      make_tuned_backend("auto", o.threads, {"auto", files, [&](const std::string& line) { console.say(line); }});
  step.device = o.device;
  step.dtype = choose_precision(o.precision, *device.kernels);
  bench::TimedStepsOptions options;
  options.brief = o.smoke;
  options.should_stop = stop_requested;
  options.progress = [&](double done) { console.progress("timing steps " + percent(std::min(done, 1.0))); };
  device.timed = std::make_unique<bench::TimedSteps>(*device.kernels, step, options);
  device.steps = [&timed = *device.timed](const bench::StepRequest& request) { return timed.predict(request); };
  device.description = device.timed->device();
  if (o.save_device.empty() && o.results.empty()) return device;
  std::vector<bench::ShapeList> lists = {step.list};  // another machine may plan for another model
  for (const std::string& name : builtin_model_names())
    if (name != step.list.model.name) lists.push_back(bench::find_shape_list(name));
  constexpr int kSmokeSize = 16;
  for (std::size_t i = 1; o.smoke && i < lists.size(); ++i)
    lists[i].model = with_input_size(lists[i].model, kSmokeSize);
  device.description = device.timed->describe(lists, step.settings.batch, step.dtype);
  return device;
}

PlannedDevice described(const PlanOptions& o, FileLog* files, bench::StepRequest& step) {
  PlannedDevice device;
  device.description = bench::find_device(o.device, files);
  device.kernels = make_backend(device.description.kernels, o.threads);
  step.device = device.description.name;
  step.dtype = choose_precision(o.precision == "auto" ? device.description.precision : o.precision, *device.kernels);
  return device;
}

PlanOutcome outcome_of(const PlanOptions& o, const PlannedDevice& device, const bench::PlanRequest& request) {
  const bench::Budgets budgets = budgets_of(o);
  PlanOutcome outcome;
  outcome.handover = !o.photos.empty();
  outcome.backwards = budgets.any();
  if (budgets.any()) {
    const bench::LargestFraction largest = bench::largest_fraction(device.description, device.steps, request, budgets);
    outcome.plan = largest.plan;
    outcome.binding = largest.binding;
  } else {
    outcome.plan = outcome.handover ? bench::plan_handover(device.description, device.steps, request)
                                    : bench::plan_step(device.description, device.steps, request.step);
  }
  return outcome;
}

}  // namespace

int plan_command(const PlanOptions& options, FileLog* files) {
  std::optional<OutputClaim> claim;
  if (!options.save_device.empty()) claim.emplace(options.save_device, FilePurpose{"device description", files});
  bench::PlanRequest request = request_of(options, files);
  budgets_of(options);  // refuses what is none before anything is timed
  std::vector<bench::ResultFile> results;
  for (const std::string& path : options.results) results.push_back(bench::read_result_file(path, files));
  install_stop_signals();
  PlannedDevice device;
  PlanOutcome outcome;
  {
    Console console(options.common.quiet);
    device = options.device == "this" ? measure_this(options, console, files, request.step)
                                      : described(options, files, request.step);
    bench::DeviceDescription& description = device.description;
    request.step.device_memory = description.memory_bytes;
    if (!options.save_device.empty())
      write_file_atomically(options.save_device, bench::to_json(description) + "\n", {"device description", files});
    for (std::size_t i = 0; i < results.size(); ++i)
      bench::apply_result(description, *device.kernels, results[i], options.results[i]);
    if (device.timed == nullptr || !results.empty())  // what files say counts more
      device.steps = [&](const bench::StepRequest& step) {
        return bench::predict_step(description, *device.kernels, step);
      };
    outcome = outcome_of(options, device, request);
  }
  if (!options.common.quiet) print_plan(device.description, request, outcome);
  finish(options.common, options.common.json ? plan_json(device.description, request, outcome) : Json());
  return kOk;
}

void add_plan(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "Predict time, memory and transfer of a training, or how much data fits budgets");
  add_device(*command, *options);
  add_workload(*command, *options);
  add_handover(*command, *options);
  command->add_flag("--smoke", options->smoke,
                    "With --device this: measure next to nothing; shows that everything runs, its times mean nothing");
  audit.add(*command);
  add_common(*command, options->common,
             "tsugi plan --device jetson-nano --model faces-resnet --photos 979 --fraction 0.3 --personal 86 --resume "
             "--link 10Mbit/s\n"
             "  tsugi plan --device this --photos photos/ --max-time 30min --max-transfer 20M --link 1MB/s\n"
             "  tsugi plan --device this --model faces-cnn --batch 16 --json");
  command->callback([options, command, &run, &audit] {
    check(*command, *options);
    run = [options, &audit] { return plan_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
