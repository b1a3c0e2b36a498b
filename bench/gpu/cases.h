// The convolutions and dense layers to be timed: those of the built-in models, read from their own descriptions, and
// of ResNet-18 on 224x224 photos.
#pragma once

#include <string>
#include <vector>

#include "kernels/api/conv2d.h"

namespace tsugi::bench {

struct OpCase {
  std::string model;  ///< "faces-cnn", "resnet18"
  std::string layer;  ///< the first layer of this shape
  Conv2dShape shape;  ///< a dense layer is a 1x1 convolution of one pixel
  bool dense = false;
  bool first = false;  ///< reads the photo: nothing needs the gradient of its input
  int times = 1;       ///< layers of this shape in the model
};

/// Every different shape of a model at a batch size, in the order of the model. model: a built-in model's name or
/// "resnet18". Throws Error on any other.
std::vector<OpCase> op_cases(const std::string& model, int batch);

/// Small shapes of every kind, for a smoke test on the emulator.
std::vector<OpCase> smoke_cases();

}  // namespace tsugi::bench
