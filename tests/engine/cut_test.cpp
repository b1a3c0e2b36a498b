// Cutting a model: where it may be cut, that both parts together compute what the whole computes, and what a cut saves.
#include "engine/model/cut.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/core/arena.h"
#include "engine/handover/parts.h"
#include "engine/model/executor.h"
#include "engine/model/parameters.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kClasses = 3, kBatch = 2;

/// A stem, a residual block, and a tail behind it.
constexpr const char* kResidual =
    R"({"type": "conv2d", "name": "stem", "filters": 5, "kernel": 3, "pad": 1}, {"type": "relu", "name": "stem_out"},
    {"type": "conv2d", "name": "conv1", "filters": 5, "kernel": 3, "pad": 1}, {"type": "batch_norm", "name": "bn1"},
    {"type": "add", "name": "sum", "inputs": ["bn1", "stem_out"]}, {"type": "relu", "name": "out"},
    {"type": "dropout", "name": "drop", "rate": 0.3}, {"type": "conv2d", "name": "conv2", "filters": 4, "kernel": 3, "stride": 2},
    {"type": "batch_norm", "name": "bn2"}, {"type": "leaky_relu", "name": "act2", "slope": 0.1},
    {"type": "global_average_pool", "name": "gap"}, {"type": "flatten", "name": "flat"}, {"type": "dense", "name": "head", "units": "classes"})";

Model residual() { return parse_model(model_json(kResidual), "residual"); }

std::vector<std::string> names(const std::vector<CutPlace>& places) {
  std::vector<std::string> result;
  for (const CutPlace& place : places) result.push_back(place.layer);
  return result;
}

/// Parameters of a layout by name, so that parts get the values of the whole.
class Weights {
 public:
  Weights(const Model& model, std::uint64_t seed)
      : layout_(model, kClasses), parameters_(layout_.count()), statistics_(layout_.statistics_count()) {
    initialise_parameters(layout_, model, seed, parameters_.data());
    initialise_statistics(layout_, statistics_.data());
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> draw(0.5f, 1.5f);
    for (const ParameterInfo& info : layout_.parameters())
      if (info.name.find("gamma") != std::string::npos || info.name.find("bet") != std::string::npos ||
          info.name.find("bias") != std::string::npos)
        for (std::size_t i = 0; i < info.count; ++i) parameters_[info.offset + i] = draw(random);
    for (const ParameterInfo& info : layout_.statistics())
      for (std::size_t i = 0; i < info.count; ++i) statistics_[info.offset + i] = draw(random);
  }

  /// Output of `part` ([kBatch, outputs], of a part of this model) for `input`.
  std::vector<float> run(Backend& backend, const Model& part, const std::vector<float>& input) const {
    const ParameterLayout layout(part, kClasses);
    std::vector<float> parameters(layout.count()), statistics(layout.statistics_count());
    copy(layout.parameters(), layout_.parameters(), parameters_, parameters);
    copy(layout.statistics(), layout_.statistics(), statistics_, statistics);
    Executor executor(backend, part, layout, kClasses, kBatch, DType::f32, ExecutorMode::inference);
    DeviceBuffer arena(backend, executor.arena_bytes());
    executor.bind(arena.data());
    REQUIRE(input.size() == part.input.count() * kBatch);
    backend.copy_to_device(executor.input(), input.data(), input.size() * sizeof(float));
    Pass pass;
    pass.parameters = parameters.data();
    pass.compute = parameters.data();
    pass.statistics = statistics.data();
    executor.forward(pass);
    std::vector<float> output(infer_shapes(part, kClasses).back().count() * kBatch);
    backend.copy_to_host(output.data(), executor.logits(), output.size() * sizeof(float));
    return output;
  }

 private:
  static void copy(const std::vector<ParameterInfo>& wanted, const std::vector<ParameterInfo>& known,
                   const std::vector<float>& from, std::vector<float>& to) {
    for (const ParameterInfo& info : wanted) {
      const auto found =
          std::find_if(known.begin(), known.end(), [&](const ParameterInfo& k) { return k.name == info.name; });
      REQUIRE(found != known.end());
      REQUIRE(found->shape == info.shape);
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(found->offset), info.count,
                  to.begin() + static_cast<std::ptrdiff_t>(info.offset));
    }
  }

  ParameterLayout layout_;
  std::vector<float> parameters_, statistics_;
};

std::vector<float> random_input(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> draw;
  std::vector<float> values(count);
  for (float& value : values) value = draw(random);
  return values;
}

