// The trainer's contracts: exact continuation, planned memory, gradients over micro-batches, and a clear end on NaN.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "engine/train/evaluation.h"
#include "tests/engine/counting_backend.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kSize = 16;

Model small(const std::string& name) { return with_input_size(find_model(name), kSize); }

void expect_same_totals(const StepTotals& a, const StepTotals& b) {
  CHECK(a.loss == b.loss);
  CHECK(a.correct == b.correct);
  CHECK(a.samples == b.samples);
}

/// N steps against n steps, a checkpoint as bytes, new objects and N - n steps.
void expect_continues(const Model& model, const TrainSettings& settings, DType dtype, const std::vector<int>& cuts) {
  constexpr int kTaken = 5;  // 24 samples in batches of 7 are 3 steps an epoch
  const PhotoSet set = make_photos(3, 4);
  // Two threads compute where it is cheap; on a busy machine they wait for each other at every op.
  const int threads = model.name == "faces-cnn" ? 2 : 1;
  const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
  Training::Options options;
  options.trainer.dtype = dtype;
  Training whole(*backend, model, set, settings, options);
  REQUIRE(whole.trainer.steps_per_epoch() == 3);
  const std::vector<StepTotals> expected = whole.steps(kTaken);
  for (const int cut : cuts) {
    CAPTURE(cut);
    Training first(*backend, model, set, settings, options);
    first.steps(cut);
    const std::vector<std::uint8_t> saved = first.saved();
    const std::unique_ptr<Backend> other = make_cpu_backend(threads);
    options.initial_seed = 999;  // the new process starts from other weights: all of them must come from the checkpoint
    Training second(*other, model, set, settings, options);
    options.initial_seed = 5;
    second.load(saved);
    const std::vector<StepTotals> totals = second.steps(kTaken - cut);
    for (int i = cut; i < kTaken; ++i)
      expect_same_totals(totals[static_cast<std::size_t>(i - cut)], expected[static_cast<std::size_t>(i)]);
    CHECK(second.saved() == whole.saved());
  }
}

TEST_CASE("training goes on bit for bit from a checkpoint, with SGD") {
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    // Within an epoch, at an epoch's end, within the second.
    expect_continues(small(name), short_settings(), DType::f32,
                     name == "faces-cnn" ? std::vector<int>{0, 1, 3, 4} : std::vector<int>{3, 4});
  }
}

TEST_CASE("training goes on bit for bit from a checkpoint, with AdamW and balanced batches") {
  TrainSettings settings = short_settings();
  settings.optimizer.kind = OptimizerKind::adamw;
  settings.optimizer.lr = 0.001f;
  settings.balanced = true;
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    expect_continues(small(name), settings, DType::f32,
                     name == "faces-cnn" ? std::vector<int>{2, 3, 4} : std::vector<int>{2});
  }
}

TEST_CASE("training goes on bit for bit from a checkpoint, with frozen layers") {
  TrainSettings settings = short_settings();
  settings.freeze_until = "block3_bn1";
  expect_continues(small("faces-resnet"), settings, DType::f32, {2, 3});
  settings.freeze_until = "conv5";
  settings.optimizer.kind = OptimizerKind::adamw;
  settings.optimizer.lr = 0.001f;
  expect_continues(small("faces-cnn"), settings, DType::f32, {2});
}

TEST_CASE("training goes on bit for bit from a checkpoint, in bf16") {
  if (!make_cpu_backend(2)->supports(DType::bf16)) {
    MESSAGE("skipped: this CPU does not compute in bf16");
    return;
  }
  expect_continues(small("faces-resnet"), short_settings(), DType::bf16, {2});
  expect_continues(small("faces-cnn"), short_settings(), DType::bf16, {4});
}

TEST_CASE("weights do not depend on the number of decoding threads") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  std::vector<std::uint8_t> expected;
  for (const int threads : {1, 2, 5}) {
    Training::Options options;
    options.decoding_threads = threads;
    Training training(*backend, small("faces-cnn"), set, short_settings(), options);
    training.steps(4);
    if (expected.empty()) expected = training.saved();
    CHECK(training.saved() == expected);
  }
}

