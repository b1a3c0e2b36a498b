#include "bench/gpu/cases.h"

#include <cstring>

#include "engine/model/description.h"

namespace tsugi::bench {
namespace {

constexpr int kClasses = 32;

bool same(const OpCase& a, const OpCase& b) {
  const auto sizes = [](const Conv2dShape& s) {
    return std::vector<int>{s.n, s.h, s.w, s.c, s.k, s.r, s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.groups};
  };
  return sizes(a.shape) == sizes(b.shape) && a.dense == b.dense && a.first == b.first;
}

void add(std::vector<OpCase>& cases, const OpCase& made) {
  for (OpCase& known : cases) {
    if (!same(known, made)) continue;
    known.times += made.times;
    return;
  }
  cases.push_back(made);
}

Conv2dShape square(int n, int size, int c, int k, int r, int stride) {
  Conv2dShape s;
  s.n = n;
  s.h = s.w = size;
  s.c = c;
  s.k = k;
  s.r = s.s = r;
  s.stride_h = s.stride_w = stride;
  s.pad_h = s.pad_w = r / 2;
  return s;
}

/// He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, table 1, 18 layers.
std::vector<OpCase> resnet18(int n) {
  const char* model = "resnet18";
  std::vector<OpCase> cases{{model, "conv1", square(n, 224, 3, 64, 7, 2), false, true, 1},
                            {model, "conv2", square(n, 56, 64, 64, 3, 1), false, false, 4}};
  for (int stage = 3, size = 56, c = 64; stage <= 5; ++stage, size /= 2, c *= 2) {
    const std::string name = "conv" + std::to_string(stage);
    cases.push_back({model, name + "_1", square(n, size, c, 2 * c, 3, 2), false, false, 1});
    cases.push_back({model, name + "_shortcut", square(n, size, c, 2 * c, 1, 2), false, false, 1});
    cases.push_back({model, name, square(n, size / 2, 2 * c, 2 * c, 3, 1), false, false, 3});
  }
  cases.push_back({model, "fc", square(n, 1, 512, 1000, 1, 1), true, false, 1});
  return cases;
}

}  // namespace

std::vector<OpCase> op_cases(const std::string& model_name, int batch) {
  if (model_name == "resnet18") return resnet18(batch);
  const Model model = find_model(model_name);
  const std::vector<SampleShape> shapes = infer_shapes(model, kClasses);
  std::vector<OpCase> cases;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    if (layer.type != LayerType::conv2d && layer.type != LayerType::dense) continue;
    const int from = layer.inputs.front();
    const SampleShape in = from < 0 ? model.input : shapes[static_cast<std::size_t>(from)];
    OpCase made{model_name, layer.name, {}, layer.type == LayerType::dense, from < 0, 1};
    Conv2dShape& s = made.shape;
    s.n = batch;
    s.k = shapes[i].c;
    if (made.dense) {
      s.c = static_cast<int>(in.count());
    } else {
      s.h = in.h, s.w = in.w, s.c = in.c;
      s.r = layer.kernel_h, s.s = layer.kernel_w;
      s.stride_h = layer.stride_h, s.stride_w = layer.stride_w;
      s.pad_h = layer.pad_h, s.pad_w = layer.pad_w;
      s.groups = layer.groups == 0 ? in.c : layer.groups;
    }
    add(cases, made);
  }
  return cases;
}

std::vector<OpCase> smoke_cases() {
  const char* model = "smoke";
  OpCase depthwise{model, "depthwise", square(1, 4, 8, 8, 3, 1), false, false, 1};
  depthwise.shape.groups = 8;
  return {{model, "first", square(1, 6, 3, 8, 3, 1), false, true, 1},
          {model, "3x3", square(1, 4, 8, 8, 3, 1), false, false, 1},
          {model, "1x1", square(1, 4, 8, 8, 1, 1), false, false, 1},
          depthwise,
          {model, "dense", square(2, 1, 16, 8, 1, 1), true, false, 1}};
}

}  // namespace tsugi::bench
