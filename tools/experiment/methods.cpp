// The list of methods, and how their options reach the requests.
#include "tools/experiment/methods.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

void as_it_is(BundleRequest&) {}

/// A hand-over with one setting other than by default.
template <class T, class Value>
auto with(T TrainSettings::*member, Value value) {
  return [=](HandoverRequest& request) { request.train.overrides.set(member, value); };
}
template <class T, class Value>
auto with(T HandoverSettings::*member, Value value) {
  return [=](HandoverRequest& request) { request.overrides.set(member, value); };
}

Method renamed(Method method, const char* former_name) {
  method.former_name = former_name;
  return method;
}

std::vector<Method> ingredients() {
  std::vector<Method> methods = {
      {"no-imprint", "the new person's row starts from random numbers", as_it_is,
       [](HandoverRequest& request) { request.new_row = NewRow::random; }},
      {"no-balance", "photos in the batches as often as there are", as_it_is, with(&TrainSettings::balanced, false)},
      {"no-knowledge", "no feature statistics in the bundle: rows are fitted to the photos sent alone",
       [](BundleRequest& request) { request.knowledge = false; }},
      renamed({"no-weight-interpolation", "the trained weights alone, without those before the first step", as_it_is,
               with(&HandoverSettings::weight_interpolation, 1)},
              "no-average"),
      {"no-frozen-norm", "batch norm goes by each batch and moves its statistics", as_it_is,
       with(&TrainSettings::frozen_batch_norm, false)},
      renamed({"no-keep-best", "what was trained is kept, better or not", as_it_is,
               [](HandoverRequest& request) { request.keep = Keep::trained; }},
              "no-judge"),
      {"distilled", "with distillation, weight 0.5, which the default leaves out", as_it_is,
       with(&HandoverSettings::distillation, 0.5)},
  };
  for (Method& method : methods) method.ingredient = true;
  return methods;
}

/// The source paper's.
void by_chance(BundleRequest& request) {
  request.strategy = SubsetStrategy::random;
  request.knowledge = false;
}
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
      {"paper", "random photos, random new row, nothing balanced or frozen", by_chance, plainly},
      {"features", "activations instead of photos, in 8 bits",
       [](BundleRequest& request) { request.features.emplace(); }},
  };
  methods.back().fractions = {0.1, 0.3};
  methods.back().largest_only = true;
  for (const Method& method : ingredients()) methods.push_back(method);
  return methods;
}

Method find_method(const std::string& name) {
  std::string names;
  for (const Method& method : known_methods()) {
    if (name == method.name || (!name.empty() && name == method.former_name)) return method;
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

Json resolved_options(const Method& method) {
  BundleRequest bundle;
  HandoverRequest resume;
  method.bundle(bundle);
  method.resume(resume);
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
