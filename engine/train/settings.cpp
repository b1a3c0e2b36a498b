// Settings to JSON and back: one list of fields serves both directions, so neither can forget one.
#include "engine/train/settings.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/formats/json_check.h"

namespace tsugi {
namespace {

using Json = nlohmann::ordered_json;

/// Calls visit(name, field) for every field that only a hand-over has.
template <class Settings, class Visit>
void each_handover_field(Settings& s, Visit&& visit) {
  visit("distillation", s.distillation);
  visit("distillation_temperature", s.distillation_temperature);
  visit("distil_personal", s.distil_personal);
  visit("average", s.average);
  visit("new_row_scale", s.new_row_scale);
  visit("margin", s.margin);
}

/// Calls visit(name, field) for every field.
template <class Settings, class Visit>
void each_field(Settings& s, Visit&& visit) {
  visit("epochs", s.epochs);
  visit("batch", s.batch);
  visit("variants", s.variants);
  visit("test_fraction", s.test_fraction);
  visit("seed", s.seed);
  visit("label_smoothing", s.label_smoothing);
  visit("balanced", s.balanced);
  visit("frozen_batch_norm", s.frozen_batch_norm);
  visit("freeze_until", s.freeze_until);
  each_handover_field(s, visit);
  visit("optimizer", s.optimizer.kind);
  visit("lr", s.optimizer.lr);
  visit("momentum", s.optimizer.momentum);
  visit("nesterov", s.optimizer.nesterov);
  visit("beta1", s.optimizer.beta1);
  visit("beta2", s.optimizer.beta2);
  visit("adam_eps", s.optimizer.eps);
  visit("weight_decay", s.optimizer.weight_decay);
  visit("clip_norm", s.optimizer.clip_norm);
  visit("schedule", s.schedule.kind);
  visit("warmup_epochs", s.schedule.warmup_epochs);
  visit("step_epochs", s.schedule.step_epochs);
  visit("step_factor", s.schedule.step_factor);
  visit("final_fraction", s.schedule.final_fraction);
  visit("mirror", s.augment.mirror);
  visit("rotation", s.augment.rotation);
  visit("scale", s.augment.scale);
  visit("shift", s.augment.shift);
  visit("brightness", s.augment.brightness);
  visit("contrast", s.augment.contrast);
  visit("blur_probability", s.augment.blur_probability);
  visit("blur_sigma", s.augment.blur_sigma);
  visit("noise_probability", s.augment.noise_probability);
  visit("noise_sigma", s.augment.noise_sigma);
}

struct ToJson {
  Json& json;
  void operator()(const char* name, OptimizerKind kind) { json[name] = name_of(kind); }
  void operator()(const char* name, ScheduleKind kind) { json[name] = name_of(kind); }
  template <class T>
  void operator()(const char* name, const T& field) {
    json[name] = field;
  }
};

struct FromJson {
  const Json& json;
  const std::string& place;

  [[noreturn]] void fail(const char* name, const Json& value, const char* expected) const {
    throw Error(place + ": \"" + name + "\" is " + value.dump() + ", expected " + expected);
  }
  const Json* find(const char* name) const {
    const auto found = json.find(name);
    return found == json.end() ? nullptr : &*found;
  }
  void operator()(const char* name, OptimizerKind& kind) {
    if (const Json* value = find(name)) {
      if (!value->is_string()) fail(name, *value, "a name");
      kind = parse_optimizer(value->get<std::string>());
    }
  }
  void operator()(const char* name, ScheduleKind& kind) {
    if (const Json* value = find(name)) {
      if (!value->is_string()) fail(name, *value, "a name");
      kind = parse_schedule(value->get<std::string>());
    }
  }
  void operator()(const char* name, std::string& field) {
    if (const Json* value = find(name)) {
      if (!value->is_string()) fail(name, *value, "a name");
      field = value->get<std::string>();
    }
  }
  void operator()(const char* name, bool& field) {
    if (const Json* value = find(name)) {
      if (!value->is_boolean()) fail(name, *value, "true or false");
      field = value->get<bool>();
    }
  }
  template <class T>
  void operator()(const char* name, T& field) {
    const Json* value = find(name);
    if (value == nullptr) return;
    if (std::is_integral<T>::value) {
      if (!value->is_number_integer()) fail(name, *value, "a whole number");
      const bool negative = !value->is_number_unsigned() && value->get<std::int64_t>() < 0;
      const bool fits = negative
                            ? std::is_signed<T>::value &&
                                  value->get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min())
                            : value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max());
      if (!fits) fail(name, *value, "a number in range");
    } else if (!value->is_number()) {
      fail(name, *value, "a number");
    }
    field = value->get<T>();
  }
};

Json parse_object(const std::string& text, const std::string& place) {
  check_json_object(text, place);
  return Json::parse(text);
}

void check(const std::string& place, const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;  // NaN fails too
  std::ostringstream text;
  text << place << ": " << name << " is " << value << ", expected " << low << " to " << high;
  throw Error(text.str());
}

}  // namespace

