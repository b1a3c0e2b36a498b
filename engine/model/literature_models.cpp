// ResNet-18: He et al., "Deep residual learning for image recognition", CVPR 2016, table 1.
// MobileNetV2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 2; ReLU in
// the place of ReLU6, which moves the same bytes.
#include "engine/model/literature_models.h"

#include "engine/core/json_value.h"

namespace tsugi {
namespace {

constexpr int kImageNetSize = 224;

/// Layers one by one; each reads the one before it unless told otherwise.
class Description {
 public:
  explicit Description(const std::string& name) {
    json_ = {{"name", name}, {"input", {kImageNetSize, kImageNetSize, 3}}, {"layers", Json::array()}};
  }

  /// A convolution without bias and its batch norm; returns the latter's name.
  std::string conv(const std::string& name, int filters, int kernel, int stride, const std::string& input = "",
                   bool depthwise = false) {
    Json layer{{"type", "conv2d"}, {"name", name},      {"filters", filters}, {"kernel", kernel},
               {"stride", stride}, {"pad", kernel / 2}, {"bias", false}};
    if (depthwise) layer["groups"] = "depthwise";
    if (!input.empty()) layer["input"] = input;
    push(layer);
    push({{"type", "batch_norm"}, {"name", name + "_bn"}});
    return name + "_bn";
  }

  std::string relu(const std::string& name) {
    push({{"type", "relu"}, {"name", name}});
    return name;
  }

  std::string add(const std::string& name, const std::string& a, const std::string& b) {
    push({{"type", "add"}, {"name", name}, {"inputs", {a, b}}});
    return name;
  }

  void push(const Json& layer) { json_["layers"].push_back(layer); }

  Model model() {
    push({{"type", "global_average_pool"}, {"name", "pool"}});
    push({{"type", "flatten"}, {"name", "flat"}});
    push({{"type", "dense"}, {"name", "fc"}, {"units", "classes"}});
    return parse_model(json_.dump(), "model " + json_["name"].get<std::string>());
  }

 private:
  Json json_;
};

Model resnet_18() {
  Description d("resnet-18");
  d.conv("conv1", 64, 7, 2);
  d.relu("conv1_out");
  d.push({{"type", "max_pool"}, {"name", "pool1"}, {"kernel", 3}, {"stride", 2}, {"pad", 1}});
  std::string from = "pool1";
  for (int stage = 2, filters = 64; stage <= 5; ++stage, filters *= 2) {
    for (int block = 1; block <= 2; ++block) {
      const std::string name = "conv" + std::to_string(stage) + "_" + std::to_string(block);
      const bool down = stage > 2 && block == 1;
      const std::string shortcut = down ? d.conv(name + "_shortcut", filters, 1, 2, from) : from;
      d.conv(name + "a", filters, 3, down ? 2 : 1, from);
      d.relu(name + "a_out");
      const std::string main = d.conv(name + "b", filters, 3, 1);
      d.add(name + "_add", main, shortcut);
      from = d.relu(name + "_out");
    }
  }
  return d.model();
}

Model mobilenet_v2() {
  struct Stage {
    int expansion, channels, blocks, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  Description d("mobilenet-v2");
  d.conv("stem", 32, 3, 2);
  std::string from = d.relu("stem_out");
  int channels = 32, block = 0;
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.blocks; ++i) {
      const std::string name = "block" + std::to_string(++block);
      const int wide = channels * stage.expansion, stride = i == 0 ? stage.stride : 1;
      const std::string start = from;
      if (stage.expansion > 1) {
        d.conv(name + "_expand", wide, 1, 1, from);
        from = d.relu(name + "_expand_out");
      }
      d.conv(name + "_depth", wide, 3, stride, from, true);
      d.relu(name + "_depth_out");
      from = d.conv(name + "_project", stage.channels, 1, 1);
      if (stride == 1 && channels == stage.channels) from = d.add(name + "_add", from, start);
      channels = stage.channels;
    }
  }
  d.conv("last", 1280, 1, 1, from);
  d.relu("last_out");
  return d.model();
}

}  // namespace

const std::vector<LiteratureModel>& literature_models() {
  static const std::vector<LiteratureModel> models = {{"resnet-18", resnet_18}, {"mobilenet-v2", mobilenet_v2}};
  return models;
}

}  // namespace tsugi
