// tsugi predict: names for photos.
#include <algorithm>
#include <memory>
#include <numeric>

#include "engine/train/checkpoint_session.h"
#include "engine/train/photo_source.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct PredictOptions {
  Common common;
  std::string checkpoint, device = "auto";
  std::vector<std::string> images;
  int threads = 0, top = 3;
};

int predict_command(const PredictOptions& options, FileLog* files) {
  install_stop_signals();
  Console console(options.common.quiet);
  const CheckpointSession session(options.checkpoint, options.device, options.threads, files,
                                  [&](const std::string& line) { console.say(line); });
  console.say("device " + session.backend->name() + " (" + session.backend->description() + ")");
  const std::vector<std::string>& names = session.checkpoint.class_names;
  std::vector<Photo> photos;
  for (const std::string& path : options.images) {
    if (files != nullptr) files->personal(path);  // nobody says whose photos these are
    photos.push_back({"", path, path, nullptr});
  }
  PhotoStoreOptions store_options;
  store_options.preprocessing = session.preprocessing;
  store_options.threads = options.threads;
  store_options.files = files;
  store_options.all_needed = true;  // a photo that was asked for by name must not be skipped in silence
  store_options.progress = [](std::size_t, std::size_t) { throw_if_stopped(); };
  const PhotoStore store(photos, std::vector<int>(photos.size(), 0), store_options);
  const PhotoSource source(*session.backend, store);
  Inference inference(*session.network, static_cast<int>(std::min<std::size_t>(64, photos.size())));
  inference.before_each_batch(throw_if_stopped);
  std::vector<std::uint32_t> all(photos.size());
  std::iota(all.begin(), all.end(), 0u);
  const Predictions predictions = inference.run(source, all);

  Json json;
  json["predictions"] = Json::array();
  std::vector<std::vector<std::string>> table = {{"photo", "person", "probability"}};
  const auto top = static_cast<std::size_t>(std::min<int>(options.top, static_cast<int>(names.size())));
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const float* row = &predictions.probabilities[i * names.size()];
    std::vector<std::size_t> order(names.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
    Json entry;
    entry["photo"] = options.images[i];
    entry["top"] = Json::array();
    for (std::size_t k = 0; k < top; ++k) {
      const auto probability = static_cast<double>(row[order[k]]);
      entry["top"].push_back({{"name", names[order[k]]}, {"probability", probability}});
      table.push_back({k == 0 ? options.images[i] : "", names[order[k]], percent(probability)});
    }
    json["predictions"].push_back(entry);
  }
  if (!options.common.quiet && !options.common.json) print_table(table);
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_predict(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* command = app.add_subcommand("predict", "Who is on these photos");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  command->add_option("IMAGE", options->images, "JPEG or PNG files")->required();
  add_option(*command, "--top", options->top, "Names a photo", 1, 1000000);
  add_device(*command, options->device);
  add_threads(*command, options->threads);
  audit.add(*command);
  add_common(*command, options->common, "tsugi predict device.safetensors holiday.jpg --top 3");
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return predict_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
