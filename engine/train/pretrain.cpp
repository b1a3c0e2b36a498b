// Prepares a pretraining run: photos, split, model, weights.
#include "engine/train/pretrain.h"

#include "engine/core/device.h"
#include "engine/train/dataset.h"
#include "engine/train/memory_share.h"
#include "engine/train/photo_source.h"
#include "engine/train/prepare.h"
#include "engine/tuning/tuned_backend.h"

namespace tsugi {
namespace {

/// Settings, weakest first: defaults, the model's own, the continued checkpoint's, the request's.
TrainSettings settings_for(const PretrainRequest& request, const Model& model, const Checkpoint* from) {
  TrainSettings settings;
  if (from == nullptr) {
    settings = pretrain_settings(model, "model " + request.model);
  } else {
    // Its model was accepted when it was written, maybe by an older version.
    apply_recorded(settings, model.training, "model " + request.continue_from + ": training");
    apply_recorded(settings, from->settings, request.continue_from + ": settings");
    settings.seed = from->progress.seed;
  }
  request.train.overrides.apply(settings, "command line");
  if (from != nullptr && settings.seed != from->progress.seed)
    throw Error("seed is " + std::to_string(settings.seed) + ", but " + request.continue_from +
                " was trained with seed " + std::to_string(from->progress.seed) + " and goes on with it");
  return settings;
}

Preprocessing preprocessing_for(const PretrainRequest& request, const Model& model, const Checkpoint* from) {
  if (from != nullptr) return preprocessing_from_json(from->preprocessing, request.continue_from + ": preprocessing");
  if (model.input.h != model.input.w)
    throw Error("model " + model.name + ": input is " + std::to_string(model.input.h) + "x" +
                std::to_string(model.input.w) + ", photos are cropped to squares");
  Preprocessing preprocessing = default_preprocessing(model.input.h);
  if (request.crop > 0.0) {  // of what the network sees; the stored square has a margin around it
    preprocessing.crop =
        static_cast<float>(std::min(1.0, request.crop * preprocessing.stored_size / preprocessing.size));
    validate(preprocessing, "--crop");
  }
  return preprocessing;
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
  const std::vector<OutputClaim> claims =
      claim_outputs(request.train.run, !request.personal.empty() || !from.personal_classes.empty(), observer.files);
  const std::unique_ptr<Backend> backend = make_tuned_backend(request.train.device, request.train.threads,
                                                              {request.train.tuning, observer.files, observer.say});
  const DType dtype = choose_precision(request.train.precision, *backend);

  PhotoFolder folder = scan_photos(request.photos);
  if (!request.people.empty()) folder = only_people(folder, request.people, request.photos);
  const auto general_people = static_cast<int>(folder.class_names.size());
  std::vector<std::string> personal_people;
  if (!request.personal.empty()) {
    const PhotoFolder personal = scan_person(request.personal);
    personal_people = personal.class_names;
    folder = with_personal(folder, personal, request.personal);
    mark_personal(from, personal.class_names);
  }
  if (continued && folder.class_names != from.class_names) {
    folder.labels = labels_among(folder, from.class_names, request.photos);
    folder.class_names = from.class_names;
  }
  // A checkpoint to go on from stays in memory: weights and moments.
  const ParameterLayout layout(model, static_cast<int>(folder.class_names.size()));
  const std::size_t held =
      continued ? layout.count() * sizeof(float) + Optimizer::bytes(settings.optimizer, layout.count()) : 0;
  const MemoryShare share = share_memory(request.train.memory_budget, *backend, layout, settings.optimizer, held);
  const PhotoStore store = load_photos(folder, preprocessing, request.train.threads, observer, share.photos);
  check_readable(store, folder.class_names, personal_people, request.personal);
  Split split = split_as_trained(store.photos(), store.labels(), from, settings.test_fraction, settings.seed);
  cap_training(split, store.labels(), general_people, request.personal_photos);
  PhotoSource source(*backend, store);
  Checkpoint now = from;  // what it will say of itself
  now.people.clear();     // layers learn: features of before say nothing
  now.people_photos = "{}";
  describe(now, to_json(settings), preprocessing, source, split);
  if (continued) check_same_photos(from, now, "pretrain", request.continue_from, observer);

  Network network(*backend, model, folder.class_names);
  if (!continued) network.initialise(settings.seed);
  Trainer trainer(network, source, split.train, settings, {dtype, share.training, request.train.graph});
  if (continued) trainer.load(from, request.continue_from);
  if (continued && from.moments.empty() && observer.say)
    observer.say(request.continue_from + " (" + name_of(from.kind) + ") holds no optimizer state: it starts anew");
  announce(observer, *backend, network, trainer, split.train.size(), split.test.size());

  Run run{network, trainer, source, split.test, !request.personal.empty(), settings, std::move(now), {}, clock};
  if (continued)
    run.history = continued_history(from, request.continue_from, request.train.run.metrics, observer.files);
  run.checkpoint.provenance =
      provenance_json(folder.class_names, from.personal_classes, split.train.size(), "pretrain");
  return run_training(run, request.train.run, observer);
}

}  // namespace tsugi
