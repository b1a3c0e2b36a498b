// The models whose shapes benchmarks measure, by name: the built-in ones, and two of the literature for comparison with
// what others measured.
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

/// "faces-resnet", "faces-cnn", "faces-mobile", "resnet-18", "mobilenet-v2".
std::vector<std::string> shape_list_names();

/// A list by name, or of a model's JSON file by path. Photos of 224 pixels and 1000 classes for the two models of the
/// literature, 32 classes for all others. Throws Error naming the lists when it is none of them.
ShapeList find_shape_list(const std::string& name_or_path, FileLog* files = nullptr);

/// The batch sizes that lists are measured at when nobody asks for others.
constexpr int kListBatches[] = {1, 16, 64};

}  // namespace tsugi::bench
