// tsugi bundle: a checkpoint and a chosen part of its training photos, or their activations, as one .tar for a device.
#include <memory>

#include "engine/handover/make_bundle.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct BundleOptions {
  Common common;
  BundleSource source;
  BundleRequest request;
  std::string strategy = name_of(BundleRequest().strategy), compact = "none";
  std::string as = "photos";
  PackOptions features;
  bool no_test = false, no_knowledge = false;
};

std::string size_text(std::uint64_t bytes) { return bytes_text(static_cast<double>(bytes)); }

BundleRequest request_of(const BundleOptions& options) {
  BundleRequest request = options.request;
  request.strategy = subset_strategy(options.strategy);
  if (options.compact != "none") request.kind = options.compact == "fp16" ? CheckpointKind::fp16 : CheckpointKind::int8;
  request.test_photos = !options.no_test;
  request.knowledge = !options.no_knowledge;
  if (options.as == "features") {
    request.features = options.features;
    request.features->threads = options.source.threads;
  }
  return request;
}

/// What travels beside what the photos would have been, and what a step costs.
void print_features(const PackSummary& packed) {
  const SampleShape& shape = packed.place.shape;
  print_line(format(
      "activations of %s (%dx%dx%d): %s for photos of %s; a training step costs %.1f %% of the whole model's FLOPs",
      packed.place.layer.c_str(), shape.h, shape.w, shape.c, size_text(packed.feature_bytes).c_str(),
      size_text(packed.photo_bytes).c_str(), 100.0 * packed.place.share));
  print_line();
}

void put_features(const PackSummary& packed, std::uint32_t variants, Json& json) {
  json["cut"] = packed.place.layer;
  json["variants"] = variants;
  json["bytes_features"] = packed.feature_bytes;
  json["bytes_photos_instead"] = packed.photo_bytes;
  json["step_flops"] = packed.place.training_flops;
  json["step_flops_share"] = packed.place.share;
}

int bundle_command(const BundleOptions& options, FileLog* files) {
  install_stop_signals();
  const BundleRequest request = request_of(options);
  MadeBundle made;
  {
    Console console(options.common.quiet);
    made = make_bundle(options.source, request, console.observer(files));
  }
  const BundleSummary& written = made.written;
  if (!options.common.quiet && made.features) print_features(*made.features);
  if (!options.common.quiet)
    print_table(
        {{"training photos", "of", "test photos", "size", "of it photos", "knowledge", "checkpoint", "bundle"},
         {std::to_string(written.photos), std::to_string(made.training_photos), std::to_string(written.test_photos),
          size_text(written.bytes), size_text(written.photo_bytes + written.test_photo_bytes),
          size_text(made.knowledge_bytes), size_text(written.checkpoint_bytes), request.output}});
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
  json["as"] = options.as;
  if (made.features) put_features(*made.features, options.features.variants, json);
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_bundle(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<BundleOptions>();
  BundleSource& source = options->source;
  BundleRequest& request = options->request;
  CLI::App* command = app.add_subcommand("bundle", "Pack a checkpoint and a part of its training photos for a device");
  command->add_option("CKPT", source.checkpoint, "Checkpoint")->required();
  command->add_option("--photos", source.photos, "The folder of people that the checkpoint was trained on")->required();
  add_option(*command, "--fraction", request.fraction, "Share of the training photos to send, 0 to 1", 0.0, 1.0);
  add_option(*command, "--strategy", options->strategy,
             "Which photos. stratified: everyone keeps their share, by draw; random: any; and with everyone's "
             "share, by the checkpoint's "
             "features: herding (their mean stays the person's), k-center (they cover the person), typical "
             "(closest to the mean)",
             subset_strategy_names());
  add_option(*command, "--seed", request.seed, "Seed of the choice");
  add_option(*command, "--compact", options->compact, "Store the checkpoint as it is (none), fp16 or int8",
             {"none", "fp16", "int8"});
  add_option(*command, "--as", options->as,
             "photos, or features: their activations at --cut, 8 bits a value; then no photo leaves the server",
             {"photos", "features"});
  CLI::Option* cut = command->add_option(
      "--cut", options->features.layer,
      "With --as features: the layer whose activations are sent; the device trains what is above it (default: "
      "as much as a quarter of a whole step's FLOPs allow; tsugi inspect lists the layers)");
  CLI::Option* variants =
      add_option(*command, "--variants", options->features.variants,
                 "With --as features: of each training photo, the photo itself and random ones", 1u, kMostVariants);
  command->add_flag("--allow-missing-people", source.allow_missing_people,
                    "Go on where the folder has no photo of somebody whom the checkpoint knows: they are forgotten");
  command->add_flag("--no-test", options->no_test,
                    "Leave out the test photos, which the device needs to measure forgetting");
  command->add_flag("--no-knowledge", options->no_knowledge,
                    "Leave out what lets a device keep what it knows with few photos or none: the checkpoint's logits "
                    "of the photos sent, and "
                    "the mean and spread of everyone's features (about 0.1 MB)");
  command->add_option("--previous", request.previous,
                      "The checkpoint of the release before, as devices have it: what they know of their people can "
                      "then be carried over without photos (tsugi resume --from)");
  command->add_option("-o,--output", request.output, "Bundle to write (.tar)")->required();
  add_device(*command, source.device);
  add_threads(*command, source.threads);
  audit.add(*command);
  add_common(*command, options->common,
             "tsugi bundle server.safetensors --photos photos/ --fraction 0.3 -o handover.tar");
  command->callback([options, cut, variants, &run, &audit] {
    for (const CLI::Option* option : {cut, variants})
      if (option->count() > 0 && options->as != "features")
        throw CLI::ValidationError(option->get_name() + " is for --as features");
    if (!options->request.previous.empty() && (options->no_knowledge || options->as == "features"))
      throw CLI::ValidationError("--previous is for bundles of photos with what the server knows of them");
    run = [options, &audit] { return bundle_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
