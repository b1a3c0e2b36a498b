// tsugi eval: accuracy of a checkpoint on photos that it was not trained on.
#include <memory>
#include <set>

#include "engine/train/checkpoint_session.h"
#include "engine/train/dataset.h"
#include "engine/train/evaluation.h"
#include "engine/train/photo_source.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

struct EvalOptions {
  Common common;
  std::string checkpoint, photos, device = "auto";
  int threads = 0;
  bool all = false, confusion = false;
};

/// Everything that the checkpoint did not train on. Compact checkpoints have no list of photos: their split is drawn
/// again. A handed-over checkpoint lists only the photos that came along, and the server trained on others of its
/// people, too: of these people the photos that it kept for testing are taken where the folder has any of them.
std::vector<std::uint32_t> photos_to_test(const CheckpointSession& session, const PhotoStore& store, bool all) {
  const Checkpoint& checkpoint = session.checkpoint;
  const std::set<std::string> trained(checkpoint.train_photos.begin(), checkpoint.train_photos.end());
  const std::set<std::string> kept(checkpoint.test_photos.begin(), checkpoint.test_photos.end());
  if (!all && trained.empty())
    return split_by_person(store.photos(), store.labels(), session.settings.test_fraction, session.settings.seed).test;
  std::set<std::string> decided;  // people of whom nothing but the kept photos is taken
  if (!checkpoint.personal_classes.empty())
    for (const Photo& photo : store.photos())
      if (kept.count(photo.file) > 0) decided.insert(photo.class_name);
  for (const std::string& name : checkpoint.personal_classes) decided.erase(name);
  std::vector<std::uint32_t> chosen;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const Photo& photo = store.photo(i);
    if (all || kept.count(photo.file) > 0 || (trained.count(photo.file) == 0 && decided.count(photo.class_name) == 0))
      chosen.push_back(i);
  }
  return chosen;
}

void print_confusion(const Evaluation& evaluation, const std::vector<std::string>& names) {
  std::vector<std::vector<std::string>> table = {{"true", "taken for", "photos"}};
  for (std::size_t t = 0; t < names.size(); ++t)
    for (std::size_t p = 0; p < names.size(); ++p)
      if (t != p && evaluation.confusion[t][p] > 0)
        table.push_back({names[t], names[p], std::to_string(evaluation.confusion[t][p])});
  print_line();
  print_table(table);
}

int eval_command(const EvalOptions& options, FileLog* files) {
  install_stop_signals();
  Console console(options.common.quiet);
  const CheckpointSession session(options.checkpoint, options.device, options.threads, files,
                                  [&](const std::string& line) { console.say(line); });
  console.say("device " + session.backend->name() + " (" + session.backend->description() + ")");
  PhotoFolder folder = scan_photos(options.photos, 1);
  const std::vector<std::string>& names = session.checkpoint.class_names;
  folder.labels = labels_among(folder, names, options.photos);
  if (files != nullptr)
    for (const std::string& name : session.checkpoint.personal_classes) files->personal(options.photos + "/" + name);
  RunObserver observer = console.observer(files);
  observer.decoding = [show = observer.decoding](std::size_t done, std::size_t total) {
    throw_if_stopped();
    show(done, total);
  };
  const PhotoStore store = load_photos(folder, session.preprocessing, options.threads, observer);
  const std::vector<std::uint32_t> photos = photos_to_test(session, store, options.all);
  if (photos.empty())
    throw Error("eval: " + options.checkpoint + " was trained on all " + std::to_string(store.size()) + " photos of " +
                options.photos + "; --all evaluates them nevertheless");
  const PhotoSource source(*session.backend, store);
  Inference inference(*session.network, 64);
  inference.before_each_batch(throw_if_stopped);
  std::vector<bool> personal;
  for (const std::string& name : names)
    personal.push_back(
        std::count(session.checkpoint.personal_classes.begin(), session.checkpoint.personal_classes.end(), name) > 0);
  for (const BrokenPhoto& broken : store.broken())
    if (options.common.json_lines)
      print_line_now(json_line({{"photo", options.photos + "/" + broken.file}, {"error", broken.reason}}));
  const auto print_photo = [&](std::uint32_t i, int predicted, double probability) {
    const Photo& photo = store.photo(i);
    const std::string& taken_for = names[static_cast<std::size_t>(predicted)];
    print_line_now(json_line({{"photo", options.photos + "/" + photo.file},
                              {"person", photo.class_name},
                              {"predicted", taken_for},
                              {"probability", probability},
                              {"correct", predicted == store.label(i)}}));
  };
  const Evaluation evaluation = evaluate(inference, source, photos, static_cast<int>(names.size()), personal,
                                         options.common.json_lines ? EachPhoto(print_photo) : nullptr);
  if (options.common.json_lines) {
    console.say("accuracy " + percent(evaluation.overall.accuracy()) + ", 95 % interval " +
                percent(evaluation.overall.interval()) + ", " + std::to_string(evaluation.overall.photos) + " photos");
    return kOk;
  }

  Json json, per_class = Json::object();
  std::vector<std::vector<std::string>> table = {{"person", "accuracy", "95 % interval", "photos"}};
  const auto add = [&](const std::string& name, const Tally& tally) {
    table.push_back({name, percent(tally.accuracy()), percent(tally.interval()), std::to_string(tally.photos)});
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Tally& tally = evaluation.per_class[i];
    if (tally.photos == 0) continue;
    per_class[names[i]] = tally.accuracy();
    add(names[i] + (personal[i] ? " (personal)" : ""), tally);
  }
  add("overall", evaluation.overall);
  if (!options.common.quiet) {
    print_table(table);
    if (options.confusion) print_confusion(evaluation, names);
  }
  json["accuracy"] = number(evaluation.overall.accuracy());
  json["accuracy_interval"] = evaluation.overall.interval();
  json["photos"] = evaluation.overall.photos;
  json["loss"] = number(evaluation.loss);
  json["per_class"] = per_class;
  if (options.confusion) {
    json["class_names"] = names;
    json["confusion"] = evaluation.confusion;
  }
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_eval(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Accuracy of a checkpoint, overall and a person");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  command->add_option("--photos", options->photos, "Folder with one folder of photos a person")->required();
  command->add_flag("--all", options->all, "Evaluate photos that were trained on, too");
  command->add_flag("--confusion", options->confusion, "Also print who was taken for whom");
  add_device(*command, options->device);
  add_threads(*command, options->threads);
  audit.add(*command);
  add_common(*command, options->common, "tsugi eval server.safetensors --photos photos/ --confusion");
  add_json_lines(*command, options->common);
  command->get_option("--confusion")->excludes(command->get_option("--json-lines"));
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return eval_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
