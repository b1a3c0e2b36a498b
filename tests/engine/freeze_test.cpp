// --freeze-until: what is frozen stays bit for bit, costs neither backward work nor memory, and the rest learns as if
// nothing were.
#include <cmath>
#include <cstring>
#include <memory>

#include "engine/train/inference.h"
#include "kernels/api/registry.h"
#include "tests/engine/counting_backend.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

Model small(const std::string& name) { return with_input_size(find_model(name), 16); }

/// Frozen until "pool", the dropout has nobody to pass a gradient on to, and the trained sum joins a frozen branch.
Model branched() {
  return parse_model(
      model_json(R"({"type": "conv2d", "name": "conv1", "filters": 6, "kernel": 3, "pad": 1, "bias": false},
      {"type": "batch_norm", "name": "bn1"}, {"type": "relu", "name": "stem"}, {"type": "max_pool", "name": "pool", "kernel": 2},
      {"type": "dropout", "name": "drop", "rate": 0.2},
      {"type": "conv2d", "name": "conv2", "filters": 6, "kernel": 3, "pad": 1, "bias": false}, {"type": "batch_norm", "name": "bn2"},
      {"type": "add", "name": "sum", "inputs": ["bn2", "drop"]}, {"type": "relu"}, {"type": "global_average_pool"},
      {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"})"),
      "branched");
}

TrainSettings frozen_at(const std::string& layer, TrainSettings settings = short_settings()) {
  settings.freeze_until = layer;
  return settings;
}

Checkpoint stored(Training& training) {
  Checkpoint checkpoint;
  training.trainer.store(checkpoint);
  return checkpoint;
}

/// Every tensor of a frozen layer is as it was, every other one has moved. A tensor's layer stands before the last dot
/// of its name.
void expect_only_trained(const std::vector<NamedTensor>& before, const std::vector<NamedTensor>& after,
                         const Model& model, int frozen) {
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    CAPTURE(before[i].name);
    const std::string owner = before[i].name.substr(0, before[i].name.rfind('.'));
    int layer = 0;
    while (model.layers[static_cast<std::size_t>(layer)].name != owner) ++layer;
    const bool same = before[i].data == after[i].data;
    CHECK(same == (layer < frozen));
  }
}

/// Three steps with everything trained leave moments that are not zero; then three with the first layers frozen.
void expect_frozen(Backend& backend, const Model& model, const std::string& layer, OptimizerKind kind,
                   DType dtype = DType::f32) {
  CAPTURE(model.name);
  CAPTURE(layer);
  CAPTURE(name_of(kind));
  const PhotoSet set = make_photos(3, 4);
  TrainSettings settings = short_settings();
  settings.optimizer.kind = kind;
  settings.optimizer.weight_decay = 0.01f;
  Training::Options options;
  options.trainer.dtype = dtype;
  Training whole(backend, model, set, settings, options);
  whole.steps(3);
  const Checkpoint before = stored(whole);

  Training frozen(backend, model, set, frozen_at(layer, settings), options);
  frozen.trainer.load(before, "test");
  frozen.steps(3);
  const Checkpoint after = stored(frozen);
  const int layers = frozen_layers(model, layer);
  expect_only_trained(before.parameters, after.parameters, model, layers);
  expect_only_trained(before.statistics, after.statistics, model, layers);
  REQUIRE(before.moments.size() == (kind == OptimizerKind::sgd ? 1 : 2));
  for (const auto& [name, tensors] : before.moments)
    expect_only_trained(tensors, after.moments.at(name), model, layers);
}

TEST_CASE("frozen layers keep weights, statistics and moments bit for bit, the others learn") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    for (const char* layer : {"conv1", "bn1", "stem", "pool", "drop", "conv2", "bn2", "sum"})
      expect_frozen(*backend, branched(), layer, kind);
    for (const char* layer : {"stem", "block2_proj_bn", "block3_bn1", "block5_out"})
      expect_frozen(*backend, small("faces-resnet"), layer, kind);
    expect_frozen(*backend, small("faces-cnn"), "conv4", kind);
    expect_frozen(*backend, small("faces-mobile"), "depth2", kind);
  }
  if (backend->supports(DType::bf16))
    expect_frozen(*backend, small("faces-resnet"), "block3_bn1", OptimizerKind::sgd, DType::bf16);
}

