// Model descriptions: what is wrong with one is said with the layer's name and both values; the built-in ones have the
// sizes that one computes by hand.
#include <fstream>

#include "engine/model/graph.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr const char* kHead = R"({"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"})";

std::string error_in(const std::string& layers) {
  return error_of([&] { parse_model(model_json(layers), "net.json"); });
}

std::string error_before_head(const std::string& layer) { return error_in(layer + ", " + kHead); }

TEST_CASE("a model's unknown words are named with their layer") {
  expect_parts(error_before_head(R"({"type": "conv3d", "name": "c1"})"),
               {"net.json", "layer 1", "c1", "conv3d", "conv2d"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": 3, "dilation": 2})"),
               {"net.json", "layer 1", "c1", "conv2d", "dilation"});
  expect_parts(error_before_head(R"({"name": "c1"})"), {"layer 1", "c1", "type"});
  expect_parts(error_before_head(R"({"type": 7, "name": "c1"})"), {"layer 1", "c1", "type"});
  expect_parts(
      error_of([] { parse_model(R"({"name": "x", "input": [8, 8, 3], "layers": [], "foo": 1})", "net.json"); }),
      {"net.json", "foo"});
}

TEST_CASE("a model's missing and impossible values are named with their layer") {
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "kernel": 3})"), {"c1", "filters"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4})"), {"c1", "kernel"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 0, "kernel": 3})"),
               {"c1", "filters", "0", "1"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 2.5, "kernel": 3})"),
               {"c1", "filters", "2.5"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": [3, 3, 3]})"),
               {"c1", "kernel", "3", "2"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": 3, "bias": "yes"})"),
               {"c1", "bias", "yes"});
  expect_parts(error_before_head(R"({"type": "dropout", "name": "d1", "rate": 1.0})"), {"d1", "rate", "1", "below 1"});
  expect_parts(error_before_head(R"({"type": "dropout", "name": "d1", "rate": -0.1})"), {"d1", "rate", "-0.1", "0"});
  expect_parts(error_before_head(R"({"type": "leaky_relu", "name": "l1", "slope": 1.5})"), {"l1", "slope", "1.5"});
  expect_parts(error_before_head(R"({"type": "batch_norm", "name": "b1", "eps": 0})"), {"b1", "eps", "0"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "a.b"})"), {"layer 1", "a.b"});
  expect_parts(error_before_head(R"({"type": "gelux"})"),
               {"layer 1", "\"gelux\"", "known are", "leaky_relu, ", "gelu, "});
  expect_parts(error_before_head(R"({"type": "silu", "slope": 0.1})"), {"a silu layer has no field", "slope"});
}

TEST_CASE("a model's shapes that do not fit are named with their layer and both shapes") {
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": 11})"),
               {"c1", "11x11", "8x8"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": 3, "groups": 2})"),
               {"c1", "2 groups", "3 input", "4"});
  expect_parts(error_before_head(R"({"type": "max_pool", "name": "p1", "kernel": 2, "pad": 2})"), {"p1", "2x2"});
  expect_parts(error_before_head(R"({"type": "max_pool", "name": "p1", "kernel": 16, "pad": 8})"),
               {"p1", "256", "255"});
  expect_parts(error_in(R"({"type": "dense", "name": "head", "units": "classes"})"), {"head", "8x8x3", "1x1"});
  expect_parts(
      error_before_head(
          R"({"type": "conv2d", "name": "c1", "filters": 4, "kernel": 1}, {"type": "add", "name": "a1", "inputs": ["c1", "input"]})"),
      {"a1", "8x8x4", "8x8x3"});
}

TEST_CASE("a model's inputs must be earlier layers, as many as the layer takes") {
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "input": "nobody"})"), {"r1", "nobody"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "input": "r1"})"), {"r1", "earlier"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "input": "head"})"), {"r1", "head", "earlier"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "input": 3})"), {"r1", "3"});
  expect_parts(error_before_head(R"({"type": "add", "name": "a1"})"), {"a1", "0 inputs", "2"});
  expect_parts(error_before_head(R"({"type": "add", "name": "a1", "inputs": ["input"]})"), {"a1", "1 inputs", "2"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "inputs": ["input", "input"]})"),
               {"r1", "2 inputs", "1"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "r1", "input": "input", "inputs": ["input"]})"),
               {"r1", "input", "inputs"});
}

TEST_CASE("a model's names are unique, and its last layer is the head") {
  expect_parts(error_before_head(R"({"type": "relu", "name": "twice"}, {"type": "relu", "name": "twice"})"),
               {"layer 2", "twice", "taken"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "input"})"), {"layer 1", "input", "taken"});
  expect_parts(error_in(R"({"type": "flatten"}, {"type": "dense", "name": "d1", "units": 10})"), {"d1", "classes"});
  expect_parts(
      error_in(
          R"({"type": "flatten"}, {"type": "dense", "name": "d1", "units": "classes"}, {"type": "relu", "name": "r1"})"),
      {"r1", "classes"});
  expect_parts(
      error_in(std::string(R"({"type": "flatten"}, {"type": "dense", "name": "d1", "units": "classes"}, )") + kHead),
      {"layer 2", "d1", "classes"});
}