TEST_CASE("a learning rate of 0 leaves the weights alone, and another seed gives other weights") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  TrainSettings settings = short_settings();
  const auto weights = [&](int steps) {
    Training training(*backend, small("faces-cnn"), set, settings);
    training.steps(steps);
    const float* begin = training.network.parameters();
    return std::vector<float>(begin, begin + training.network.layout().count());
  };
  const std::vector<float> trained = weights(3);
  settings.seed = 12;
  CHECK(weights(3) != trained);
  settings.optimizer.lr = 0.0f;
  CHECK(weights(3) == weights(0));
}

TEST_CASE("the trainer learns photos that can be told apart") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  TrainSettings settings = short_settings();
  settings.epochs = 12;
  settings.variants = 4;
  settings.batch = 12;
  Training training(*backend, small("faces-resnet"), set, settings);
  const std::vector<StepTotals> totals = training.steps(48);
  // The first loss is near log 3: the head starts small.
  CHECK(totals.front().loss / 12 == doctest::Approx(std::log(3.0)).epsilon(0.2));
  StepTotals last;
  for (std::size_t i = 44; i < 48; ++i) last.add(totals[i]);
  CHECK(last.correct >= 44);  // of 48
}

TEST_CASE("a memory budget is kept by micro-batches, and one too small names both values") {
  const PhotoSet set = make_photos(3, 4);
  TrainSettings settings = short_settings();
  settings.batch = 12;
  const auto plan = [&](std::size_t budget) {
    const std::unique_ptr<Backend> backend = make_cpu_backend(2);
    Training::Options options;
    options.trainer.memory_budget = budget;
    return Training(*backend, small("faces-cnn"), set, settings, options).trainer.memory();
  };
  const MemoryLayout whole = plan(0);
  CHECK(whole.micro_batch == 12);
  CHECK(plan(whole.total()).micro_batch == 12);
  TrainSettings one_by_one = settings;
  one_by_one.batch = 1;
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  const std::size_t one_arena = Training(*backend, small("faces-cnn"), set, one_by_one).trainer.memory().arena;
  const std::size_t least =
      whole.total() - whole.arena + one_arena;  // a little more: augmentation's scratch shrinks too
  REQUIRE(one_arena < whole.arena);
  for (const std::size_t budget : {whole.total() - 1, least + (whole.arena - one_arena) / 2, least}) {
    const MemoryLayout smaller = plan(budget);
    CHECK(smaller.total() <= budget);
    CHECK(smaller.micro_batch < 12);
    CHECK(12 % smaller.micro_batch == 0);
  }
  CHECK(plan(least).micro_batch <= 2);  // scratch of the library grows in jumps: two may need no more than one
  expect_parts(error_of([&] { plan(3 << 20); }), {"3.00 MiB", "needs"});
}

TEST_CASE("micro-batches train as the whole batch does") {
  const PhotoSet set = make_photos(3, 4);
  TrainSettings settings = short_settings();
  settings.batch = 12;
  settings.optimizer.clip_norm = 0.0f;
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const Model model = parse_model(
      model_json(R"({"type": "conv2d", "filters": 6, "kernel": 3}, {"type": "relu"}, {"type": "max_pool", "kernel": 2},
      {"type": "dropout", "rate": 0.3}, {"type": "flatten"}, {"type": "dense", "units": "classes"})"),
      "test");
  Training whole(*backend, model, set, settings);
  Training::Options options;
  options.trainer.memory_budget = whole.trainer.memory().total() - 1;
  Training parts(*backend, model, set, settings, options);
  REQUIRE(parts.trainer.memory().micro_batch < 12);
  const StepTotals a = whole.steps(1)[0], b = parts.steps(1)[0];
  CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-6));
  CHECK(a.correct == b.correct);
  for (const ParameterInfo& info : whole.network.layout().parameters())
    for (std::size_t i = info.offset; i < info.offset + info.count;
         ++i)  // gradients differ by their float32 sums' order: 1e-6
      CHECK(whole.network.parameters()[i] == doctest::Approx(parts.network.parameters()[i]).epsilon(1e-5).scale(0.1));
}

