// tsugi inspect: what a checkpoint, a bundle or a model description holds.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/formats/file_kind.h"
#include "engine/handover/bundle.h"
#include "engine/handover/handover_settings.h"
#include "engine/model/cut.h"
#include "engine/model/executor.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/inspect_layers.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct InspectOptions {
  Common common;
  std::string file;
  int batch = 64, classes = 32;
  bool layers = false;
};

std::string shape_text(const SampleShape& s) {
  return std::to_string(s.h) + "x" + std::to_string(s.w) + "x" + std::to_string(s.c);
}

std::string millions(double value) {
  if (value >= 1e6) return format("%.2f M", value / 1e6);
  return value >= 1e3 ? format("%.1f k", value / 1e3) : format("%.0f", value);
}

/// Where the model can be cut to send activations instead of photos (tsugi bundle --as features): their bytes, and what
/// a step then costs.
void inspect_cuts(const Model& model, int classes, bool print, Json& json) {
  const std::vector<CutPlace> places = cut_places(model, classes);
  json["cuts"] = Json::array();
  if (places.empty()) return;
  json["default_cut"] = default_cut(model, classes).layer;
  std::vector<std::vector<std::string>> table = {
      {"cut at", "activations", "bytes a variant", "trained parameters", "of a step's FLOPs"}};
  for (const CutPlace& place : places) {
    json["cuts"].push_back({{"layer", place.layer},
                            {"bytes", place.shape.count()},
                            {"parameters", place.parameters},
                            {"step_flops_share", place.share}});
    table.push_back({place.layer + (place.layer == json["default_cut"] ? " (default)" : ""), shape_text(place.shape),
                     std::to_string(place.shape.count()), std::to_string(place.parameters), percent(place.share)});
  }
  if (!print) return;
  print_line();
  print_line("features: layers to cut at");
  print_table(table);
}

/// Layers, shapes, parameters, FLOPs, and the arena of a training step and of inference.
/// recorded: a checkpoint's, which was accepted once, maybe by an older version.
void inspect_model(const Model& model, const std::string& file, bool recorded, int classes, int batch, bool print,
                   Json& json) {
  TrainSettings settings;
  (recorded ? apply_recorded : apply_json)(settings, model.training, file + ": training");
  const std::vector<LayerCost> costs = layer_costs(model, classes);
  std::vector<std::vector<std::string>> table = {
      {"layer", "type", "output", "parameters", "FLOPs a photo", "activation bytes"}};
  double flops = 0.0, activations = 0.0;
  std::size_t parameters = 0;
  json["layers"] = Json::array();
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const Layer& layer = model.layers[i];
    const double bytes = static_cast<double>(costs[i].output.count() * sizeof(float));
    flops += costs[i].forward_flops;
    activations += bytes;
    parameters += costs[i].parameters;
    table.push_back({layer.name, layer.kind->name, shape_text(costs[i].output),
                     costs[i].parameters == 0 ? "" : std::to_string(costs[i].parameters),
                     costs[i].forward_flops == 0.0 ? "" : millions(costs[i].forward_flops), bytes_text(bytes)});
    json["layers"].push_back({{"name", layer.name},
                              {"type", layer.kind->name},
                              {"output", shape_text(costs[i].output)},
                              {"parameters", costs[i].parameters},
                              {"forward_flops", costs[i].forward_flops},
                              {"activation_bytes", bytes}});
  }
  table.push_back({"total", "", "", std::to_string(parameters), millions(flops), bytes_text(activations)});

  const std::unique_ptr<Backend> backend = make_backend("auto", 0);
  const ParameterLayout layout(model, classes);
  const Executor training(*backend, model, layout, classes, batch, DType::f32, ExecutorMode::training);
  const Executor inference(*backend, model, layout, classes, batch, DType::f32, ExecutorMode::inference);
  json["model"] = model.name;
  json["description"] = Json::parse(model.json);
  json["parameters"] = parameters;
  json["forward_flops"] = flops;
  json["batch"] = batch;
  json["training_arena_bytes"] = training.arena_bytes();
  json["inference_arena_bytes"] = inference.arena_bytes();
  if (!print) return inspect_cuts(model, classes, print, json);
  print_line(format("model %s, input %s, %d classes", model.name.c_str(), shape_text(model.input).c_str(), classes));
  print_line();
  print_table(table);
  print_line();
  print_line(format("memory for batch %d in float32 on %s, planned: %s to train, %s to predict", batch,
                    backend->name().c_str(), bytes_text(static_cast<double>(training.arena_bytes())).c_str(),
                    bytes_text(static_cast<double>(inference.arena_bytes())).c_str()));
  inspect_cuts(model, classes, print, json);
}

