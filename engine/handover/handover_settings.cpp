// The table of the settings that only a hand-over has, as train/setting_rows.cpp is of training's; and JSON that may
// name settings of both.
#include "engine/handover/handover_settings.h"

#include "engine/core/text.h"

namespace tsugi {
namespace {

/// All settings of both phases, training's first.
std::vector<PlacedSetting> placed_both(TrainSettings& train, HandoverSettings& own) {
  std::vector<PlacedSetting> all = placed(train);
  for (const PlacedSetting& setting : placed(own)) all.push_back(setting);
  return all;
}

/// The named ones, in the order of the rows, however they were named.
template <class Settings>
void add_named(const Overrides<Settings>& overrides, Settings& values, std::vector<PlacedSetting>& to) {
  for (const Setting<Settings>& row : setting_rows<Settings>())
    if (overrides.names(row)) to.push_back({row.name, row.former_name, row.flag, row.range, row.field(values)});
}

/// read: hears of each setting that `text` names, those of the hand-over apart.
template <class Read>
NamedSettings named_in(const std::string& text, const std::string& place, Read&& of_handover) {
  NamedSettings named;
  const std::size_t trainings = setting_rows<TrainSettings>().size();
  for (const ReadSetting& read : read_settings(text, place, placed_both(named.train.values, named.handover.values))) {
    if (read.index < trainings) {
      named.train.name(setting_rows<TrainSettings>()[read.index]);
    } else {
      named.handover.name(setting_rows<HandoverSettings>()[read.index - trainings]);
      of_handover(read);
    }
  }
  return named;
}

#define TSUGI_HANDOVER(member) [](HandoverSettings& settings) -> SettingField { return &settings.member; }

}  // namespace

template <>
const std::vector<Setting<HandoverSettings>>& setting_rows() {
  static const std::vector<Setting<HandoverSettings>> rows = {
      {"distillation", "--distillation", between(0, 1), TSUGI_HANDOVER(distillation),
       "Weight of keeping what the received network says of the training photos, against their labels", "", "",
       "--distill"},
      {"distillation_temperature", "--distillation-temperature", between(0.1, 100),
       TSUGI_HANDOVER(distillation_temperature), "Softens what it says, 1 = as it is", "", "", "--distill-temperature"},
      {"distillation_personal", "--distillation-personal", kAny, TSUGI_HANDOVER(distillation_personal),
       "Keep what it says of personal photos too: true or false", "", "distil_personal", "--distill-personal"},
      {"general_loss", "--general-loss", between(0, 100), TSUGI_HANDOVER(general_loss),
       "Most points of the old people's accuracy that the new people may cost, as far as the device can tell; more of "
       "them and fewer old people are recognised with more"},
      {"accept", "--accept", between(0, 1), TSUGI_HANDOVER(accept),
       "Share of the known people's photos that predict names; it calls the others unknown, and with them as many "
       "photos of strangers as it can"},
      {"weight_interpolation", "--weight-interpolation", between(0, 1), TSUGI_HANDOVER(weight_interpolation),
       "Share of the trained weights in the network that training ends with; the rest is the network before the first "
       "step",
       "the cube root of the bundle's fraction, and " + number_text(kLeastInterpolation) + " at least", "average",
       "--average"},
      {"new_class_scale", "--new-class-scale", between(0.01, 100), TSUGI_HANDOVER(new_class_scale),
       "What new people's rows of the last layer, which few photos made, are multiplied by at the end: less favours "
       "the old people",
       "", "new_row_scale", "--new-row-scale"},
      {"new_class_bias_shift", "--new-class-bias-shift", between(0, 100), TSUGI_HANDOVER(new_class_bias_shift),
       "By how much new people must win beside that, in nats", "", "margin", "--margin"},
  };
  return rows;
}

void validate(const HandoverSettings& settings, const std::string& place) {
  HandoverSettings checked = settings;
  check_ranges(placed(checked), place);
}

std::string to_json(const TrainSettings& settings, const HandoverSettings& own) {
  TrainSettings train = settings;
  HandoverSettings handover = own;
  return to_json(placed_both(train, handover));
}

NamedSettings named_settings(const std::string& text, const std::string& place) {
  return named_in(text, place, [](const ReadSetting&) {});
}

std::string to_json(const NamedSettings& named) {
  NamedSettings values = named;
  std::vector<PlacedSetting> settings;
  add_named(named.train, values.train.values, settings);
  add_named(named.handover, values.handover.values, settings);
  return to_json(settings);
}

std::string setting_name(const std::string& name) {
  TrainSettings train;
  HandoverSettings own;
  for (const PlacedSetting& setting : placed_both(train, own))
    if (!name.empty() && name == setting.former_name) return setting.name;
  return name;
}

std::string unusual(const HandoverSettings& settings) {
  HandoverSettings given = settings, defaults;
  std::string text;
  for (const Setting<HandoverSettings>& row : setting_rows<HandoverSettings>()) {
    const auto json = [&](HandoverSettings& of) { return to_json({{row.name, "", "", {}, row.field(of)}}); };
    if (json(given) != json(defaults))
      text += (text.empty() ? "" : ", ") + std::string(row.name) + " " + value_text(row.field(given));
  }
  return text;
}

void apply_json(TrainSettings& settings, const std::string& text, const std::string& place) {
  named_in(text, place, [&](const ReadSetting& read) {
    throw Error(place + ": \"" + read.name + "\" is " + read.value +
                ", but it is a setting of the hand-over, which the device chooses (tsugi resume); one of pretraining "
                "expected");
  }).train.apply(settings, place);
}

void apply_recorded(TrainSettings& settings, const std::string& text, const std::string& place) {
  named_settings(text, place).train.apply(settings, place);
}

}  // namespace tsugi
