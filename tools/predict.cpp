// tsugi predict: names for photos, a line each as soon as it is known, and who is nobody that the checkpoint knows; a
// bad photo does not stop the others.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "engine/data/photo_formats.h"
#include "engine/data/scan.h"
#include "engine/train/checkpoint_session.h"
#include "engine/train/crop_sheet.h"
#include "engine/train/photo_source.h"
#include "tools/audit.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/options.h"
#include "tools/strangers.h"

namespace tsugi::tools {
namespace {

constexpr int kCropsInRow = 10;

struct PredictOptions {
  Common common;
  std::string checkpoint, crop, save_crops, device = "auto";
  std::vector<std::string> images;
  std::vector<double> box;  ///< x, y, w, h
  int threads = 0, top = 3;
  bool owner = false;
  std::optional<double> accept;
};

/// Prints what is known of one photo after another, and remembers what failed.
class Printer {
 public:
  /// known: nothing where nobody can be called unknown.
  Printer(const PredictOptions& options, const Checkpoint& checkpoint, const std::optional<KnownPeople>& known)
      : options_(options),
        names_(checkpoint.class_names),
        first_personal_(names_.size() - checkpoint.personal_classes.size()),
        known_(known) {
    json_["predictions"] = Json::array();
    for (const std::string& name : names_) name_columns_ = std::max(name_columns_, columns_of(name));
  }

  /// Lines align up to the longest of these names; what is longer than most would push all others off the screen.
  void align(const std::vector<std::string>& photos) {
    constexpr std::size_t kMost = 48;
    for (const std::string& photo : photos) photo_columns_ = std::max(photo_columns_, columns_of(photo));
    photo_columns_ = std::min(photo_columns_, kMost);
  }