/// The first ones, and how many there are.
std::string first_of(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) text += ", … (" + std::to_string(names.size()) + " in all)";
  return text;
}

/// Whose photos the weights were learnt from, in words: this decides where the file may go.
void print_origin(const Checkpoint& checkpoint) {
  const std::size_t personal = checkpoint.personal_classes.size();
  if (personal == 0) {
    print_line("learnt from personal photos: of nobody; tsugi bundle accepts it");
    return;
  }
  print_line(format("learnt from personal photos: of %s (the other %zu are general)",
                    first_of(checkpoint.personal_classes, personal).c_str(), checkpoint.class_names.size() - personal));
  print_line("it is personal data itself: keep it on its device; tsugi bundle refuses it");
}

void inspect_checkpoint(const Checkpoint& checkpoint, const std::string& file, bool print, Json& json) {
  const std::string settings = to_json(named_settings(checkpoint.settings, file + ": settings"));
  json["checkpoint"] = name_of(checkpoint.kind);
  json["class_names"] = checkpoint.class_names;
  json["personal_classes"] = checkpoint.personal_classes;
  json["progress"] = {{"seed", checkpoint.progress.seed},
                      {"epoch", checkpoint.progress.epoch},
                      {"batch", checkpoint.progress.batch},
                      {"step", checkpoint.progress.step}};
  json["moments"] = Json::array();
  for (const auto& [name, tensors] : checkpoint.moments) json["moments"].push_back(name);
  json["preprocessing"] = Json::parse(checkpoint.preprocessing);
  json["settings"] = Json::parse(settings);
  json["provenance"] = Json::parse(checkpoint.provenance);
  if (!print) return;
  print_line(format("checkpoint (%s), epoch %u, step %u, seed %llu", name_of(checkpoint.kind),
                    checkpoint.progress.epoch, checkpoint.progress.step,
                    static_cast<unsigned long long>(checkpoint.progress.seed)));
  print_line(format("people: %s", first_of(checkpoint.class_names, 8).c_str()));
  print_origin(checkpoint);
  std::string moments;
  for (const auto& [name, tensors] : checkpoint.moments) moments += (moments.empty() ? "" : ", ") + name;
  print_line(format("optimizer state: %s", moments.empty() ? "none" : moments.c_str()));
  print_line(
      format("photos it knows: %zu training, %zu test", checkpoint.train_photos.size(), checkpoint.test_photos.size()));
  print_line("settings: " + settings);
  print_line("preprocessing: " + checkpoint.preprocessing);
  print_line("provenance: " + checkpoint.provenance);
  print_line();
}

std::string extents_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text.empty() ? "1" : text;
}

/// The arrays that travel along: a row each.
void inspect_arrays(const Bundle& bundle, bool print, Json& json) {
  std::vector<std::vector<std::string>> table = {{"arrays", "name", "type", "shape", "bytes"}};
  for (const auto& [name, file] : bundle.tensors) {
    json[name] = Json::array();
    for (const NamedTensor& tensor : file.tensors) {
      json[name].push_back({{"name", tensor.name},
                            {"type", name_of(tensor.dtype)},
                            {"shape", tensor.shape},
                            {"bytes", tensor.data.size()}});
      table.push_back({name, tensor.name, name_of(tensor.dtype), extents_text(tensor.shape),
                       bytes_text(static_cast<double>(tensor.data.size()))});
    }
  }
  if (!print || bundle.tensors.empty()) return;
  print_table(table);
  print_line();
}

