// The settings that only a hand-over has: they are the device's to choose, never the server's. Whoever needs none of
// them does not include this.
#pragma once

#include <string>

#include "engine/train/setting.h"
#include "engine/train/settings.h"

namespace tsugi {

struct HandoverSettings {
  float distillation = 0.0f;              ///< weight of the received network's answers where a photo has any, the label
                                          ///< gets the rest; 0 = off
  float distillation_temperature = 2.0f;  ///< of both softmaxes: above 1, what it says of unlikely people counts more
  bool distillation_personal = false;     ///< personal photos too: what the received network takes those people for
  float general_loss = 1.5f;  ///< points of the server's people's accuracy that personal people may cost, by draws
                              ///< (see analytic_head.h)
  float accept = 0.95f;       ///< share of the known people's photos that are to be taken for them, not for strangers
                              ///< (see known_people.h)
  float weight_interpolation = 1.0f;  ///< share of the trained weights in what it ends with, the start's have the rest
  float new_class_scale = 1.0f;       ///< what new people's rows of the head are multiplied by at its end (see
                                      ///< new_classes.h)
  float new_class_bias_shift = 0.0f;  ///< nats taken off their biases after that
};

template <>
const std::vector<Setting<HandoverSettings>>& setting_rows();

/// Where a hand-over chooses for itself (handover.h): the least share of the trained weights. Chosen as
/// bench/results/handover-defaults.md says.
constexpr float kLeastInterpolation = 0.3f;

/// Throws Error naming `place`, the field and both values when a field is out of range.
void validate(const HandoverSettings& settings, const std::string& place);

/// The settings of a hand-over as a JSON object.
std::string to_json(const TrainSettings& settings, const HandoverSettings& own);

/// What a JSON object names, by phase.
struct NamedSettings {
  Overrides<TrainSettings> train;
  Overrides<HandoverSettings> handover;
};

/// Reads `text`: what a checkpoint carries. Throws Error naming `place` on what is no setting, on wrong types, and on
/// values out of range.
NamedSettings named_settings(const std::string& text, const std::string& place);

/// What is named, as a JSON object.
std::string to_json(const NamedSettings& named);

/// The name that a setting of that name has now, of either phase; that of none stays what it is.
std::string setting_name(const std::string& name);

/// Those of the settings that are other than their defaults, with their values, for people; "" = none.
std::string unusual(const HandoverSettings& settings);

}  // namespace tsugi