  /// row: [classes] probabilities. feature: what the last layer read; of no use where nobody is known. faceless: a face
  /// was looked for in vain.
  void photo(const std::string& path, const float* row, const float* feature, bool faceless) {
    std::vector<std::size_t> order(names_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
    Json entry;
    entry["photo"] = path;
    if (faceless) entry["faceless"] = true;
    std::string line = padded(path, photo_columns_);
    std::vector<double> cosines;
    if (known_) {
      cosines = known_->cosines(feature);
      line += told_score(known_->score(cosines, order.front()), entry);
    }
    order.resize(std::min(order.size(), static_cast<std::size_t>(options_.top)));
    entry["top"] = Json::array();
    for (const std::size_t k : order) {
      const auto probability = static_cast<double>(row[k]);
      entry["top"].push_back({{"name", names_[k]}, {"probability", probability}});
      line += "  " + padded(names_[k], name_columns_) + format(" %5.1f %%", 100.0 * probability);
    }
    for (std::size_t person = first_personal_; options_.owner && person < names_.size(); ++person) {
      const double score = KnownPeople::verification(cosines, person);
      entry["owner"][names_[person]] = score;
      line += "  owner " + padded(names_[person], name_columns_) + format(" %5.2f", score);
    }
    if (options_.common.json_lines) return print_line_now(json_line(entry));
    if (options_.common.json) return json_["predictions"].push_back(entry);
    if (!options_.common.quiet) print_line_now(line);
  }

  /// message: "PATH: REASON", whatever path it names; `photo` is what was asked for.
  void failure(const std::string& photo, const std::string& message) {
    Console::error(message);
    if (failures_ == 0) first_error_ = message;
    ++failures_;
    const Json entry = {{"photo", photo}, {"error", message}};
    if (options_.common.json_lines) return print_line_now(json_line(entry));
    if (options_.common.json) json_["errors"].push_back(entry);
  }

  void finish() const {
    tools::finish(options_.common, json_);
    if (failures_ == 0) return;
    throw ToldError(first_error_ + (failures_ > 1 ? ", and " + std::to_string(failures_ - 1) + " more errors" : ""));
  }

 private:
  /// Of the best guess.
  std::string told_score(double score, Json& entry) const {
    entry["score"] = score;
    if (!known_->threshold()) return "";
    const bool known = score >= *known_->threshold();
    entry["known"] = known;
    return format("  %-7s %5.2f", known ? "known" : "unknown", score);
  }

  const PredictOptions& options_;
  const std::vector<std::string>& names_;
  std::size_t first_personal_;
  const std::optional<KnownPeople>& known_;
  std::size_t photo_columns_ = 0, name_columns_ = 0, failures_ = 0;
  std::string first_error_;
  Json json_;
};

/// What was named: photos, and those below folders.
std::vector<std::string> photos_named(const std::vector<std::string>& paths, Printer& printer) {
  std::vector<std::string> photos;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) {
      photos.push_back(path);
      continue;
    }
    const PhotosBelow below = photos_below(path);
    for (const std::string& error : below.unreadable) printer.failure(path, error);
    if (below.photos.empty() && below.unreadable.empty())
      printer.failure(path, path + ": holds no photo (" + readable_endings() + "), in folders below neither");
    photos.insert(photos.end(), below.photos.begin(), below.photos.end());
  }
  return photos;
}

/// Nothing where the checkpoint carries no statistics, and no option needs any.
std::optional<KnownPeople> known_of(const PredictOptions& options, const CheckpointSession& session, Console& console) {
  const std::string& place = options.checkpoint;
  std::optional<KnownPeople> known;
  if (options.owner || options.accept)
    known = known_to(session, place, options.accept, options.owner ? "--owner" : "--accept");
  else
    known = known_people(session.checkpoint, session.model, place);
  if (options.owner && session.checkpoint.personal_classes.empty())
    throw Error(place + ": knows no personal people, --owner needs one");
  if (known && !known->threshold()) console.say(without_threshold(place));
  return known;
}

/// Where --box says that the face is on the only photo.
std::optional<Box> box_of(const PredictOptions& options, std::size_t photos) {
  if (options.box.empty()) return std::nullopt;
  if (photos != 1)
    throw Error("--box says where the face is on one photo, but there are " + std::to_string(photos) + ": " +
                options.images.front() + (options.images.size() > 1 ? ", ..." : ""));
  return Box{options.box[0], options.box[1], options.box[2], options.box[3]};
}

int predict_command(const PredictOptions& options, FileLog* files) {
  install_stop_signals();
  Console console(options.common.quiet);
  const CheckpointSession session(options.checkpoint, options.device, options.threads, files,
                                  [&](const std::string& line) { console.say(line); });
  console.say("device " + session.backend->name() + " (" + session.backend->description() + ")");
  if (files != nullptr)
    for (const std::string& path : options.images) files->personal(path);  // nobody says whose photos these are
  const std::optional<KnownPeople> known = known_of(options, session, console);
  Printer printer(options, session.checkpoint, known);
  const std::vector<std::string> paths = photos_named(options.images, printer);
  const std::optional<Box> face = box_of(options, paths.size());
  if (!options.save_crops.empty()) make_crop_folder(options.save_crops);
  CropSheet crops(session.preprocessing.size, kCropsInRow);
  printer.align(paths);

  std::size_t begin = 0;
  const auto check_stop = [&] {
    if (stop_requested())
      throw Error("stopped by a signal after " + std::to_string(begin) + " of " + std::to_string(paths.size()) +
                  " photos");
  };
  PhotoStoreOptions store_options;
  store_options.preprocessing = session.preprocessing;
  if (!options.crop.empty()) store_options.preprocessing.around = parse_crop_around(options.crop, "--crop");
  store_options.threads = options.threads;
  store_options.files = files;
  store_options.any_broken = true;
  store_options.progress = [&](std::size_t, std::size_t) { check_stop(); };
  // A few at a time: the first lines come soon, and an album of any size takes the memory of a few photos.
  InferenceOptions wanted;
  wanted.features = known.has_value();
  Inference inference(*session.network, static_cast<int>(std::clamp<std::size_t>(paths.size(), 1, kSmallBatch)));
  for (; begin < paths.size(); begin += kSmallBatch) {
    std::vector<Photo> photos;
    for (std::size_t i = begin; i < std::min<std::size_t>(paths.size(), begin + kSmallBatch); ++i)
      photos.push_back({"", paths[i], paths[i], nullptr, face});
    const PhotoStore store(photos, std::vector<int>(photos.size(), 0), store_options);
    std::vector<std::uint32_t> all(store.size());
    std::iota(all.begin(), all.end(), 0u);
    const PhotoSource source(*session.backend, store);
    const Predictions predictions = inference.run(source, all, wanted);
    if (!options.save_crops.empty())
      for (const std::uint32_t i : all) crops.add(seen_by_network(*session.backend, source, i, {}).data());
    std::size_t good = 0, bad = 0, centred = 0;
    for (const Photo& photo : photos) {
      if (bad < store.broken().size() && store.broken()[bad].file == photo.file) {
        const BrokenPhoto& broken = store.broken()[bad++];
        printer.failure(photo.file, (photo.file.empty() ? "" : photo.file + ": ") + broken.reason +
                                        (broken.faceless ? "; --box says where it is" : ""));
        continue;
      }
      const bool faceless = centred < store.centred().size() && store.centred()[centred] == photo.file;
      if (faceless) console.say(photo.file + ": no face is found in it, its centre is taken");
      centred += faceless;
      const float* feature = known ? &predictions.features[good * inference.features_count()] : nullptr;
      printer.photo(photo.file, &predictions.probabilities[good++ * session.checkpoint.class_names.size()], feature,
                    faceless);
    }
  }
  if (crops.left_out() > 0)
    console.say(options.save_crops + ": has no room for " + std::to_string(crops.left_out()) + " photos");
  if (!options.save_crops.empty())
    crops.write((std::filesystem::path(options.save_crops) / "photos.png").string(), {"crops", files, true});
  printer.finish();
  return kOk;
}

}  // namespace

void add_predict(CLI::App& app, Run& run, Audit& audit) {
  auto options = std::make_shared<PredictOptions>();
  CLI::App* command = app.add_subcommand("predict", "Who is on these photos");
  command->add_option("CKPT", options->checkpoint, "Checkpoint")->required();
  command->add_option("IMAGE", options->images, readable_formats(" or ") + " files, and folders of them at any depth")
      ->required();
  add_option(*command, "--top", options->top, "Names a photo", 1, 1000000);
  add_crop(*command, options->crop);
  command
      ->add_option("--box", options->box,
                   "Where the face is on the only photo, in pixels of the photo turned upright: left, top, width and "
                   "height of a box from the brows to the chin, as detectors give it")
      ->delimiter(',')
      ->expected(4)
      ->type_name("X,Y,W,H");
  add_save_crops(*command, options->save_crops, ", ten a row in the order in which they are named");
  add_accept(*command, options->accept);
  command->add_flag("--owner", options->owner,
                    "Also print of each personal person how surely the photo shows them rather than anybody else, "
                    "known or not");
  add_device(*command, options->device);
  add_threads(*command, options->threads);
  audit.add(*command);
  add_common(*command, options->common, "tsugi predict device.safetensors holiday.jpg album/ --top 3");
  add_json_lines(*command, options->common);
  command->callback(
      [options, &run, &audit] { run = [options, &audit] { return predict_command(*options, audit.files()); }; });
}

}  // namespace tsugi::tools