void inspect_bundle(const Bundle& bundle, bool print, Json& json) {
  std::map<std::string, std::pair<std::size_t, std::size_t>> people;
  std::size_t bytes = 0, train = 0;
  for (const BundlePhoto& photo : bundle.photos) {
    auto& counts = people[photo.class_name];
    ++(photo.test ? counts.second : counts.first);
    train += photo.test ? 0 : 1;
    bytes += photo.bytes->size();
  }
  json["bundle"] = {{"strategy", bundle.strategy},
                    {"fraction", bundle.fraction},
                    {"seed", bundle.seed},
                    {"photos", train},
                    {"test_photos", bundle.photos.size() - train},
                    {"photo_bytes", bytes},
                    {"tensors", Json::object()}};
  if (!print) return;
  print_line(format("bundle, %s choice of %.3g of the training photos (seed %llu), photos of %s",
                    bundle.strategy.c_str(), bundle.fraction, static_cast<unsigned long long>(bundle.seed),
                    bytes_text(static_cast<double>(bytes)).c_str()));
  print_line();
  std::vector<std::vector<std::string>> table = {{"person", "training photos", "test photos"}};
  for (const auto& [name, counts] : people)
    table.push_back({name, std::to_string(counts.first), std::to_string(counts.second)});
  print_table(table);
  print_line();
}

int inspect_command(const InspectOptions& options, FileLog* files) {
  const bool print = !options.common.quiet && !options.common.json;
  if (options.layers) {
    if (print) print_model_fields();
    finish(options.common, model_fields_json());
    return kOk;
  }
  Json json;
  const std::vector<std::string> models = model_names();
  std::error_code ignored;
  const bool named = std::find(models.begin(), models.end(), options.file) != models.end() ||
                     (!did_you_mean(options.file, models).empty() && !std::filesystem::exists(options.file, ignored));
  Checkpoint checkpoint;
  switch (named ? FileKind::unknown : detect_file_kind(options.file, files)) {
    case FileKind::safetensors:
      checkpoint = read_checkpoint(options.file, files);
      break;
    case FileKind::tar: {
      Bundle bundle = read_bundle(options.file, {}, files);
      inspect_bundle(bundle, print, json);
      inspect_arrays(bundle, print, json["bundle"]["tensors"]);
      checkpoint = std::move(bundle.checkpoint);
      break;
    }
    case FileKind::compressed:
      throw Error(options.file +
                  ": is compressed; checkpoints and bundles are not, expected .safetensors or a plain .tar");
    case FileKind::unknown: {
      const Model model = find_model(options.file, files);
      inspect_model(model, options.file, false, options.classes, options.batch, print, json);
      finish(options.common, json["description"]);  // a model file to start from
      return kOk;
    }
  }
  if (checkpoint.class_names.empty()) throw Error(options.file + ": knows 0 people, at least 1 expected");
  inspect_checkpoint(checkpoint, options.file, print, json);
  inspect_model(parse_model(checkpoint.model, options.file + ": model"), options.file, true,
                static_cast<int>(checkpoint.class_names.size()), options.batch, print, json);
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_inspect(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "What a checkpoint, a bundle or a model holds");
  CLI::Option* file = command->add_option(
      "FILE", options->file, "Checkpoint, bundle, model JSON, or the name of a model: " + joined(model_names()));
  command
      ->add_flag("--layers", options->layers, "Instead of a file: all that a model's layers and \"training\" may hold")
      ->excludes(file);
  add_option(*command, "--batch", options->batch, "Samples to plan memory for", 1, 65536);
  add_option(*command, "--classes", options->classes, "People, for a model that is not part of a checkpoint", 1,
             1000000);
  audit.add(*command);
  add_common(*command, options->common, "tsugi inspect server.safetensors");
  command->callback([options, file, &run, &audit] {
    if (file->count() == 0 && !options->layers) throw CLI::RequiredError("FILE, or --layers,");
    run = [options, &audit] { return inspect_command(*options, audit.files()); };
  });
}

}  // namespace tsugi::tools
