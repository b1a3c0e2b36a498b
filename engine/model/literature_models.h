// Models of the literature by name, for comparison with what others measured: photos of 224 pixels, as in ImageNet.
#pragma once

#include <vector>

#include "engine/model/description.h"

namespace tsugi {

struct LiteratureModel {
  const char* name;
  Model (*make)();
};

/// "resnet-18" and "mobilenet-v2".
const std::vector<LiteratureModel>& literature_models();

}  // namespace tsugi
