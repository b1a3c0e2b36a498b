// The models whose shapes benchmarks measure.
#pragma once

#include <string>
#include <vector>

#include "engine/model/description.h"

namespace tsugi::bench {

struct ShapeList {
  Model model;
  int classes = 32;
  std::vector<std::string> class_names() const;  ///< made up: "class0", ...
};

/// Of a model as find_model finds it: 1000 classes for those of the literature, 32 for all others.
ShapeList find_shape_list(const std::string& name_or_path, FileLog* files = nullptr);

/// The batch sizes that lists are measured at when nobody asks for others.
constexpr int kListBatches[] = {1, 16, 64};

}  // namespace tsugi::bench
