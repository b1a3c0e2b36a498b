// Prepares a pretraining run: photos, split, model, weights.
#include "engine/train/pretrain.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/train/crop_sheet.h"
#include "engine/train/dataset.h"
#include "engine/train/known_photos.h"
#include "engine/train/memory_share.h"
#include "engine/train/photo_source.h"
#include "engine/train/prepare.h"
#include "engine/train/strangers.h"
#include "engine/tuning/tuned_backend.h"

namespace tsugi {
namespace {

/// Settings, weakest first: defaults, the model's own, the continued checkpoint's.
TrainSettings settings_before(const PretrainRequest& request, const Model& model, const Checkpoint* from) {
  if (from == nullptr) return pretrain_settings(model, "model " + request.model);
  TrainSettings settings;
  // Its model was accepted when it was written, maybe by an older version.
  apply_recorded(settings, model.training, "model " + request.continue_from + ": training");
  apply_recorded(settings, from->settings, request.continue_from + ": settings");
  settings.seed = from->progress.seed;
  return settings;
}

/// And over those the request's.
TrainSettings settings_for(const PretrainRequest& request, const Model& model, const Checkpoint* from) {
  TrainSettings settings = settings_before(request, model, from);
  request.train.overrides.apply(settings, "command line");
  if (from != nullptr && settings.seed != from->progress.seed)
    throw Error("seed is " + std::to_string(settings.seed) + ", but " + request.continue_from +
                " was trained with seed " + std::to_string(from->progress.seed) + " and goes on with it");
  return settings;
}

/// A schedule runs from a training's first step to its last: with other epochs than it began with, the next step's
/// learning rate is not the one that the last steps led to.
void tell_jump(const TrainSettings& before, const TrainSettings& now, const TrainingProgress& progress,
               const Trainer& trainer, std::size_t train_photos, const RunObserver& observer) {
  constexpr double kEven = 1.1;  // times
  if (progress.step == 0 || progress.epoch >= static_cast<std::uint32_t>(now.epochs) || !observer.say) return;
  const std::uint32_t steps_before = steps_of_epoch(train_photos, before);
  const auto rate = [&](std::uint32_t step) {
    return learning_rate(before.schedule, before.optimizer.lr, step, steps_before, before.epochs);
  };
  const float expected = rate(progress.step), last = rate(progress.step - 1),
              next =
                  learning_rate(now.schedule, now.optimizer.lr, progress.step, trainer.steps_per_epoch(), now.epochs);
  if (next <= kEven * expected && expected <= kEven * next) return;
  const auto described = [](const TrainSettings& settings) {
    return std::string(name_of(settings.schedule.kind)) + " over " + std::to_string(settings.epochs) + " epochs from " +
           number_text(settings.optimizer.lr);
  };
  char rates[80];
  std::snprintf(rates, sizeof rates, "%.3g to %.3g", static_cast<double>(last), static_cast<double>(next));
  observer.say(std::string("the learning rate jumps from ") + rates + ": its schedule is " + described(now) + ", was " +
               described(before) + "; --lr and --schedule choose another");
}

Preprocessing preprocessing_for(const PretrainRequest& request, const Model& model, const Checkpoint* from) {
  if (from != nullptr) return preprocessing_from_json(from->preprocessing, request.continue_from + ": preprocessing");
  if (model.input.h != model.input.w)
    throw Error("model " + model.name + ": input is " + std::to_string(model.input.h) + "x" +
                std::to_string(model.input.w) + ", photos are cropped to squares");
  Preprocessing preprocessing = default_preprocessing(model.input.h);
  preprocessing.around = request.around;
  if (request.crop > 0.0) {  // of what the network sees; the stored square has a margin around it
    preprocessing.crop =
        static_cast<float>(std::min(1.0, request.crop * preprocessing.stored_size / preprocessing.size));
    validate(preprocessing, "--crop");
  }
  return preprocessing;
}

/// Adds all photos of strangers, those of the store from `first` on, to the training ones.
StrangerCount learn_strangers(const PretrainRequest& request, const PhotoStore& store, std::size_t first,
                              const RunObserver& observer, Split& split) {
  if (request.strangers.empty()) return {};
  const std::vector<std::uint32_t> photos = strangers_photos(store, first, request.strangers, observer);
  std::set<int> people;
  for (const std::uint32_t photo : photos) people.insert(store.label(photo));
  split.train.insert(split.train.end(), photos.begin(), photos.end());
  return {people.size(), photos.size()};
}

}  // namespace

TrainSettings pretrain_settings(const Model& model, const std::string& place) {
  TrainSettings settings;
  apply_json(settings, model.training, place + ": training");
  return settings;
}

RunSummary pretrain(const PretrainRequest& request, const RunObserver& observer) {
  const Stopwatch clock;
  Checkpoint from;
  const bool continued = !request.continue_from.empty();
  if (continued) from = read_checkpoint(request.continue_from, observer.files);
  Model model = continued ? parse_model(from.model, request.continue_from + ": model")
                          : find_model(request.model, observer.files);
  if (!continued && request.size > 0) model = with_input_size(model, request.size);
  const TrainSettings settings = settings_for(request, model, continued ? &from : nullptr);
  (void)frozen_layers(model, settings.freeze_until);  // a slip in its name shows before photos are decoded
  const Preprocessing preprocessing = preprocessing_for(request, model, continued ? &from : nullptr);
  const bool personal = !request.personal.empty() || !from.personal_classes.empty();
  const std::vector<OutputClaim> claims = claim_outputs(request.train.run, personal, observer.files);
  if (!request.train.save_crops.empty()) make_crop_folder(request.train.save_crops);
  const std::unique_ptr<Backend> backend = make_tuned_backend(request.train.device, request.train.threads,
                                                              {request.train.tuning, observer.files, observer.say});
  const DType dtype = choose_precision(request.train.precision, *backend);

  PhotoFolder folder = scan_photos(request.photos);
  if (!request.people.empty()) folder = only_people(folder, request.people, request.photos);
  const auto general_people = static_cast<int>(folder.class_names.size());
  std::vector<std::string> personal_people;
  if (!request.personal.empty()) {
    const PhotoFolder joining = scan_person(request.personal);
    personal_people = joining.class_names;
    folder = with_personal(folder, joining, request.personal);
    mark_personal(from, joining.class_names);
  }
  if (continued && folder.class_names != from.class_names) {
    folder.labels = labels_among(folder, from.class_names, request.photos);
    folder.class_names = from.class_names;
  }
  const auto people = static_cast<int>(folder.class_names.size());
  int strangers = 0;
  if (!request.strangers.empty()) {
    const PhotoFolder scanned = scan_strangers(request.strangers);
    strangers = static_cast<int>(scanned.class_names.size());
    add_strangers(folder, scanned, request.strangers);
  }
  // A checkpoint to go on from stays in memory: weights and moments.
  const ParameterLayout layout(model, people + strangers);
  const std::size_t held =
      continued ? layout.count() * sizeof(float) + Optimizer::bytes(settings.optimizer, layout.count()) : 0;
  const MemoryShare share = share_memory(request.train.memory_budget, *backend, layout, settings.optimizer, held);
  const PhotoStore store = load_photos(folder, preprocessing, request.train.threads, observer, share.photos);
  check_readable(store, folder.class_names, personal_people, request.personal);
  const auto known = static_cast<std::size_t>(
      std::count_if(store.labels().begin(), store.labels().end(), [&](int label) { return label < people; }));
  Split split =
      split_as_trained(store, from, request.continue_from, settings.test_fraction, settings.seed, observer, 0, known);
  cap_training(split, store.labels(), general_people, request.personal_photos);
  const std::size_t taught = split.train.size();
  const StrangerCount stranger_count = learn_strangers(request, store, known, observer, split);
  PhotoSource source(*backend, store);
  if (!request.train.save_crops.empty())
    write_crop_sheets(*backend, source, {settings.variants, settings.augment, settings.seed}, request.train.save_crops,
                      {"crops", observer.files, personal}, observer.say);
  Checkpoint now = from;  // what it will say of itself
  now.people.clear();     // layers learn: features of before say nothing
  now.people_photos = "{}";
  describe(now, to_json(settings), preprocessing, source, split);
  if (continued) {
    check_same_photos(from, now, "pretrain", request.continue_from, observer);
    check_nobody_missing(split, store.labels(), from.class_names, request.photos, request.allow_missing_people,
                         observer);
  }

  Network network(*backend, model, folder.class_names, strangers);
  if (!continued) network.initialise(settings.seed);
  Trainer trainer(network, source, split.train, settings, {dtype, share.training, request.train.graph});
  if (continued) trainer.load(from, request.continue_from);
  if (continued && from.moments.empty() && observer.say)
    observer.say(request.continue_from + " (" + name_of(from.kind) + ") holds no optimizer state: it starts anew");
  announce(observer, *backend, network, trainer, split.train.size(), split.test.size());
  if (continued)
    tell_jump(settings_before(request, model, &from), settings, from.progress, trainer, split.train.size(), observer);

  MetricsHistory history;
  if (continued) history = continued_history(from, request.continue_from, request.train.run.metrics, observer.files);
  Run run{network,
          trainer,
          source,
          split.test,
          !request.personal.empty(),
          settings,
          std::move(now),
          std::move(history),
          clock,
          nullptr,
          request.continue_from};
  run.checkpoint.provenance =
      provenance_json(folder.class_names, from.personal_classes, taught, "pretrain", "", stranger_count);
  return run_training(run, request.train.run, observer);
}

}  // namespace tsugi
