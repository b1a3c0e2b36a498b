// What a device with its own memory asks of the trainer: photos that come a batch at a time, plans that fit, recorded
// steps, and float16 with its loss scale. The emulator stands for the GPU.
#include <cmath>
#include <memory>

#include "engine/core/device.h"
#include "engine/train/inference.h"
#include "kernels/api/registry.h"
#include "tests/engine/limited_backend.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kPlenty = 1 << 30;

/// A layer of every kind that keeps state or draws, small enough for the emulator.
Model tiny() {
  return parse_model(
      model_json(R"({"type": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "pad": 1}, {"type": "batch_norm"},
      {"type": "relu"}, {"type": "max_pool", "kernel": 2}, {"type": "dropout", "rate": 0.3}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})"),
      "test");
}

TrainSettings tiny_settings() {
  TrainSettings settings = short_settings();
  settings.batch = 6;
  return settings;
}

/// A budget that `model` keeps with micro-batches only.
std::size_t half_the_arena(Backend& backend, const Model& model, const PhotoSet& set, const TrainSettings& settings,
                           DType dtype) {
  Training::Options options;
  options.trainer.dtype = dtype;
  const MemoryLayout plan = Training(backend, model, set, settings, options).trainer.memory();
  return plan.total() - plan.arena / 2;
}

TEST_CASE("device names are auto, cpu and so on, and the emulator takes an architecture") {
  const std::string cpu = make_cpu_backend(1)->name();  // "reference" in a build without oneDNN
  CHECK(make_backend("cpu", 1)->name() == cpu);
  CHECK(make_backend("reference", 1)->name() == "reference");
  const std::string chosen = make_backend("auto", 1)->name();
  CHECK((chosen == cpu || chosen == "cuda"));
  expect_parts(error_of([] { make_backend("gpu", 1); }), {"gpu", "auto, cpu, cuda, cudnn, simt, reference"});
  for (const char* wrong : {"cuda:0", "cuda:abc", "cpu:3", "auto:", "reference:75", "simt75", "CPU", "", " cpu"})
    expect_parts(error_of([&] { make_backend(wrong, 1); }),
                 {"device " + std::string(wrong) + ": unknown", "auto, cpu"});
  for (const char* wrong : {"simt:", "simt:abc", "simt:75x", "simt:-3", "simt:7500", "simt:99", "simt:054", "simt:053",
                            "simt: 53", "simt:+53", "simt:52", "simt:999"})
    expect_parts(error_of([&] { make_backend(wrong, 1); }), {"device " + std::string(wrong) + ":", "53, 60", "75, 80"});
  if (emulator() == nullptr) return;
  CHECK(make_backend("simt", 1)->description().find("75") != std::string::npos);
  CHECK(make_backend("simt:53", 1)->description().find("53") != std::string::npos);
  for (const int sm : emulated_architectures())
    CHECK(make_backend("simt:" + std::to_string(sm), 1)->description().find(std::to_string(sm)) != std::string::npos);
  CHECK(choose_precision("auto", *make_backend("simt", 1)) == DType::f32);
  CHECK(choose_precision("fp16", *make_backend("simt", 1)) == DType::f16);
}

TEST_CASE("photos that do not fit the device come a batch at a time, and the run is the same") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = with_input_size(find_model("faces-cnn"), 16);
  LimitedBackend roomy(make_cpu_backend(1), kPlenty);
  Training resident(roomy, model, set, short_settings());
  REQUIRE(resident.trainer.memory().photos_resident);
  CHECK(resident.source.resident());
  CHECK(resident.source.device() != resident.store.pixels());
  const std::vector<StepTotals> expected = resident.steps(5);

  Training::Options options;
  const MemoryLayout& plan = resident.trainer.memory();
  options.trainer.memory_budget = plan.total() - 1;
  LimitedBackend backend(make_cpu_backend(1), kPlenty);
  Training staged(backend, model, set, short_settings(), options);
  REQUIRE_FALSE(staged.trainer.memory().photos_resident);
  CHECK(staged.trainer.memory().micro_batch == plan.micro_batch);  // cheaper than micro-batches
  CHECK(staged.trainer.memory().photos == 7 * staged.store.photo_bytes());
  CHECK_FALSE(staged.source.resident());
  const int before = backend.allocations;
  const std::vector<StepTotals> totals = staged.steps(5);
  CHECK(backend.allocations == before);
  for (std::size_t i = 0; i < 5; ++i) CHECK(totals[i].loss == expected[i].loss);
  CHECK(staged.saved() == resident.saved());
  CHECK(backend.peak_bytes >= staged.trainer.memory().total());
  CHECK(backend.peak_bytes <= staged.trainer.memory().total() + 16);  // an empty buffer takes a byte

  // An evaluation finds the same photos either way.
  Inference from_resident(resident.network, 5), from_staged(staged.network, 5);
  const std::vector<std::uint32_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Predictions a = from_resident.run(resident.source, all), b = from_staged.run(staged.source, all);
  CHECK(a.probabilities == b.probabilities);
  CHECK(a.loss == b.loss);
}