TEST_CASE("lower and upper part together compute what the whole model computes, wherever it is cut") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model small_resnet = with_input_size(find_model("faces-resnet"), 16);
  for (const Model& model : {residual(), small_resnet}) {
    const Weights weights(model, seed);
    const std::vector<float> input = random_input(model.input.count() * kBatch, seed);
    const std::vector<float> whole = weights.run(*backend, model, input);
    float largest = 0.0f;
    for (const float value : whole) largest = std::max(largest, std::fabs(value));
    REQUIRE(largest > 0.0f);
    for (const CutPlace& place : cut_places(model, kClasses)) {
      if (model.layers.size() > 20 && place.layer.find("_out") == std::string::npos && place.layer != "stem_bn")
        continue;  // the reference is slow
      CAPTURE(place.layer);
      const ModelCut cut = cut_model(model, place.layer);
      CHECK(cut.lower.layers.size() + cut.upper.layers.size() == model.layers.size());
      CHECK(cut.lower.layers.back().name == place.layer);
      CHECK(cut.upper.input == place.shape);
      const std::vector<float> parts = weights.run(*backend, cut.upper, weights.run(*backend, cut.lower, input));
      REQUIRE(parts.size() == whole.size());
      // A cut inside a fused chain stores what the whole kept in double: a rounding or two more, 2^-24 each, through a
      // few layers.
      for (std::size_t i = 0; i < whole.size(); ++i) CHECK(std::fabs(parts[i] - whole[i]) <= 1e-5f * largest);
    }
  }
}

TEST_CASE("a model can be cut where one value crosses, and nowhere else") {
  CHECK(names(cut_places(residual(), kClasses)) ==
        std::vector<std::string>{"stem", "stem_out", "sum", "out", "drop", "conv2", "bn2", "act2", "gap", "flat"});
  const std::vector<std::string> resnet = names(cut_places(find_model("faces-resnet"), 30));
  for (const char* legal :
       {"stem", "stem_bn", "stem_out", "block1_out", "block2_out", "block3_add", "block4_out", "block5_out"})
    CHECK(std::count(resnet.begin(), resnet.end(), legal) == 1);
  for (const char* crossed :
       {"block1_conv1", "block1_bn2", "block2_pool", "block2_proj_bn", "block4_bn2", "block5_conv1", "head"})
    CHECK(std::count(resnet.begin(), resnet.end(), crossed) == 0);
}

TEST_CASE("a layer that cannot be cut at is refused with the reason and the layers that can") {
  const Model model = residual();
  const auto refusal = [&](const char* layer) { return error_of([&] { cut_model(model, layer); }); };
  expect_parts(refusal("nowhere"), {"test", "nowhere", "no such layer", "stem, stem_out, sum, out"});
  expect_parts(refusal("head"), {"head", "nothing would be left to train", "stem, stem_out"});
  expect_parts(refusal("conv1"), {"conv1", "sum reads stem_out", "stem, stem_out, sum"});
  expect_parts(refusal("bn1"), {"bn1", "sum reads stem_out"});
  const Model flat =
      parse_model(model_json(R"({"type": "flatten", "name": "flat"}, {"type": "dense", "name": "fc", "units": 4},
      {"type": "dense", "name": "head", "units": "classes"})"),
                  "flat");
  expect_parts(error_of([&] { cut_model(flat, "flat"); }), {"flat", "nothing is computed", "cut at fc"});
  const Model around = parse_model(model_json(R"({"type": "conv2d", "name": "conv", "filters": 3, "kernel": 1},
      {"type": "add", "name": "sum", "inputs": ["conv", "input"]}, {"type": "flatten", "name": "flat"}, {"type": "dense", "name": "head", "units": "classes"})"),
                                   "around");
  expect_parts(error_of([&] { cut_model(around, "conv"); }), {"conv", "sum reads the model's input"});
  const Model one = parse_model(
      model_json(R"({"type": "flatten", "name": "flat"}, {"type": "dense", "name": "head", "units": "classes"})"),
      "one");
  expect_parts(error_of([&] { default_cut(one, 2); }), {"cannot be cut at any layer"});
}

/// FLOPs a training step counts a sample, from the costs of the whole model: forward, the weights' gradient, and the
/// input's gradient where the input is trained, too. first: the first layer that is trained; earlier ones cost nothing
/// (their output is stored) or are not there.
double counted_flops(const Model& model, int classes, int first) {
  const std::vector<LayerCost> costs = layer_costs(model, classes);
  double flops = 0.0;
  for (int i = first; i < static_cast<int>(costs.size()); ++i) {
    const bool input_trained = model.layers[static_cast<std::size_t>(i)].inputs[0] >= first;
    flops += (input_trained ? 3.0 : 2.0) * costs[static_cast<std::size_t>(i)].forward_flops;
  }
  return flops;
}

