// The list of methods, and how their options reach the requests.
#include "tools/experiment/methods.h"

#include <algorithm>

#include "engine/core/json_value.h"
#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

/// A hand-over with one setting other than by default.
template <class T, class Value>
ResumeOptions with(T TrainSettings::*member, Value value) {
  return [=](HandoverRequest& request) { request.train.overrides.set(member, value); };
}
template <class T, class Value>
ResumeOptions with(T HandoverSettings::*member, Value value) {
  return [=](HandoverRequest& request) { request.overrides.set(member, value); };
}

std::vector<Method> ingredients() {
  std::vector<Method> methods = {
      {"no-imprint", "the new person's row starts from random numbers", Json::object(),
       [](HandoverRequest& request) { request.new_row = NewRow::random; }},
      {"no-balance", "photos in the batches as often as there are", Json::object(),
       with(&TrainSettings::balanced, false)},
      {"no-knowledge",
       "no feature statistics in the bundle: rows are fitted to the photos sent alone",
       {{"knowledge", false}}},
      {"no-average", "the trained weights alone, without those before the first step", Json::object(),
       with(&HandoverSettings::weight_interpolation, 1)},
      {"no-scale", "new people's rows stay as long as they are", Json::object(),
       with(&HandoverSettings::new_class_scale, 1)},
      {"no-frozen-norm", "batch norm goes by each batch and moves its statistics", Json::object(),
       with(&TrainSettings::frozen_batch_norm, false)},
      {"no-judge", "what was trained is kept, better or not", Json::object(),
       [](HandoverRequest& request) { request.keep = Keep::trained; }},
      {"distilled", "with distillation, weight 0.5, which the default leaves out", Json::object(),
       with(&HandoverSettings::distillation, 0.5)},
  };
  for (Method& method : methods) method.ingredient = true;
  return methods;
}

/// The source paper's: photos alone, and every weight learns.
void plainly(HandoverRequest& request) {
  request.new_row = NewRow::random;
  request.keep = Keep::trained;
  request.train.overrides.set(&TrainSettings::balanced, false);
  request.train.overrides.set(&TrainSettings::frozen_batch_norm, false);
  request.train.overrides.set(&TrainSettings::freeze_until, "");
  request.train.overrides.set(&TrainSettings::optimizer, &OptimizerSettings::clip_norm, 0);
  request.overrides.set(&HandoverSettings::distillation, 0);
  request.overrides.set(&HandoverSettings::weight_interpolation, 1);
  request.overrides.set(&HandoverSettings::new_class_scale, 1);
  request.overrides.set(&HandoverSettings::new_class_bias_shift, 0);
}

}  // namespace

std::vector<Method> known_methods() {
  std::vector<Method> methods = {
      {"default", "tsugi's own settings"},
      {"paper",
       "random photos, random new row, nothing balanced or frozen",
       {{"strategy", "random"}, {"knowledge", false}},
       plainly},
  };
  methods.push_back(
      {"features", "activations instead of photos, in 8 bits", {{"as", "features"}}, {}, {0.1, 0.3}, true});
  for (const Method& method : ingredients()) methods.push_back(method);
  return methods;
}

Method find_method(const std::string& name) {
  std::string names;
  for (const Method& method : known_methods()) {
    if (method.name == name) return method;
    names += (names.empty() ? "" : ", ") + method.name;
  }
  throw Error("method \"" + name + "\": unknown, known are " + names);
}

std::vector<Method> ablation_methods(const std::vector<double>& fractions) {
  std::vector<Method> methods = ingredients();
  for (Method& method : methods) {
    method.fractions = fractions;
    method.largest_only = true;
  }
  return methods;
}

void apply_bundle(const Method& method, BundleRequest& request) {
  for (const auto& [name, value] : method.bundle.items()) {
    if (name == "strategy") {
      request.strategy = subset_strategy(value.get<std::string>());
    } else if (name == "knowledge") {
      request.knowledge = value.get<bool>();
    } else if (name == "as") {
      if (value == "features" && !request.features) request.features.emplace();
    } else if (name == "cut") {
      if (!request.features) request.features.emplace();
      request.features->layer = value.get<std::string>();
    } else if (name == "variants") {
      if (!request.features) request.features.emplace();
      request.features->variants = value.get<std::uint32_t>();
    } else {
      throw Error("method " + method.name + ": bundle has no option \"" + name + "\"");
    }
  }
}

void apply_resume(const Method& method, HandoverRequest& request) {
  if (method.resume) method.resume(request);
}

Json resolved_options(const Method& method) {
  BundleRequest bundle;
  HandoverRequest resume;
  apply_bundle(method, bundle);
  apply_resume(method, resume);
  Json json;
  json["bundle"] = {{"strategy", name_of(bundle.strategy)}, {"knowledge", bundle.knowledge}};
  if (bundle.features)
    json["bundle"].update(
        {{"as", "features"}, {"cut", bundle.features->layer}, {"variants", bundle.features->variants}});
  json["resume"] = Json::parse(to_json(NamedSettings{resume.train.overrides, resume.overrides}));
  json["resume"]["new_row"] = resume.new_row == NewRow::random ? "random" : "imprint";
  json["resume"]["keep"] = resume.keep == Keep::trained ? "trained" : "better";
  return json;
}

Json in_todays_names(Json resume, const std::string& place) {
  if (!resume.is_object()) JsonValue(resume, place).refuse("an object");
  Json named = Json::object();
  for (const char* option : {"new_row", "keep"}) {
    if (resume.contains(option)) named[option] = resume[option];
    resume.erase(option);
  }
  Json settings = Json::parse(to_json(named_settings(resume.dump(), place)));
  settings.update(named);
  return settings;
}

}  // namespace tsugi::tools