TEST_CASE("a layer that nobody reads is an error") {
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "used", "filters": 4, "kernel": 3},
                                    {"type": "conv2d", "name": "unused", "filters": 4, "kernel": 3, "input": "used"},
                                    {"type": "relu", "input": "used"})"),
               {"unused", "nobody reads"});
}

TEST_CASE("huge numbers in a model are an error, not an overflow") {
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 99999999999999999999, "kernel": 1})"),
               {"c1", "filters"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 18446744073709551615, "kernel": 1})"),
               {"c1", "filters", "18446744073709551615"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 1048577, "kernel": 1})"),
               {"c1", "1048577", "1048576"});
  expect_parts(error_before_head(R"({"type": "dropout", "name": "d1", "rate": 1e400})"), {"net.json"});
  // Parameters: 1024 * 1024 * 2^20 * 2^20 elements would overflow what counts them.
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 1048576, "kernel": 1, "stride": 8},
                                    {"type": "conv2d", "name": "c2", "filters": 1048576, "kernel": 1024, "pad": 1024, "stride": 1024})"),
               {"c2", "parameters"});
  // 8 x 8 x 2^20 x ... elements a sample
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "filters": 1048576, "kernel": 1, "pad": 1024})"),
               {"c1", "elements"});
  expect_parts(error_of([] {
                 parse_model(R"({"name": "x", "input": [100000, 8, 3], "layers": [{"type": "flatten"}]})", "net.json");
               }),
               {"net.json", "100000", "4096"});
  expect_parts(error_of([] {
                 parse_model(R"({"name": "x", "input": [8, 8, 1], "layers": [{"type": "flatten"}]})", "net.json");
               }),
               {"net.json", "1 channels", "3"});
}

TEST_CASE("a model that is no JSON, or hostile JSON, is an error") {
  const auto error = [](const std::string& text) { return error_of([&] { parse_model(text, "net.json"); }); };
  for (const char* text : {"", "{", "hello", "[]", "null", "{\"name\": \"\xff\"}", "{} {}"}) {
    CAPTURE(text);
    expect_parts(error(text), {"net.json"});
  }
  expect_parts(error(R"({"input": [8, 8, 3], "layers": [{"type": "flatten"}]})"), {"net.json", "name"});
  expect_parts(error(R"({"name": "x", "layers": [{"type": "flatten"}]})"), {"net.json", "input"});
  expect_parts(error(R"({"name": "x", "input": [8, 8, 3]})"), {"net.json", "layers"});
  expect_parts(error(R"({"name": "x", "input": [8, 8, 3], "layers": []})"), {"net.json", "layers"});
  expect_parts(error(R"({"name": "x", "input": [8, 8, 3], "layers": [7]})"), {"net.json", "layer 1", "7"});
  expect_parts(error_before_head(R"({"type": "relu", "name": "a", "name": "b"})"), {"net.json", "name", "twice"});

  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  expect_parts(error(deep), {"net.json"});
  expect_parts(error(R"({"name": "x", "about": )" + deep + "}"), {"net.json", "nested"});
  expect_parts(error_before_head(R"({"type": "conv2d", "name": "c1", "kernel": 1, "filters": )" + deep + "}"),
               {"net.json", "nested"});
}

TEST_CASE("a model is a built-in name or a file, and the error knows the built-in names") {
  expect_parts(error_of([] { find_model("faces-none"); }), {"faces-none", "faces-cnn", "faces-resnet", "faces-mobile"});
  CHECK(builtin_model_names().size() == 3);
  CHECK(builtin_model_names().front() == "faces-resnet");
}

std::size_t parameters_of(const std::string& name, int classes) {
  return ParameterLayout(find_model(name), classes).trained_count();
}

TEST_CASE("faces-cnn is the network of the paper, parameter by parameter") {
  const auto conv = [](std::size_t c, std::size_t k) { return 9 * c * k + k; };
  const std::size_t convolutions =
      conv(3, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64) + conv(64, 128) + conv(128, 128);
  CHECK(convolutions == 287008);
  CHECK(parameters_of("faces-cnn", 32) == convolutions + (8 * 8 * 128 * 256 + 256) + (256 * 32 + 32));
  const std::vector<SampleShape> shapes = infer_shapes(find_model("faces-cnn"), 32);
  CHECK(shapes.back() == SampleShape{1, 1, 32});
  CHECK(shapes[4] == SampleShape{32, 32, 32});
  CHECK(shapes[9] == SampleShape{16, 16, 64});
  CHECK(shapes[14] == SampleShape{8, 8, 128});
}

TEST_CASE("faces-mobile is thirteen convolutions and a head") {
  const auto separable = [](std::size_t c, std::size_t k) { return 9 * c + 2 * c + c * k + 2 * k; };
  CHECK(parameters_of("faces-mobile", 10) == 9 * 3 * 32 + 2 * 32 + separable(32, 64) + separable(64, 128) +
                                                 separable(128, 128) + separable(128, 256) + 2 * separable(256, 256) +
                                                 256 * 10 + 10);
}

