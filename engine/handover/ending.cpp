// Changes a network's weights by way of a checkpoint's tensors.
#include "engine/handover/ending.h"

#include "engine/handover/new_classes.h"
#include "engine/handover/parts.h"
#include "engine/handover/personal_people.h"
#include "engine/handover/weight_interpolation.h"

namespace tsugi {
namespace {

bool same_weights(const Checkpoint& a, const Checkpoint& b) { return weights_sha256(a) == weights_sha256(b); }

}  // namespace

RunEnding::Outcome HandoverEnding::conclude(Trainer& trainer,
                                            const std::function<void(const std::string&)>& say) const {
  Outcome outcome{"trained", false};
  const auto change = [&](auto&& how) {
    Checkpoint weights;
    start_.network.store(weights);
    how(weights);
    trainer.restore(weights, "the end of the run");
    outcome.changed = true;
  };
  if (settings_.weight_interpolation < 1.0f && trainer.progress().step > 0)
    change([&](Checkpoint& trained) { interpolate_weights(trained, start_.weights, settings_.weight_interpolation); });
  if (best_ && !best_->better_now(trainer.arena())) {
    trainer.restore(start_.weights, "the start of the run");
    if (say) say("training did not make it better: the network before the first step is kept");
    return {"start", true};
  }
  if (settings_.new_class_scale != 1.0f || settings_.new_class_bias_shift > 0.0f) {
    if (say && !start_.weights.people.empty() && trainer.progress().step == 0)
      say(std::string("warning: --new-class-scale and --new-class-bias-shift change rows that ") + kStatisticsAreOf +
          "; --general-loss is the choice that keeps them");
    change([&](Checkpoint& kept) {
      adjust_new_classes(kept, start_.network.model().layers.back().name, start_.first_new, settings_.new_class_scale,
                         -settings_.new_class_bias_shift);
    });
  }
  return outcome;
}

void HandoverEnding::complete(Checkpoint& checkpoint) const {
  if (!same_weights(checkpoint, start_.weights)) {
    checkpoint.people.clear();
    checkpoint.people_photos = "{}";
  } else if (!start_.weights.people.empty()) {
    checkpoint.people = start_.weights.people;
    checkpoint.people_photos = start_.weights.people_photos;
    if (checkpoint.progress.step == 0) forget_training(checkpoint);
  }
  if (start_.lower != nullptr) join_lower(checkpoint, *start_.lower);
}

}  // namespace tsugi
