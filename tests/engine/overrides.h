// Settings of a run as tests write them: a JSON object, by the names of either phase.
#pragma once

#include <string>
#include <type_traits>

#include "engine/handover/handover_settings.h"
#include "engine/train/pretrain.h"

namespace tsugi::test {

/// Replaces the overrides of the request of a pretraining or of a hand-over.
template <class Request>
void set_overrides(Request& request, const std::string& json) {
  const NamedSettings named = named_settings(json, "overrides");
  request.train.overrides = named.train;
  if constexpr (!std::is_same_v<Request, PretrainRequest>) request.overrides = named.handover;
}

}  // namespace tsugi::test