TEST_CASE("faces-resnet has fewer than a million parameters, and batch norm has two a channel") {
  const Model model = find_model("faces-resnet");
  const std::size_t total = parameters_of("faces-resnet", 32);
  CHECK(total < 1000000);
  std::size_t sum = 0;
  for (const LayerCost& cost : layer_costs(model, 32)) sum += cost.parameters;
  CHECK(sum == total);
  bool residual = false, normalised = false, pooled = false;
  for (const Layer& layer : model.layers) {
    residual |= layer.kind->node == NodeKind::add;
    normalised |= layer.kind->node == NodeKind::batch_norm;
    pooled |= layer.kind->global;
  }
  CHECK((residual && normalised && pooled));
}

TEST_CASE("costs of layers are what one computes by hand") {
  const Model model = parse_model(
      model_json(R"({"type": "conv2d", "filters": 6, "kernel": [3, 5], "stride": 2, "pad": [1, 2], "groups": 3},
      {"type": "batch_norm"}, {"type": "flatten"}, {"type": "dense", "units": 7, "bias": false}, {"type": "dense", "units": "classes"})"),
      "net.json");
  const std::vector<LayerCost> costs = layer_costs(model, 4);
  CHECK(costs[0].output == SampleShape{4, 4, 6});
  CHECK(costs[0].parameters == 6 * 3 * 5 * 1 + 6);
  CHECK(costs[0].forward_flops == 2.0 * 4 * 4 * 6 * 3 * 5);
  CHECK(costs[1].parameters == 12);
  CHECK(costs[3].parameters == 4 * 4 * 6 * 7);
  CHECK(costs[4].parameters == 7 * 4 + 4);
  CHECK(costs[4].forward_flops == 2.0 * 7 * 4);
}

TEST_CASE("another input size changes the input and nothing else") {
  const Model small = with_input_size(find_model("faces-cnn"), 32);
  CHECK(small.input == SampleShape{32, 32, 3});
  CHECK(infer_shapes(small, 5)[14] == SampleShape{4, 4, 128});
  CHECK(small.training == find_model("faces-cnn").training);
  CHECK(parse_model(small.json, "again").input == small.input);
  expect_parts(error_of([] { with_input_size(find_model("faces-cnn"), 4); }), {"faces-cnn", "4"});
  expect_parts(error_of([] { with_input_size(find_model("faces-cnn"), 0); }), {"faces-cnn", "0"});
  expect_parts(error_of([] { with_input_size(find_model("faces-cnn"), 5000); }), {"faces-cnn", "5000", "4096"});
}

TEST_CASE("fusion leaves one op a group, and inference has no dropout") {
  const Model model = parse_model(
      model_json(R"({"type": "conv2d", "filters": 4, "kernel": 3, "pad": 1}, {"type": "batch_norm", "name": "b"},
      {"type": "conv2d", "filters": 4, "kernel": 1, "input": "input", "name": "p"}, {"type": "batch_norm", "name": "pb"},
      {"type": "add", "inputs": ["b", "pb"]}, {"type": "relu"}, {"type": "dropout"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})"),
      "net.json");
  CHECK(build_graph(model, 2, true).nodes.size() == 6);  // conv, bn, conv, bn + add + relu, dropout, dense
  CHECK(build_graph(model, 2, false).nodes.size() == 5);
  const Graph graph = build_graph(model, 2, true);
  CHECK(graph.nodes[3].kind == NodeKind::batch_norm);
  CHECK(graph.nodes[3].inputs.size() == 2);
  CHECK(graph.nodes[3].activation.kind == ActivationKind::relu);
}

TEST_CASE("every activation joins its producer, and training keeps the input of those that need it") {
  const auto backend = make_reference_backend();
  const auto model_with = [](const std::string& activation) {
    const std::string layer = R"({"type": ")" + activation + R"("})";
    return parse_model(model_json(R"({"type": "conv2d", "filters": 8, "kernel": 3}, )" + layer +
                                  R"(, {"type": "conv2d", "filters": 8, "kernel": 3}, )" + layer +
                                  R"(, {"type": "flatten"}, {"type": "dense", "units": "classes"})"),
                       activation);
  };
  const auto bytes = [&](const Model& model, ExecutorMode mode) {
    return Executor(*backend, model, ParameterLayout(model, 2), 2, 4, DType::f32, mode).arena_bytes();
  };
  const Model relu = model_with("relu");
  for (const LayerKind& kind : layer_kinds()) {
    if (kind.node != NodeKind::activation) continue;
    CAPTURE(std::string(kind.name));
    const Model model = model_with(kind.name);
    const Graph graph = build_graph(model, 2, true);
    CHECK(graph.nodes.size() == 3);
    CHECK(graph.nodes[0].activation.kind == kind.activation);
    CHECK(bytes(model, ExecutorMode::inference) == bytes(relu, ExecutorMode::inference));
    const std::size_t training = bytes(model, ExecutorMode::training), least = bytes(relu, ExecutorMode::training);
    if (saves_input(kind.activation)) {
      CHECK(training > least);
    } else {
      CHECK(training == least);
    }
  }
}

}  // namespace
}  // namespace tsugi::test