TEST_CASE("nothing is allocated while training, and the plan counts every byte") {
  const PhotoSet set = make_photos(3, 4);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::string& name : builtin_model_names()) {
      for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
        CountingBackend backend(make_cpu_backend(1));
        if (!backend.supports(dtype)) continue;
        CAPTURE(name);
        INFO(std::string(name_of(dtype)));
        TrainSettings settings = short_settings();
        settings.optimizer.kind = kind;
        Training::Options options;
        options.trainer.dtype = dtype;
        Training training(backend, small(name), set, settings, options);
        const int before = backend.allocations;
        training.steps(4);  // an epoch and one step of the next
        CHECK(backend.allocations == before);
        REQUIRE(backend.shares_host_memory());  // so that photos lie in the store, which the plan counts too
        const std::size_t used = backend.peak_bytes + training.store.bytes(),
                          planned = training.trainer.memory().total();
        CHECK(used >= planned);
        CHECK(used <= planned + 16);  // an empty buffer takes a byte
      }
    }
  }
}

TEST_CASE("a loss that is not finite stops the run and names the step") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  TrainSettings settings = short_settings();
  settings.optimizer.lr = 1000.0f;
  settings.optimizer.clip_norm = 0.0f;
  settings.schedule = {ScheduleKind::constant, 0.0, 4, 0.1, 0.0};
  Training training(*backend, small("faces-cnn"), set, settings);
  int finished = 0;
  const std::string error = error_of([&] {
    for (; finished < 50; ++finished) training.trainer.step();
  });
  expect_parts(error, {"step " + std::to_string(finished + 1) + ":", "finite", "--lr"});
  CHECK(training.trainer.progress().step == static_cast<std::uint32_t>(finished));

  // A NaN that is there from the start is found at the first step.
  Training poisoned(*backend, small("faces-resnet"), set, short_settings());
  poisoned.network.parameters()[3] = std::nanf("");
  expect_parts(error_of([&] { poisoned.trainer.step(); }), {"step 1:", "nan"});
}

TEST_CASE("the trainer refuses what it cannot train on") {
  const PhotoSet set = make_photos(3, 2);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Model model = small("faces-cnn");
  Training training(*backend, model, set, short_settings());
  const auto make = [&](Network& network, std::vector<std::uint32_t> photos, const TrainSettings& settings,
                        DType dtype) {
    return error_of([&] { Trainer(network, training.source, std::move(photos), settings, {dtype, 0, true}); });
  };
  expect_parts(make(training.network, {}, short_settings(), DType::f32), {"0 training photos", "1"});
  expect_parts(make(training.network, {0, 1}, short_settings(), DType::f16), {"f16", "cpu"});
  Network narrow(*backend, model, {"p0", "p1"});
  expect_parts(make(narrow, {0, 5}, short_settings(), DType::f32), {"p2/1.png", "2"});
  TrainSettings settings = short_settings();
  settings.batch = 0;
  expect_parts(make(training.network, {0, 1}, settings, DType::f32), {"batch", "0", "1"});
}

TEST_CASE("a checkpoint of another network is refused with the tensor and both shapes") {
  const PhotoSet three = make_photos(3, 4), two = make_photos(2, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  Training of_two(*backend, small("faces-cnn"), two, short_settings()),
      of_three(*backend, small("faces-cnn"), three, short_settings()),
      residual(*backend, small("faces-resnet"), three, short_settings());
  expect_parts(error_of([&] { of_three.load(of_two.saved()); }), {"saved run", "head.weight", "[2,256]", "[3,256]"});
  expect_parts(error_of([&] { of_three.load(residual.saved()); }), {"saved run", "faces-cnn"});
  Checkpoint checkpoint;
  of_three.trainer.store(checkpoint);
  checkpoint.progress.batch = 1000;
  expect_parts(error_of([&] { of_three.trainer.load(checkpoint, "file"); }), {"file", "1000", "3"});
}

TEST_CASE("a network whose outputs are no numbers recognises nobody: the photo is named instead") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  Training training(*backend, small("faces-cnn"), set, short_settings());
  const ParameterInfo& head =
      *training.network.layout().find(static_cast<int>(training.network.model().layers.size()) - 1, "weight");
  for (const float weight :
       {3e38f, std::numeric_limits<float>::quiet_NaN()}) {  // a row of either used to be everybody's
    std::fill_n(training.network.parameters() + head.offset + head.count / 3, head.count / 3, weight);
    Inference inference(training.network, 2);
    expect_parts(error_of([&] { inference.run(training.source, {4, 9}); }), {"p1/0.png", "not a number"});
    expect_parts(error_of([&] { evaluate(inference, training.source, {9}, 3, {}); }), {"p2/1.png", "not a number"});
  }
}

}  // namespace
}  // namespace tsugi::test
