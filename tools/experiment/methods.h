// A way to hand over: options of bundle and resume that differ from their defaults, under a name. A new row of the
// comparison is a new row of the list in methods.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/core/json_value.h"
#include "engine/handover/handover.h"
#include "engine/handover/make_bundle.h"

namespace tsugi::tools {

struct Method {
  std::string name;
  std::string what;  ///< a line for the report
  /// Set its options in the requests of a bundle and of its hand-over, settings over what these say already.
  std::function<void(BundleRequest&)> bundle = [](BundleRequest&) {};
  std::function<void(HandoverRequest&)> resume = [](HandoverRequest&) {};
  std::vector<double> fractions = {};  ///< the only ones it runs at; empty = those of the grid
  bool largest_only = false;           ///< runs with the largest number of people only
  bool ingredient =
      false;  ///< the default without one ingredient: belongs into the ablation table, not into the figures
  std::string former_name = "";  ///< what it was called before; "" = the same
};

/// Every method that has a name.
std::vector<Method> known_methods();

/// The known method of that name or former name. Throws Error listing the known ones.
Method find_method(const std::string& name);

/// The methods that switch one ingredient of the default off each, at `fractions`, with the largest number of people.
std::vector<Method> ablation_methods(const std::vector<double>& fractions);

/// A method's options with the defaults of bundle's and resume's requests filled in: {"bundle": {...}, "resume":
/// {...}}.
Json resolved_options(const Method& method);

/// The "resume" of resolved_options as an earlier version wrote it, its settings by the names that they have now.
/// Throws Error naming `place` on what is no setting.
Json in_todays_names(Json resume, const std::string& place);

}  // namespace tsugi::tools