TEST_CASE("a batch that does not fit the device names what is needed, what is free and what to try") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = with_input_size(find_model("faces-cnn"), 16);
  LimitedBackend backend(make_cpu_backend(1), std::size_t{36} << 20);
  expect_parts(error_of([&] { Training(backend, model, set, short_settings()); }),
               {"batch 7", "needs", "free", "--memory", "--batch 3"});
  CHECK(backend.live_bytes == 0);
}

TEST_CASE("the loss scale halves at an overflow and doubles after 2000 finite gradients") {
  LossScale state;
  state = next_loss_scale(state, false);
  CHECK(state.scale == 32768.0f);
  CHECK(state.skip == 1);
  CHECK(state.skipped == 1);
  for (int i = 0; i < 1999; ++i) state = next_loss_scale(state, true);
  CHECK(state.scale == 32768.0f);
  CHECK(state.skip == 0);
  state = next_loss_scale(state, true);
  CHECK(state.scale == 65536.0f);
  CHECK(state.good_steps == 0);
  state.scale = kLargestLossScale;
  for (int i = 0; i < 2000; ++i) state = next_loss_scale(state, true);
  CHECK(state.scale == kLargestLossScale);
}

Training::Options in_float16() {
  Training::Options options;
  options.trainer.dtype = DType::f16;
  return options;
}

std::vector<float> weights_of(const Training& training) {
  std::vector<float> weights(training.network.layout().count());
  training.network.backend().copy_to_host(weights.data(), training.network.parameters(),
                                          weights.size() * sizeof(float));
  return weights;
}

TEST_CASE("float16 training follows float32") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  Training wide(*backend, tiny(), set, tiny_settings()), narrow(*backend, tiny(), set, tiny_settings(), in_float16());
  const std::vector<StepTotals> a = wide.steps(12), b = narrow.steps(12);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i].loss == doctest::Approx(a[i].loss).epsilon(0.02));
  CHECK(narrow.trainer.progress().skipped_steps == 0);
  CHECK(narrow.trainer.progress().loss_scale == 65536.0f);
  CHECK(narrow.trainer.progress().loss_scale_good_steps == 12);
  CHECK(wide.trainer.progress().loss_scale == 0.0f);
}

TEST_CASE("a gradient that overflows float16 is left out, and training goes on with half the scale") {
  const PhotoSet set = make_photos(3, 4);
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    const std::unique_ptr<Backend> backend = make_reference_backend();
    TrainSettings settings = tiny_settings();
    settings.optimizer.kind = kind;
    Training training(*backend, tiny(), set, settings, in_float16());
    Checkpoint checkpoint;
    training.trainer.store(checkpoint);
    checkpoint.progress.loss_scale = 4194304.0f;  // 2^22: gradients of logits near 1/6 are beyond 65504
    training.trainer.load(checkpoint, "test");
    const std::vector<float> start = weights_of(training);
    int left_out = 0;
    while (weights_of(training) == start) {
      REQUIRE(left_out < 10);
      const StepTotals totals = training.trainer.step();
      CHECK(std::isfinite(totals.loss));
      if (weights_of(training) == start) {
        ++left_out;
        CHECK(training.trainer.progress().loss_scale == std::ldexp(1.0f, 22 - left_out));
      }
    }
    CHECK(left_out >= 3);
    CHECK(training.trainer.progress().skipped_steps == static_cast<std::uint32_t>(left_out));
    CHECK(training.trainer.progress().step == static_cast<std::uint32_t>(left_out) + 1);
    CHECK(training.trainer.progress().loss_scale_good_steps == 1);
    if (kind == OptimizerKind::adamw) {
      // The first update that counts is Adam's first: its step is lr, whatever was left out before it.
      const float lr = learning_rate(settings.schedule, settings.optimizer.lr, static_cast<std::uint32_t>(left_out), 4,
                                     settings.epochs);
      float largest = 0.0f;
      const std::vector<float> now = weights_of(training);
      for (std::size_t i = 0; i < now.size(); ++i) largest = std::max(largest, std::fabs(now[i] - start[i]));
      CHECK(largest == doctest::Approx(lr).epsilon(0.02));
    }
  }
}