TEST_CASE("frozen layers keep everything on the emulated GPU too, in float16 and in a recorded step") {
  const std::unique_ptr<Backend> backend = emulator();
  if (backend == nullptr) return;
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw})
    expect_frozen(*backend, branched(), "bn1", kind);
  expect_frozen(*backend, branched(), "conv2", OptimizerKind::sgd, DType::f16);
  std::vector<std::vector<std::uint8_t>> ends;
  for (const bool graph : {true, false}) {
    Training::Options options;
    options.trainer.graph = graph;
    Training training(*backend, branched(), make_photos(3, 4), frozen_at("pool"), options);
    training.steps(4);
    ends.push_back(training.saved());
  }
  CHECK(ends[0] == ends[1]);
}

TEST_CASE("what is not frozen gets the gradient that it gets when everything learns") {
  TrainSettings settings = short_settings();
  settings.frozen_batch_norm = true;    // as the frozen part normalises
  settings.optimizer.clip_norm = 0.0f;  // the whole gradient's norm is another
  const std::unique_ptr<Backend> cpu = make_cpu_backend(1), gpu = emulator();
  for (Backend* backend : {cpu.get(), gpu.get()}) {
    if (backend == nullptr) continue;
    for (const char* layer : {"conv1", "bn1", "stem", "pool", "drop", "conv2", "bn2", "sum"}) {
      CAPTURE(backend->name());
      CAPTURE(layer);
      const Model model = branched();
      const PhotoSet set = make_photos(3, 4);
      Training whole(*backend, model, set, settings), frozen(*backend, model, set, frozen_at(layer, settings));
      const StepTotals a = whole.steps(1)[0], b = frozen.steps(1)[0];
      CHECK(a.loss == b.loss);
      const Checkpoint expected = stored(whole), got = stored(frozen);
      const int layers = frozen_layers(model, layer);
      for (const ParameterInfo& info : whole.network.layout().parameters()) {
        if (info.layer < layers) continue;
        CAPTURE(info.name);
        // The same kernels on the same numbers: not a bit differs.
        CHECK(find_tensor(got.parameters, info.name)->data == find_tensor(expected.parameters, info.name)->data);
      }
    }
  }
}

TEST_CASE("clipping measures the gradient of what learns, and only that") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  TrainSettings settings = frozen_at("pool");
  settings.optimizer.momentum = 0.0f;
  settings.optimizer.nesterov = false;
  settings.optimizer.weight_decay = 0.0f;
  settings.optimizer.clip_norm = 1e-3f;  // far below the gradient's
  settings.schedule = {ScheduleKind::constant, 0.0, 4, 0.1, 0.0};
  Training training(*backend, branched(), make_photos(3, 4), settings);
  const std::size_t count = training.network.layout().count();
  const std::vector<float> before(training.network.parameters(), training.network.parameters() + count);
  training.steps(1);
  std::vector<float> moved(count);
  for (std::size_t i = 0; i < count; ++i) moved[i] = training.network.parameters()[i] - before[i];
  // A step is lr * clip_norm long. Weights near 1 (gamma) round each move of about 1e-6 to 6e-8.
  CHECK(norm(moved.data(), count) == doctest::Approx(1e-3 * static_cast<double>(settings.optimizer.lr)).epsilon(0.02));
}

