// The table of the settings of training: name, flag, range, member, help, and the default in words where the member's
// alone would not say it. Type and default are the member's.
#include "engine/train/settings.h"

namespace tsugi {

#define TSUGI_TRAIN(member) [](TrainSettings& settings) -> SettingField { return &settings.member; }

template <>
const std::vector<Setting<TrainSettings>>& setting_rows() {
  static const std::vector<Setting<TrainSettings>> rows = {
      {"epochs", "--epochs", between(0, 1e6), TSUGI_TRAIN(epochs),
       "Passes over the training samples; a hand-over by statistics alone takes none"},
      {"batch", "--batch", between(1, 65536), TSUGI_TRAIN(batch), "Samples a step"},
      {"variants", "--augment", between(1, 10000), TSUGI_TRAIN(variants),
       "Variants of each photo an epoch; 1 = the photo alone"},
      {"test_fraction", "--test-fraction", between(0, 0.9), TSUGI_TRAIN(test_fraction),
       "Share of each person's photos kept for testing"},
      {"seed", "--seed", kAny, TSUGI_TRAIN(seed), "Seed of every random draw"},
      {"label_smoothing", "--label-smoothing", between(0, 0.99), TSUGI_TRAIN(label_smoothing),
       "Share of each label that all people get"},
      {"balanced", "--balanced", kAny, TSUGI_TRAIN(balanced),
       "Every person equally often in the batches: true or false"},
      {"frozen_batch_norm", "--frozen-batch-norm", kAny, TSUGI_TRAIN(frozen_batch_norm),
       "Keep batch norm's statistics: true or false"},
      {"freeze_until", "--freeze-until", kAny, TSUGI_TRAIN(freeze_until),
       "Leave this layer and all before it as they are, and spare their backward pass; \"\" = train everything (tsugi "
       "inspect lists the layers)",
       "\"\"; resume without photos of the old people: all but the head"},
      {"optimizer", "--optimizer", kAny, TSUGI_TRAIN(optimizer.kind), "sgd, adam or adamw"},
      {"lr", "--lr", between(0, 1e3), TSUGI_TRAIN(optimizer.lr), "Learning rate", "the model's own"},
      {"momentum", "--momentum", between(0, 0.9999), TSUGI_TRAIN(optimizer.momentum), "Of sgd"},
      {"nesterov", "", kAny, TSUGI_TRAIN(optimizer.nesterov), "Nesterov's momentum, of sgd"},
      {"beta1", "", between(0, 0.999999), TSUGI_TRAIN(optimizer.beta1),
       "Decay of the mean gradient, of adam and adamw"},
      {"beta2", "", between(0, 0.999999), TSUGI_TRAIN(optimizer.beta2), "Decay of the mean square, of adam and adamw"},
      {"adam_eps", "", between(1e-30, 1), TSUGI_TRAIN(optimizer.eps),
       "Added to the root of the mean square, of adam and adamw"},
      {"weight_decay", "--weight-decay", between(0, 1), TSUGI_TRAIN(optimizer.weight_decay),
       "Of weights (never of biases and batch norm)"},
      {"clip_norm", "--clip-norm", between(0, 1e9), TSUGI_TRAIN(optimizer.clip_norm),
       "Largest norm of the gradient, 0 = no clipping"},
      {"schedule", "--schedule", kAny, TSUGI_TRAIN(schedule.kind), "Of the learning rate: constant, step or cosine"},
      {"warmup_epochs", "--warmup-epochs", between(0, 1e6), TSUGI_TRAIN(schedule.warmup_epochs),
       "Epochs of rising learning rate"},
      {"step_epochs", "", between(1, 1e6), TSUGI_TRAIN(schedule.step_epochs),
       "Epochs between two decays, of the schedule step"},
      {"step_factor", "", between(0, 1), TSUGI_TRAIN(schedule.step_factor),
       "What each decay multiplies by, of the schedule step"},
      {"final_fraction", "", between(0, 1), TSUGI_TRAIN(schedule.final_fraction),
       "Share of the rate that the last step ends near, of the schedule cosine"},
      {"mirror", "", between(0, 1), TSUGI_TRAIN(augment.mirror), "Probability of a left-right flip of a variant"},
      {"rotation", "", between(0, 180), TSUGI_TRAIN(augment.rotation), "Largest rotation of a variant, degrees"},
      {"scale", "", between(0, 0.9), TSUGI_TRAIN(augment.scale), "Largest relative zoom of a variant"},
      {"shift", "", between(0, 1), TSUGI_TRAIN(augment.shift), "Largest shift of a variant, of its width and height"},
      {"brightness", "", between(0, 1), TSUGI_TRAIN(augment.brightness),
       "Largest change of a variant's brightness, of full scale"},
      {"contrast", "", between(0, 1), TSUGI_TRAIN(augment.contrast), "Largest relative change of a variant's contrast"},
      {"blur_probability", "", between(0, 1), TSUGI_TRAIN(augment.blur_probability),
       "Probability that a variant is blurred"},
      {"blur_sigma", "", between(0, 10), TSUGI_TRAIN(augment.blur_sigma), "Largest blur of a variant, pixels"},
      {"noise_probability", "", between(0, 1), TSUGI_TRAIN(augment.noise_probability),
       "Probability that a variant gets noise"},
      {"noise_sigma", "", between(0, 1), TSUGI_TRAIN(augment.noise_sigma), "Largest noise of a variant, of full scale"},
  };
  return rows;
}

}  // namespace tsugi