TEST_CASE("at the default cut a training step costs at least four times less, counted from the layers") {
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    const Model model = find_model(name);
    const CutPlace place = default_cut(model, 30);
    CAPTURE(place.layer);
    int cut = 0;
    while (model.layers[static_cast<std::size_t>(cut)].name != place.layer) ++cut;
    const double whole = counted_flops(model, 30, 0), upper = counted_flops(model, 30, cut + 1);
    CHECK(whole == training_flops(model, 30));
    CHECK(upper == place.training_flops);
    CHECK(place.share == doctest::Approx(upper / whole));
    CHECK(whole >= 4.0 * upper);
    CHECK(upper >
          counted_flops(model, 30, static_cast<int>(model.layers.size()) - 1));  // more than the head is trained
    CHECK(model.layers[static_cast<std::size_t>(cut)].kind->node.has_value());
  }
  CHECK(default_cut(find_model("faces-resnet"), 30).layer == "block4_out");  // behind its ReLU, not before
}

TEST_CASE("where no cut is cheap enough the default is the cheapest") {
  const Model model = residual();
  const CutPlace cheapest = default_cut(model, kClasses, 1e-9);
  for (const CutPlace& place : cut_places(model, kClasses)) CHECK(place.training_flops >= cheapest.training_flops);
  CHECK(cheapest.layer == "gap");
  CHECK(cheapest.training_flops == 2.0 * 2.0 * 4 * kClasses);  // the head's forward and its weights' gradient, 4 inputs
}

NamedTensor tensor(const std::string& name, std::vector<float> values) {
  return make_tensor(name, {static_cast<std::int64_t>(values.size())}, values.data());
}

TEST_CASE("a checkpoint's parts hold every tensor once, and join to the whole again") {
  const ModelCut cut = cut_model(residual(), "out");
  Checkpoint whole;
  whole.class_names = {"a", "b"};
  whole.parameters = {tensor("stem.weight", {1, 2}), tensor("conv1.weight", {3}), tensor("conv2.weight", {4}),
                      tensor("head.bias", {5})};
  whole.statistics = {tensor("bn1.running_mean", {6}), tensor("bn2.running_mean", {7})};
  whole.moments["momentum"] = whole.parameters;
  CheckpointParts parts = split_checkpoint(whole, cut, "ckpt");
  CHECK(parts.lower.parameters.size() == 2);
  CHECK(parts.upper.parameters.size() == 2);
  CHECK(parts.upper.parameters[0].name == "conv2.weight");
  CHECK(parts.upper.class_names == whole.class_names);
  Checkpoint joined = parts.upper;
  join_lower(joined, parts.lower);
  const auto same = [](const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK((a[i].name == b[i].name && a[i].data == b[i].data));
  };
  same(joined.parameters, whole.parameters);
  same(joined.statistics, whole.statistics);
  same(joined.moments.at("momentum"), whole.moments.at("momentum"));

  // Another optimizer's moments: none below, zeros in their place.
  parts.upper.moments = {{"adam_m", parts.upper.parameters}};
  join_lower(parts.upper, parts.lower);
  const std::vector<NamedTensor>& moments = parts.upper.moments.at("adam_m");
  REQUIRE(moments.size() == 4);
  CHECK(values_of(moments[0]) == std::vector<float>{0, 0});
  CHECK(values_of(moments[2]) == std::vector<float>{4});

  whole.parameters.push_back(tensor("stranger.weight", {1}));
  expect_parts(error_of([&] { split_checkpoint(whole, cut, "ckpt"); }), {"ckpt", "stranger.weight", "13 layers"});
}

TEST_CASE("a digest of weights sees values, shapes and names") {
  Checkpoint a;
  a.parameters = {tensor("conv1.weight", {1, 2})};
  Checkpoint value = a, shape = a, name = a, statistic = a;
  value.parameters[0] = tensor("conv1.weight", {1, 3});
  shape.parameters[0].shape = {2, 1};
  name.parameters[0].name = "conv2.weight";
  statistic.statistics = {tensor("bn1.running_mean", {0})};
  CHECK(weights_sha256(a) == weights_sha256(Checkpoint(a)));
  for (const Checkpoint& other : {value, shape, name, statistic}) CHECK(weights_sha256(other) != weights_sha256(a));
}

}  // namespace
}  // namespace tsugi::test
