// tsugi bundle: a checkpoint and a chosen part of its training photos, as one .tar for a device.
#include <memory>

#include "engine/train/make_bundle.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

struct Options {
  Common common;
  BundleSource source;
  BundleRequest request;
  std::string strategy = name_of(BundleRequest().strategy), compact = "none";
  bool no_test = false, no_knowledge = false;
};

std::string size_text(std::uint64_t bytes) { return bytes_text(static_cast<double>(bytes)); }

BundleRequest request_of(const Options& options) {
  BundleRequest request = options.request;
  request.strategy = subset_strategy(options.strategy);
  if (options.compact != "none") request.kind = options.compact == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  request.test_photos = !options.no_test;
  request.knowledge = !options.no_knowledge;
  return request;
}

int bundle_command(const Options& options, FileLog* files) {
  install_stop_signals();
  const BundleRequest request = request_of(options);
  MadeBundle made;
  {
    Console console(options.common.quiet);
    made = make_bundle(options.source, request, console.observer(files));
  }
  const BundleSummary& written = made.written;
  if (!options.common.quiet)
    print_table({{"training photos", "of", "test photos", "size", "of it photos", "knowledge", "checkpoint", "bundle"},
                 {std::to_string(written.photos), std::to_string(made.training_photos), std::to_string(written.test_photos),
                  size_text(written.bytes), size_text(written.photo_bytes + written.test_photo_bytes), size_text(made.knowledge_bytes),
                  size_text(written.checkpoint_bytes), request.output}});
  Json json;
  json["photos"] = written.photos;
  json["bytes"] = written.bytes;
  json["fraction"] = request.fraction;
  json["strategy"] = options.strategy;
  json["test_photos"] = written.test_photos;
  json["bundle"] = request.output;
  json["bytes_checkpoint"] = written.checkpoint_bytes;
  json["bytes_photos"] = written.photo_bytes;
  json["bytes_test_photos"] = written.test_photo_bytes;
  json["bytes_knowledge"] = made.knowledge_bytes;
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_bundle(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<Options>();
  BundleSource& source = options->source;
  BundleRequest& request = options->request;
  CLI::App* command = app.add_subcommand("bundle", "Pack a checkpoint and a part of its training photos for a device");
  command->add_option("CKPT", source.checkpoint, "Checkpoint")->required();
  command->add_option("--photos", source.photos, "The folder of people that the checkpoint was trained on")->required();
  command->add_option("--fraction", request.fraction, "Share of the training photos to send, 0 to 1")->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--strategy", options->strategy,
                      "Which photos. stratified: everyone keeps their share, by draw; random: any; and with everyone's share, by the checkpoint's "
                      "features: herding (their mean stays the person's), k-center (they cover the person), typical (closest to the mean)")
      ->capture_default_str()->check(CLI::IsMember(subset_strategy_names()));
  command->add_option("--seed", request.seed, "Seed of the choice")->capture_default_str();
  command->add_option("--compact", options->compact, "Store the checkpoint as it is (none), fp16 or int8")->capture_default_str()
      ->check(CLI::IsMember({"none", "fp16", "int8"}));
  command->add_flag("--no-test", options->no_test, "Leave out the test photos, which the device needs to measure forgetting");
  command->add_flag("--no-knowledge", options->no_knowledge,
                    "Leave out what lets a device keep what it knows with few photos or none: the checkpoint's logits of the photos sent, and "
                    "the mean and spread of everyone's features (about 0.1 MB)");
  command->add_option("-o,--output", request.output, "Bundle to write (.tar)")->required();
  command->add_option("--device", source.device, "auto, cpu, cuda, cudnn, simt (emulates CUDA, slow; simt:53 a Jetson Nano) or reference")->capture_default_str();
  command->add_option("--threads", source.threads, "Threads, 0 = all cores")->capture_default_str()->check(CLI::Range(0, 1024));
  audit.add(*command);
  add_common(*command, options->common, "tsugi bundle server.safetensors --photos photos/ --fraction 0.3 -o handover.tar");
  command->callback([options, &run, &audit] { run = [options, &audit] { return bundle_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
