// The defaults of a hand-over, and what overrides them.
#include "engine/handover/chosen_settings.h"

#include <algorithm>
#include <cmath>

#include "engine/handover/bundle.h"
#include "engine/handover/ending.h"
#include "engine/model/cut.h"

namespace tsugi {
namespace {

bool carries_training_photos(const Bundle& bundle) {
  return std::any_of(bundle.photos.begin(), bundle.photos.end(), [](const BundlePhoto& photo) { return !photo.test; });
}

}  // namespace

void apply_handover_defaults(TrainSettings& settings) {
  settings.epochs = 4;
  settings.balanced = true;
  settings.frozen_batch_norm = true;
  settings.optimizer.clip_norm = 1.0f;  // frozen batch norm does not tame large gradients
  settings.optimizer.lr = static_cast<float>(settings.optimizer.lr * kLearningRateShare);
  settings.schedule.kind = ScheduleKind::cosine;
  settings.schedule.warmup_epochs = 0.1;
}

std::string default_freeze(const Model& model, int classes, bool old_photos) {
  if (old_photos) return "";
  const std::vector<CutPlace> places = cut_places(model, classes);
  return places.empty() ? "" : places.back().layer;
}

float default_weight_interpolation(double fraction) {
  return std::max(kLeastInterpolation, static_cast<float>(std::cbrt(fraction)));
}

TrainSettings chosen_settings(const HandoverRequest& request, const Bundle& bundle, const Model& model,
                              const Checkpoint& checkpoint, const CutBundle* cut, HandoverOrigin origin,
                              const RunObserver& observer) {
  const bool continued = !request.continue_from.empty();
  TrainSettings settings;
  const NamedSettings sent = named_settings(checkpoint.settings, request.bundle + ": settings");
  sent.train.apply(settings, request.bundle + ": settings");
  if (!continued && !origin.lives) {
    const std::string servers = unusual(sent.handover.values);
    if (!servers.empty() && observer.say)
      observer.say(request.bundle + ": its settings of the hand-over (" + servers +
                   ") are left aside: they are this device's to choose");
    apply_handover_defaults(settings);
  }
  const bool old_photos = cut != nullptr ? !cut->features.train_files.empty() : carries_training_photos(bundle),
             by_statistics = (!old_photos && origin.statistics) || origin.without_photos;
  if (!continued) {  // what a device learnt from photos before is no reason to train without them
    if (by_statistics) settings.epochs = 0;
    settings.freeze_until =
        cut != nullptr ? "" : default_freeze(model, static_cast<int>(checkpoint.class_names.size()), old_photos);
  }
  if (cut != nullptr) settings.variants = cut->features.variants;
  request.train.overrides.apply(settings, "command line");
  if (!continued && by_statistics && settings.epochs > 0 && observer.say)
    observer.say("warning: --epochs " + std::to_string(settings.epochs) + " trains layers that " + kStatisticsAreOf +
                 ", unless the network before the first step is kept");
  if (cut != nullptr && settings.variants != cut->features.variants)
    throw Error(request.bundle + ": carries " + std::to_string(cut->features.variants) +
                " variants of each photo as activations, --augment asks for " + std::to_string(settings.variants));
  if (continued && settings.seed != checkpoint.progress.seed)
    throw Error("seed is " + std::to_string(settings.seed) + ", but " + request.continue_from +
                " was trained with seed " + std::to_string(checkpoint.progress.seed) + " and goes on with it");
  return settings;
}

HandoverSettings chosen_own_settings(const HandoverRequest& request, const Bundle& bundle, const Checkpoint& start,
                                     bool lives) {
  HandoverSettings own;
  if (request.continue_from.empty() && !lives) {
    own.weight_interpolation = default_weight_interpolation(bundle.fraction);
  } else {
    const std::string place = (lives ? request.bundle : request.continue_from) + ": settings";
    named_settings(start.settings, place).handover.apply(own, place);
  }
  request.overrides.apply(own, "command line");
  return own;
}

}  // namespace tsugi