TEST_CASE("training in float16 goes on bit for bit from a checkpoint, its loss scale too") {
  const PhotoSet set = make_photos(3, 4);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  Training whole(*backend, tiny(), set, tiny_settings(), in_float16());
  Checkpoint start;
  whole.trainer.store(start);
  start.progress.loss_scale = 1048576.0f;
  whole.trainer.load(start, "test");
  whole.steps(6);
  REQUIRE(whole.trainer.progress().skipped_steps > 0);
  Training first(*backend, tiny(), set, tiny_settings(), in_float16());
  first.trainer.load(start, "test");
  first.steps(2);
  Training second(*backend, tiny(), set, tiny_settings(), in_float16());
  second.load(first.saved());
  second.steps(4);
  CHECK(second.saved() == whole.saved());

  // A run that goes on in float32 forgets the scale.
  Training wide(*backend, tiny(), set, tiny_settings());
  wide.load(first.saved());
  wide.steps(1);
  CHECK(wide.trainer.progress().loss_scale == 0.0f);
  CHECK(wide.trainer.progress().skipped_steps == first.trainer.progress().skipped_steps);
}

TEST_CASE("a recorded step is the plain step, bit for bit, and allocates nothing") {
  const PhotoSet set = make_photos(3, 4);
  if (emulator() == nullptr) return;
  for (const int sm : {53, 75}) {
    for (const DType dtype : {DType::f32, DType::f16}) {
      for (const bool micro : {false, true}) {
        CAPTURE(sm);
        CAPTURE(micro);
        INFO(std::string(name_of(dtype)));
        Training::Options options;
        options.trainer.dtype = dtype;
        TrainSettings settings = tiny_settings();
        settings.optimizer.kind = micro ? OptimizerKind::adamw : OptimizerKind::sgd;
        const std::unique_ptr<Backend> one = emulator(sm), other = emulator(sm);
        if (micro) options.trainer.memory_budget = half_the_arena(*one, tiny(), set, settings, dtype);
        options.trainer.graph = true;
        Training recorded(*one, tiny(), set, settings, options);
        options.trainer.graph = false;
        Training plain(*other, tiny(), set, settings, options);
        REQUIRE((recorded.trainer.memory().micro_batch < 6) == micro);
        recorded.steps(1);
        plain.steps(1);
        const std::size_t before = one->allocations(), before_plain = other->allocations();
        REQUIRE(before > 0);
        const std::vector<StepTotals> a = recorded.steps(5), b = plain.steps(5);  // into the next epoch
        CHECK(one->allocations() == before);
        CHECK(other->allocations() == before_plain);
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].loss == b[i].loss);
        CHECK(recorded.saved() == plain.saved());
        CHECK(weights_of(recorded) == weights_of(plain));
      }
    }
  }
}

/// The highest byte of the arena that `steps` steps change, plus one: it is filled with `pattern` before each.
std::size_t used_of_arena(Training& training, int steps, unsigned char pattern) {
  Backend& backend = training.network.backend();
  const DeviceBuffer& arena = training.trainer.arena();
  const std::vector<unsigned char> fill(arena.bytes(), pattern);
  std::vector<unsigned char> after(arena.bytes());
  std::size_t used = 0;
  for (int step = 0; step < steps; ++step) {
    backend.copy_to_device(arena.data(), fill.data(), fill.size());
    training.steps(1);
    backend.copy_to_host(after.data(), arena.data(), after.size());
    for (std::size_t i = after.size(); i > used; --i)
      if (after[i - 1] != pattern) {
        used = i;
        break;
      }
  }
  return used;
}

/// What was planned is what is used: the arena's last tensor ends in its last 256 bytes (offsets are aligned to that),
/// and whatever lay in the arena before a step changes nothing. A backend that wrote behind the arena would be seen by
/// the emulator.
void expect_arena_used(Backend& backend, Backend& other, const Model& model, DType dtype) {
  const PhotoSet set = make_photos(3, 4);
  Training::Options options;
  options.trainer.dtype = dtype;
  Training training(backend, model, set, tiny_settings(), options),
      untouched(other, model, set, tiny_settings(), options);
  const std::size_t planned = training.trainer.memory().arena;
  REQUIRE(training.trainer.arena().bytes() == planned);
  // A byte may be what it was by chance: not in two patterns, or not in three steps.
  const std::size_t used = std::max(used_of_arena(training, 3, 0xFF), used_of_arena(training, 3, 0x5A));
  CHECK(used <= planned);
  CHECK(used + 256 > planned);
  untouched.steps(6);
  CHECK(training.saved() == untouched.saved());
}

TEST_CASE("a training step uses the planned arena to its end, and nothing that was in it before") {
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    const std::unique_ptr<Backend> one = make_cpu_backend(1), other = make_cpu_backend(1);
    expect_arena_used(*one, *other, with_input_size(find_model(name), 16), DType::f32);
  }
  if (emulator() == nullptr) return;
  for (const DType dtype : {DType::f32, DType::f16}) {
    const std::unique_ptr<Backend> one = emulator(), other = emulator();
    expect_arena_used(*one, *other, tiny(), dtype);
  }
}

}  // namespace
}  // namespace tsugi::test
