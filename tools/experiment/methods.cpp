// The list of methods, and how their options reach the requests.
#include "tools/experiment/methods.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

std::vector<Method> ingredients() {
  std::vector<Method> methods = {
      {"no-imprint", "the new person's row starts from random numbers", Json::object(), {{"new_row", "random"}}},
      {"no-balance", "photos in the batches as often as there are", Json::object(), {{"balanced", false}}},
      {"no-knowledge",
       "no feature statistics in the bundle: rows are fitted to the photos sent alone",
       {{"knowledge", false}},
       Json::object()},
      {"no-average",
       "the trained weights alone, without those before the first step",
       Json::object(),
       {{"average", 1}}},
      {"no-scale", "new people's rows stay as long as they are", Json::object(), {{"new_row_scale", 1}}},
      {"no-frozen-norm",
       "batch norm goes by each batch and moves its statistics",
       Json::object(),
       {{"frozen_batch_norm", false}}},
      {"no-judge", "what was trained is kept, better or not", Json::object(), {{"keep", "trained"}}},
      {"distilled",
       "with distillation, weight 0.5, which the default leaves out",
       Json::object(),
       {{"distillation", 0.5}}},
  };
  for (Method& method : methods) method.ingredient = true;
  return methods;
}

}  // namespace

std::vector<Method> known_methods() {
  std::vector<Method> methods = {
      {"default", "tsugi's own settings"},
      {"paper",
       "random photos, random new row, nothing balanced or frozen",
       {{"strategy", "random"}, {"knowledge", false}},
       {{"new_row", "random"},
        {"keep", "trained"},
        {"balanced", false},
        {"frozen_batch_norm", false},
        {"freeze_until", ""},
        {"clip_norm", 0},
        {"distillation", 0},
        {"average", 1},
        {"new_row_scale", 1},
        {"margin", 0}}},
  };
  methods.push_back(
      {"features", "activations instead of photos, in 8 bits", {{"as", "features"}}, Json::object(), {0.1, 0.3}, true});
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
  Json overrides = Json::parse(request.train.overrides);
  for (const auto& [name, value] : method.resume.items()) {
    if (name == "new_row") {
      request.new_row = value == "random" ? NewRow::random : NewRow::imprint;
    } else if (name == "keep") {
      request.keep = value == "trained" ? Keep::trained : Keep::better;
    } else {
      overrides[name] = value;
    }
  }
  request.train.overrides = overrides.dump();
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
  json["resume"] = Json::parse(resume.train.overrides);
  json["resume"]["new_row"] = resume.new_row == NewRow::random ? "random" : "imprint";
  json["resume"]["keep"] = resume.keep == Keep::trained ? "trained" : "better";
  return json;
}

}  // namespace tsugi::tools