TEST_CASE("the backward pass stops at the frozen layers, and the arena keeps nothing for it") {
  const PhotoSet set = make_photos(3, 4);
  struct Calls {
    std::map<std::string, int> backward;
    std::size_t arena, used;
  };
  const auto calls_of = [&](const Model& model, const std::string& layer) {
    CountingBackend backend(make_cpu_backend(1));
    Training training(backend, model, set, frozen_at(layer));
    const int allocations = backend.allocations;
    training.steps(2);
    CHECK(backend.allocations == allocations);
    CHECK(backend.peak_bytes + training.store.bytes() <=
          training.trainer.memory().total() + 16);  // an empty buffer takes a byte
    for (auto& [op, calls] : backend.backward_calls) calls /= 2;
    return Calls{backend.backward_calls, training.trainer.memory().arena, backend.peak_bytes};
  };
  using Counts = std::map<std::string, int>;
  const Model cnn = small("faces-cnn");
  const Calls whole = calls_of(cnn, ""), half = calls_of(cnn, "conv4"), head = calls_of(cnn, "fc1");
  CHECK(whole.backward == Counts{{"conv2d_backward_weight", 6},
                                 {"conv2d_backward_data", 5},
                                 {"dense_backward_weight", 2},
                                 {"dense_backward_data", 2},
                                 {"pool_backward", 3},
                                 {"dropout_backward", 2}});
  // conv5 reads a pool that has nobody behind it to pass a gradient to.
  CHECK(half.backward == Counts{{"conv2d_backward_weight", 2},
                                {"conv2d_backward_data", 1},
                                {"dense_backward_weight", 2},
                                {"dense_backward_data", 2},
                                {"pool_backward", 1},
                                {"dropout_backward", 2}});
  CHECK(head.backward == Counts{{"dense_backward_weight", 1}});
  CHECK(half.arena < whole.arena);
  CHECK(head.arena < half.arena);
  CHECK(whole.used - half.used == whole.arena - half.arena);
  CHECK(half.used - head.used == half.arena - head.arena);

  const Calls sum = calls_of(branched(), "pool");
  CHECK(sum.backward == Counts{{"conv2d_backward_weight", 1},
                               {"batch_norm_backward", 1},
                               {"dense_backward_weight", 1},
                               {"dense_backward_data", 1},
                               {"pool_backward", 1}});

  // With the head alone, a step needs what a prediction does, and the gradient of the logits.
  const Model model = small("faces-resnet");
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const ParameterLayout layout(model, 3);
  const Executor frozen(*backend, model, layout, 3, 64, DType::f32, ExecutorMode::training,
                        static_cast<int>(model.layers.size()) - 1),
      everything(*backend, model, layout, 3, 64, DType::f32, ExecutorMode::training),
      prediction(*backend, model, layout, 3, 64, DType::f32, ExecutorMode::inference);
  CHECK(frozen.arena_bytes() <= prediction.arena_bytes() + 64 * 3 * sizeof(float) + 1024);
  CHECK(frozen.arena_bytes() * 3 < everything.arena_bytes());
}

TEST_CASE("the trained ranges are the ends of the weights and of the vectors, decay on the first") {
  const ParameterLayout layout(branched(), 3);
  const auto ranges_of = [&](const char* layer) { return layout.trained_ranges(frozen_layers(branched(), layer)); };
  const std::vector<ParameterRange> whole = ranges_of("");
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].begin == 0);
  CHECK(whole[0].count == layout.count());
  CHECK(whole[0].decayed == layout.decayed());
  const auto offset = [&](int layer, const char* name) { return layout.find(layer, name)->offset; };
  const std::vector<ParameterRange> some = ranges_of("conv2");
  REQUIRE(some.size() == 2);
  CHECK(some[0].begin == offset(11, "weight"));
  CHECK(some[0].begin + some[0].count == layout.decayed());
  CHECK(some[0].decayed == some[0].count);
  CHECK(some[1].begin == offset(6, "gamma"));  // bn2 learns
  CHECK(some[1].begin + some[1].count == layout.count());
  CHECK(some[1].decayed == 0);
  CHECK(ranges_of("sum")[1].begin == offset(11, "bias"));
  CHECK(ranges_of("conv1")[1].begin == layout.decayed());
}

TEST_CASE("a layer that cannot be frozen is named, with those that can") {
  const Model model = small("faces-cnn");
  CHECK(frozen_layers(model, "") == 0);
  CHECK(frozen_layers(model, "conv1") == 1);
  CHECK(frozen_layers(model, "conv2") == 3);
  expect_parts(error_of([&] { frozen_layers(model, "conv9"); }),
               {"--freeze-until", "faces-cnn", "conv9", "conv1, relu2, conv2", "fc1"});
  expect_parts(error_of([&] { frozen_layers(model, "head"); }), {"--freeze-until", "head", "nothing"});
  const Model one = parse_model(
      R"({"name": "t", "input": [1, 1, 3], "layers": [{"type": "dense", "name": "head", "units": "classes"}]})", "t");
  expect_parts(error_of([&] { frozen_layers(one, "x"); }), {"\"x\"", "none"});
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  expect_parts(error_of([&] { Training(*backend, model, make_photos(3, 4), frozen_at("nowhere")); }),
               {"nowhere", "conv1"});
}

}  // namespace
}  // namespace tsugi::test
