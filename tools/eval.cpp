// tsugi eval: accuracy of a checkpoint on photos that it was not trained on.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <set>

#include "engine/core/text.h"
#include "engine/train/checkpoint_session.h"
#include "engine/train/crop_sheet.h"
#include "engine/train/dataset.h"
#include "engine/train/evaluation.h"
#include "engine/train/known_photos.h"
#include "engine/train/photo_source.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/strangers.h"

namespace tsugi::tools {
namespace {

struct EvalOptions {
  Common common;
  std::string checkpoint, photos, strangers, crop, save_crops, device = "auto";
  std::optional<double> accept;
  int threads = 0;
  bool all = false, confusion = false;
};

/// What is evaluated, and what is known of all photos of the folder.
struct Choice {
  std::vector<std::uint32_t> photos;
  std::size_t trained_on = 0;
  std::size_t unknown = 0;    ///< to the checkpoint
  std::size_t undecided = 0;  ///< left out: they may have been trained on
  std::size_t misfiled = 0;   ///< known as another person's
  std::string first_misfiled;
};

/// A compact checkpoint has no list of photos: the split is drawn again. An older tsugi drew without regard to copies:
/// what that trained on is left out, too.
Choice draw_again(const CheckpointSession& session, const PhotoStore& store,
                  const std::vector<std::uint32_t>& originals) {
  const TrainSettings& settings = session.settings;
  const auto drawn = [&](const std::vector<std::uint32_t>& copies_of) {
    return split_by_person(store.photos(), store.labels(), settings.test_fraction, settings.seed, copies_of).test;
  };
  const std::vector<std::uint32_t> now = drawn(originals), before = drawn({});
  Choice choice;
  std::set_intersection(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(choice.photos));
  choice.trained_on = store.size() - now.size();
  choice.undecided = now.size() - choice.photos.size();
  return choice;
}

/// Everything that the checkpoint did not train on. A handed-over checkpoint lists only the photos that came along, and
/// the server trained on others of its people, too: of these people the photos that it kept for testing are taken where
/// the folder has any of them.
Choice photos_to_test(const CheckpointSession& session, const PhotoStore& store, const std::string& place, bool all,
                      const RunObserver& observer) {
  const Checkpoint& checkpoint = session.checkpoint;
  const PhotoIndex known = known_photos(checkpoint, place);
  const std::vector<std::uint32_t> originals = originals_in(store, observer);
  if (!all && known.size() == 0) {
    observer.say(place + " lists no photos: the split is drawn again by their names, which must be those of training");
    return draw_again(session, store, originals);
  }
  std::vector<std::optional<std::size_t>> found;
  std::set<std::string> decided;  // people of whom nothing but the kept photos is taken
  const auto tested_on = [&](std::size_t i) { return found[i] && *found[i] >= checkpoint.train_photos.size(); };
  for (std::size_t i = 0; i < store.size(); ++i) {
    found.push_back(known.find(store.photo(i).file, store.identity(i)));
    if (!checkpoint.personal_classes.empty() && tested_on(i)) decided.insert(store.photo(i).class_name);
  }
  for (const std::string& name : checkpoint.personal_classes) decided.erase(name);
  Choice choice;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const Photo& photo = store.photo(i);
    const bool open = !found[i] && decided.count(photo.class_name) == 0;
    if (all || tested_on(i) || open) choice.photos.push_back(i);
    choice.unknown += !found[i];
    choice.undecided += !found[i] && !open && !all;
    choice.trained_on += found[i] && !tested_on(i);
    if (found[i] && class_of(known.name(*found[i])) != photo.class_name && choice.misfiled++ == 0)
      choice.first_misfiled = photo.file + " is " + shown(known.name(*found[i]));
  }
  return choice;
}

/// "20 of 132 photos are evaluated; 112 were trained on; 18 are unknown to the checkpoint".
std::string told(const Choice& choice, std::size_t photos) {
  std::string text = std::to_string(choice.photos.size()) + " of " + std::to_string(photos) + " photos are evaluated";
  const auto add = [&](std::size_t count, const std::string& what) {
    if (count > 0) text += "; " + std::to_string(count) + what;
  };
  add(choice.trained_on, " were trained on");
  add(choice.unknown, " are unknown to the checkpoint");
  add(choice.undecided, " are left out: they may have been trained on");
  add(choice.misfiled, " are known as another person's, " + choice.first_misfiled + " the first");
  return text;
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

void print_strangers(const StrangerResults& results) {
  print_line();
  if (results.threshold) {
    std::vector<std::vector<std::string>> table = {{"taken for somebody known", "share", "95 % interval", "photos"}};
    const auto add = [&](const char* who, const Tally& tally) {
      table.push_back({who, percent(tally.accuracy()), percent(tally.interval()), std::to_string(tally.photos)});
    };
    add("general people", results.general);
    add("personal", results.personal);
    add("strangers", results.strangers);
    add("strangers, for a personal person", results.named_owner);
    print_table(table);
    print_line();
  }
  std::string text = format("AUROC of known photos against %zu of strangers: %.3f", results.photos, results.auroc);
  if (std::isfinite(results.owner_auroc))
    text += format("; of a personal person's against all others, by predict --owner: %.3f", results.owner_auroc);
  print_line(text);
}

Json json_of(const StrangerResults& results) {
  return {{"photos", results.photos},
          {"auroc", number(results.auroc)},
          {"accepted", number(results.strangers.accuracy())},
          {"named_owner", number(results.named_owner.accuracy())}};
}

int eval_command(const EvalOptions& options, FileLog* files) {
  install_stop_signals();
  Console console(options.common.quiet);
  CheckpointSession session(options.checkpoint, options.device, options.threads, files,
                            [&](const std::string& line) { console.say(line); });
  if (!options.crop.empty()) session.preprocessing.around = parse_crop_around(options.crop, "--crop");
  console.say("device " + session.backend->name() + " (" + session.backend->description() + ")");
  std::optional<KnownPeople> known;
  if (!options.strangers.empty()) known = known_to(session, options.checkpoint, options.accept, "--strangers");
  if (known && !known->threshold()) console.say(without_threshold(options.checkpoint));
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
  if (!options.save_crops.empty()) make_crop_folder(options.save_crops);
  const PhotoStore store = load_photos(folder, session.preprocessing, options.threads, observer);
  const Choice choice = photos_to_test(session, store, options.checkpoint, options.all, observer);
  const std::vector<std::uint32_t>& photos = choice.photos;
  const std::string left_out = told(choice, store.size());
  if (photos.empty()) throw Error("eval: " + left_out + "; --all evaluates them nevertheless");
  console.say(left_out);
  const PhotoSource source(*session.backend, store);
  if (!options.save_crops.empty())
    write_crop_sheets(*session.backend, source, {}, options.save_crops,
                      {"crops", files, !session.checkpoint.personal_classes.empty()}, observer.say);
  Inference inference(*session.network, 64);
  inference.before_each_batch(throw_if_stopped);
  std::vector<bool> personal;
  for (const std::string& name : names)
    personal.push_back(
        std::count(session.checkpoint.personal_classes.begin(), session.checkpoint.personal_classes.end(), name) > 0);
  for (const BrokenPhoto& broken : store.broken())
    if (options.common.json_lines)
      print_line_now(json_line(
          {{"photo", (std::filesystem::path(options.photos) / broken.file).string()}, {"error", broken.reason}}));
  const auto print_photo = [&](std::uint32_t i, int predicted, double probability) {
    const Photo& photo = store.photo(i);
    const std::string& taken_for = names[static_cast<std::size_t>(predicted)];
    print_line_now(json_line({{"photo", (std::filesystem::path(options.photos) / photo.file).string()},
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

  std::optional<StrangerResults> strangers;
  if (known)
    strangers =
        evaluate_strangers(session, *known, inference, source, photos, options.strangers, options.threads, observer);

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
    if (strangers) print_strangers(*strangers);
  }
  json["accuracy"] = number(evaluation.overall.accuracy());
  json["accuracy_interval"] = evaluation.overall.interval();
  json["photos"] = evaluation.overall.photos;
  json["photos_trained_on"] = choice.trained_on;
  json["photos_unknown"] = choice.unknown;
  json["photos_undecided"] = choice.undecided;
  json["photos_misfiled"] = choice.misfiled;
  json["loss"] = number(evaluation.loss);
  json["per_class"] = per_class;
  if (strangers) {
    json["strangers"] = json_of(*strangers);
    json["accepted_general"] = number(strangers->general.accuracy());
    json["accepted_personal"] = number(strangers->personal.accuracy());
    json["owner_auroc"] = number(strangers->owner_auroc);
    json["threshold"] = strangers->threshold ? Json(*strangers->threshold) : Json();
  }
  if (options.confusion) {
    json["class_names"] = names;
    json["confusion"] = evaluation.confusion;
  }
  finish(options.common, json);
  return kOk;
}

void add_strangers(CLI::App& command, EvalOptions& options) {
  CLI::Option* strangers =
      command.add_option("--strangers", options.strangers,
                         "Folder of photos, or of such folders, of people whom the checkpoint does not know: how many "
                         "of them are taken for somebody");
  add_accept(command, options.accept)->needs(strangers);
}

}  // namespace

void add_eval(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Accuracy of a checkpoint, overall and a person");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  command->add_option("--photos", options->photos, "Folder with one folder of photos a person")->required();
  command->add_flag("--all", options->all, "Evaluate photos that were trained on, too");
  command->add_flag("--confusion", options->confusion, "Also print who was taken for whom");
  add_crop(*command, options->crop);
  add_save_crops(*command, options->save_crops);
  add_strangers(*command, *options);
  add_device(*command, options->device);
  add_threads(*command, options->threads);
  audit.add(*command);
  add_common(*command, options->common, "tsugi eval server.safetensors --photos photos/ --confusion");
  add_json_lines(*command, options->common);
  for (const char* option : {"--confusion", "--strangers"})
    command->get_option(option)->excludes(command->get_option("--json-lines"));
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return eval_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
