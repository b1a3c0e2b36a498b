// tsugi bundle: a checkpoint and a chosen part of its training photos, as one .tar for a device.
#include <algorithm>
#include <memory>

#include "engine/state/bundle.h"
#include "engine/state/subset.h"
#include "engine/train/dataset.h"
#include "tools/audit.h"
#include "tools/checkpoint_session.h"
#include "tools/command.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

struct Options {
  Common common;
  std::string checkpoint, photos, output, strategy = "stratified", compact = "none";
  double fraction = 0.3;
  std::uint64_t seed = 1;
  bool no_test = false;
};

void refuse_personal(const Checkpoint& checkpoint, const std::string& path) {
  if (checkpoint.personal_classes.empty()) return;
  std::string names;
  for (const std::string& name : checkpoint.personal_classes) names += (names.empty() ? "" : ", ") + name;
  throw Error(path + ": holds what was learnt from the personal photos of " + names + ", which do not leave their device");
}

BundlePhoto bundle_photo(const Photo& photo, bool test) {
  return {photo.class_name, photo.file.substr(photo.file.find('/') + 1), test, nullptr, photo.path};
}

int bundle_command(const Options& options, FileLog* files) {
  install_stop_signals();  // not asked for: writing is short, and a temporary must not stay behind
  Console console(options.common.quiet);
  Bundle bundle;
  // On a device that computes nothing here: a checkpoint that does not fit its own model must not be sent.
  bundle.checkpoint = CheckpointSession(options.checkpoint, "reference", 1, files).checkpoint;
  refuse_personal(bundle.checkpoint, options.checkpoint);
  bundle.kind = options.compact == "none" ? bundle.checkpoint.kind : options.compact == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  bundle.strategy = options.strategy;
  bundle.fraction = options.fraction;
  bundle.seed = options.seed;

  PhotoFolder folder = scan_photos(options.photos, 1);
  folder.labels = labels_among(folder, bundle.checkpoint.class_names, options.photos);
  TrainSettings settings;
  apply_json(settings, bundle.checkpoint.settings, options.checkpoint + ": settings");
  const Split split = split_as_trained(folder.photos, folder.labels, bundle.checkpoint, settings.test_fraction, settings.seed);
  std::vector<std::int32_t> labels;
  for (const std::uint32_t i : split.train) labels.push_back(folder.labels[i]);
  for (const std::size_t i : choose_subset(labels, options.fraction, subset_strategy(options.strategy), options.seed))
    bundle.photos.push_back(bundle_photo(folder.photos[split.train[i]], false));
  if (!options.no_test)
    for (const std::uint32_t i : split.test) bundle.photos.push_back(bundle_photo(folder.photos[i], true));

  const BundleSummary written = write_bundle(options.output, bundle, files);
  if (!options.common.quiet)
    print_table({{"training photos", "of", "test photos", "size", "bundle"},
                 {std::to_string(written.photos), std::to_string(split.train.size()), std::to_string(written.test_photos),
                  bytes_text(static_cast<double>(written.bytes)), options.output}});
  Json json;
  json["photos"] = written.photos;
  json["bytes"] = written.bytes;
  json["fraction"] = options.fraction;
  json["strategy"] = options.strategy;
  json["test_photos"] = written.test_photos;
  json["bundle"] = options.output;
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_bundle(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bundle", "Pack a checkpoint and a part of its training photos for a device");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  command->add_option("--photos", options->photos, "The folder of people that the checkpoint was trained on")->required();
  command->add_option("--fraction", options->fraction, "Share of the training photos to send, 0 to 1")->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--strategy", options->strategy, "stratified (everyone keeps their share) or random")->capture_default_str()
      ->check(CLI::IsMember({"stratified", "random"}));
  command->add_option("--seed", options->seed, "Seed of the choice")->capture_default_str();
  command->add_option("--compact", options->compact, "Store the checkpoint as it is (none), fp16 or int8")->capture_default_str()
      ->check(CLI::IsMember({"none", "fp16", "int8"}));
  command->add_flag("--no-test", options->no_test, "Leave out the test photos, which the device needs to measure forgetting");
  command->add_option("-o,--output", options->output, "Bundle to write (.tar)")->required();
  audit.add(*command);
  add_common(*command, options->common, "tsugi bundle server.safetensors --photos photos/ --fraction 0.3 -o handover.tar");
  command->callback([options, &run, &audit] {
    refuse_same_file(options->checkpoint, options->output);
    run = [options, &audit] { return bundle_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