void validate(const TrainSettings& s, const std::string& place) {
  check(place, "epochs", s.epochs, 0, 1e6);
  check(place, "batch", s.batch, 1, 65536);
  check(place, "variants (--augment)", s.variants, 1, 10000);
  check(place, "test_fraction", s.test_fraction, 0, 0.9);
  check(place, "label_smoothing", s.label_smoothing, 0, 0.99);
  check(place, "distillation (--distill)", s.distillation, 0, 1);
  check(place, "distillation_temperature (--distill-temperature)", s.distillation_temperature, 0.1, 100);
  check(place, "average", s.average, 0, 1);
  check(place, "new_row_scale (--new-row-scale)", s.new_row_scale, 0.01, 100);
  check(place, "margin", s.margin, 0, 100);
  check(place, "lr", s.optimizer.lr, 0, 1e3);
  check(place, "momentum", s.optimizer.momentum, 0, 0.9999);
  check(place, "beta1", s.optimizer.beta1, 0, 0.999999);
  check(place, "beta2", s.optimizer.beta2, 0, 0.999999);
  check(place, "adam_eps", s.optimizer.eps, 1e-30, 1);
  check(place, "weight_decay", s.optimizer.weight_decay, 0, 1);
  check(place, "clip_norm", s.optimizer.clip_norm, 0, 1e9);
  check(place, "warmup_epochs", s.schedule.warmup_epochs, 0, 1e6);
  check(place, "step_epochs", s.schedule.step_epochs, 1, 1e6);
  check(place, "step_factor", s.schedule.step_factor, 0, 1);
  check(place, "final_fraction", s.schedule.final_fraction, 0, 1);
  check(place, "mirror", s.augment.mirror, 0, 1);
  check(place, "rotation", s.augment.rotation, 0, 180);
  check(place, "scale", s.augment.scale, 0, 0.9);
  check(place, "shift", s.augment.shift, 0, 1);
  check(place, "brightness", s.augment.brightness, 0, 1);
  check(place, "contrast", s.augment.contrast, 0, 1);
  check(place, "blur_probability", s.augment.blur_probability, 0, 1);
  check(place, "blur_sigma", s.augment.blur_sigma, 0, 10);
  check(place, "noise_probability", s.augment.noise_probability, 0, 1);
  check(place, "noise_sigma", s.augment.noise_sigma, 0, 1);
}

std::string to_json(const TrainSettings& settings) {
  Json json;
  each_field(settings, ToJson{json});
  return json.dump();
}

void apply_json(TrainSettings& settings, const std::string& text, const std::string& place, Phase phase) {
  const Json json = parse_object(text, place);
  std::set<std::string> known, of_handover;
  each_field(settings, [&](const char* name, const auto&) { known.insert(name); });
  each_handover_field(settings, [&](const char* name, const auto&) { of_handover.insert(name); });
  for (const auto& [key, value] : json.items()) {
    if (known.count(key) == 0) throw Error(place + ": unknown setting \"" + key + "\"");
    if (phase == Phase::pretraining && of_handover.count(key) > 0)
      throw Error(place + ": \"" + key + "\" is " + value.dump() +
                  ", but it is a setting of the hand-over, which the device chooses (tsugi resume); one of pretraining "
                  "expected");
  }
  each_field(settings, FromJson{json, place});
  validate(settings, place);
}

std::string reset_handover(TrainSettings& settings) {
  TrainSettings fresh;
  Json given, defaults;
  each_handover_field(settings, ToJson{given});
  each_handover_field(fresh, ToJson{defaults});
  each_handover_field(settings, FromJson{defaults, "defaults"});
  std::string changed;
  for (const auto& [name, value] : given.items())
    if (value != defaults[name]) changed += (changed.empty() ? "" : ", ") + name + " " + value.dump();
  return changed;
}

std::string to_json(const Preprocessing& p) {
  Json json;
  json["crop"] = p.crop;
  json["size"] = p.size;
  json["stored_size"] = p.stored_size;
  json["mean"] = {p.mean[0], p.mean[1], p.mean[2]};
  json["std"] = {p.std[0], p.std[1], p.std[2]};
  return json.dump();
}

Preprocessing preprocessing_from_json(const std::string& text, const std::string& place) {
  const Json json = parse_object(text, place);
  Preprocessing p;
  const FromJson read{json, place};
  FromJson reader = read;
  reader("crop", p.crop);
  reader("size", p.size);
  reader("stored_size", p.stored_size);
  const auto triple = [&](const char* name, float* values) {
    const Json* list = read.find(name);
    if (list == nullptr || !list->is_array() || list->size() != 3)
      throw Error(place + ": \"" + name + "\" must be three numbers");
    for (std::size_t i = 0; i < 3; ++i) {
      if (!(*list)[i].is_number()) read.fail(name, *list, "three numbers");
      values[i] = (*list)[i].get<float>();
    }
  };
  triple("mean", p.mean);
  triple("std", p.std);
  validate(p, place);
  return p;
}

}  // namespace tsugi
