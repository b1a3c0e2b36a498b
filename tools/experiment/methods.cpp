// The list of methods, and how their options reach the requests.
#include "tools/experiment/methods.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi::tools {
namespace {

std::vector<Method> ingredients() {
  return {
      {"no-imprint", "the new person's row starts from random numbers", Json::object(), {{"new_row", "random"}}},
      {"no-balance", "photos in the batches as often as there are", Json::object(), {{"balanced", false}}},
  };
}

}  // namespace

std::vector<Method> known_methods() {
  std::vector<Method> methods = {
      {"default", "tsugi's defaults"},
      {"paper", "the source paper's plain way: random photos, random new row, nothing balanced or frozen", {{"strategy", "random"}},
       {{"new_row", "random"}, {"balanced", false}, {"frozen_batch_norm", false}}},
  };
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

std::string strategy_of(const Method& method) { return method.bundle.value("strategy", "stratified"); }

void apply_resume(const Method& method, HandoverRequest& request) {
  Json overrides = Json::parse(request.train.overrides);
  for (const auto& [name, value] : method.resume.items()) {
    if (name == "new_row") {
      request.new_row = value == "random" ? NewRow::random : NewRow::imprint;
    } else {
      overrides[name] = value;
    }
  }
  request.train.overrides = overrides.dump();
}

}  // namespace tsugi::tools
