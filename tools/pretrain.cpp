// tsugi pretrain: trains a classifier on a folder of people.
#include <cmath>
#include <memory>

#include "engine/core/text.h"
#include "engine/train/settings.h"
#include "tools/audit.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

struct PretrainOptions {
  Common common;
  TrainOptions train;
  PretrainRequest request;
  std::string crop = "0";
  CLI::Option* model = nullptr;
};

/// --crop as the request has it: a word, or a share of photos whose faces are aligned.
void apply_crop(const std::string& crop, PretrainRequest& request) {
  if (!CLI::detail::lexical_cast(crop, request.crop)) request.around = parse_crop_around(crop, "--crop");
}

/// A continued run keeps its checkpoint's model, size and crop: options that say otherwise must not be ignored in
/// silence.
void check_continued(const PretrainRequest& request, bool model_given, FileLog* files) {
  const std::string& path = request.continue_from;
  const Checkpoint from = read_checkpoint(path, files);
  const Model model = parse_model(from.model, path + ": model");
  const Preprocessing preprocessing = preprocessing_from_json(from.preprocessing, path + ": preprocessing");
  const auto differs = [&](const std::string& option, const std::string& given, const std::string& has) {
    throw Error(option + " is " + given + ", but " + path + " has " + has + " and goes on with it");
  };
  if (model_given && find_model(request.model, files).name != model.name) differs("--model", request.model, model.name);
  if (request.size > 0 && request.size != model.input.h)
    differs("--size", std::to_string(request.size), std::to_string(model.input.h));
  const double crop = preprocessing.crop * preprocessing.size / preprocessing.stored_size;
  constexpr double kRounding = 1e-3;
  const auto text = [](CropAround around, double share) {
    return around == CropAround::centre ? std::to_string(share) : name_of(around);
  };
  const bool given = request.crop > 0.0 || request.around != CropAround::centre;
  const bool other_share = preprocessing.crop < 1.0f && std::abs(request.crop - crop) > kRounding;
  if (given && (request.around != preprocessing.around || (request.crop > 0.0 && other_share)))
    differs("--crop", text(request.around, request.crop), text(preprocessing.around, crop));
}

int pretrain_command(const PretrainOptions& options, FileLog* files) {
  PretrainRequest request = options.request;
  if (!request.continue_from.empty()) check_continued(request, options.model->count() > 0, files);
  request.train = options.train.collect();
  install_stop_signals();
  RunSummary summary;
  {
    Console console(options.common.quiet);
    summary = pretrain(request, console.observer(files));
  }
  const std::string& output = request.train.run.output;
  if (!options.common.quiet && !summary.stopped)
    print_table({{"test accuracy", "photos", "epochs", "time", "images/s", "checkpoint"},
                 {percent(summary.evaluation.overall.accuracy()), std::to_string(summary.evaluation.overall.photos),
                  std::to_string(summary.progress.epoch), duration(summary.wall_s),
                  std::to_string(std::lround(summary.images_per_s)), output}});
  if (!options.common.quiet) print_profile(summary);
  finish(options.common, summary_json(summary, output));
  const std::string strangers = request.strangers.empty() ? "" : " --strangers " + shell_word(request.strangers);
  return report_end(summary, options.train, "tsugi pretrain " + shell_word(request.photos) + strangers);
}

}  // namespace

void add_pretrain(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<PretrainOptions>();
  CLI::App* command =
      app.add_subcommand("pretrain", "Train on a folder of people, from nothing or on from a checkpoint");
  command->add_option("PHOTOS", options->request.photos, "Folder with one folder of photos a person")->required();
  options->model = add_option(*command, "--model", options->request.model,
                              "A model by name (" + joined(model_names()) + ") or a JSON file");
  add_option(*command, "--size", options->request.size, "Pixels a side that the network sees, 0 = as the model says", 0,
             1024);
  add_option(*command, "--crop", options->crop,
             "What of a photo the network sees: around its largest face (face; photos in which none is found are left "
             "out, with face-or-center their centre is taken), or a share of the shorter side about the centre, 0 = "
             "default, for aligned faces")
      ->check(CLI::IsMember({"face", "face-or-center"}) | CLI::Range(0.0, 1.0));
  command->add_option("--continue", options->request.continue_from, "Checkpoint to train on from");
  command->add_flag("--allow-missing-people", options->request.allow_missing_people,
                    "Go on where the folder has no photo of somebody whom the checkpoint knows: they are forgotten");
  command->add_option("--strangers", options->request.strangers,
                      "Folder of photos of people whom nobody is to know, one folder a person, or loose photos of a "
                      "person each: learnt beside the others, so that strangers are told from those; the checkpoint "
                      "does not name them");
  options->train.add(*command);
  audit.add(*command);
  add_common(*command, options->common, "tsugi pretrain photos/ -o server.safetensors --epochs 10");
  command->callback([options, &run, &audit] {
    options->train.check();
    apply_crop(options->crop, options->request);
    run = [options, &audit] { return pretrain_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
