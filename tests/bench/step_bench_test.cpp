// Where a step's time goes, on a clock that only ops and copies move: one second each.
#include <algorithm>

#include "bench/measure/step_bench.h"
#include "kernels/api/registry.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

bench::ShapeList tiny() {
  return {parse_model(R"({"name": "tiny", "input": [16, 16, 3], "layers": [
    {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 3, "stride": 2, "pad": 1}, {"type": "batch_norm", "name": "bn1"},
    {"type": "relu"}, {"type": "conv2d", "name": "conv2", "filters": 4, "kernel": 3, "pad": 1},
    {"type": "global_average_pool", "name": "pool"}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"}]})",
                      "test"),
          3};
}

TEST_CASE("each layer and each phase gets the time of its own ops, and the parts sum up to the step") {
  TickingBackend backend(make_cpu_backend(1));
  bench::StepBenchOptions options;
  options.batch = 4;
  options.min_seconds = 0.0;
  options.min_steps = 3;
  bench::ResultFile file;
  bench::bench_step(backend, tiny(), options, file);
  const bench::StepResult& step = file.step;
  CHECK(step.measured);
  CHECK(step.steps == 3);
  CHECK(step.micro_batch == 4);
  CHECK(step.step_s > 0.0);
  CHECK(step.arena_bytes > 0);
  CHECK(step.device_bytes > step.arena_bytes);
  CHECK(step.peak_memory_bytes > step.device_bytes);
  REQUIRE(step.layers.size() == 5);
  const auto expect = [&](std::size_t i, const char* name, const char* op, double forward, double backward) {
    CAPTURE(name);
    CHECK(step.layers[i].layer == name);
    CHECK(step.layers[i].op == op);
    CHECK(step.layers[i].forward_s == forward);
    CHECK(step.layers[i].backward_s == backward);
  };
  expect(0, "conv1", "conv2d", 1.0, 1.0);  // nothing needs the gradient of the photo
  expect(1, "bn1", "batch_norm", 1.0, 1.0);
  expect(2, "conv2", "conv2d", 1.0, 2.0);
  expect(3, "pool", "global_average_pool", 0.0, 0.0);  // pools do not tick
  expect(4, "head", "dense", 1.0, 2.0);
  CHECK(step.augment_s == 1.0);
  CHECK(step.loss_s == 1.0);
  CHECK(step.update_s == 1.0);
  CHECK(step.data_s == 1.0);  // the upload
  CHECK(step.results_s == 0.0);
  CHECK(step.parts_s == 4.0 + 6.0 + 4.0);
  CHECK(step.watched_step_s == step.parts_s);
  CHECK(step.layers[0].forward_flops == 2.0 * 4 * 8 * 8 * 4 * 27);
}

TEST_CASE("a real step's parts leave no gap: their sum is the step, seen from the first to the last border") {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  if (auto simt = emulator(53)) backends.push_back(std::move(simt));
  for (const auto& backend : backends) {
    CAPTURE(backend->name());
    bench::ResultFile file;
    bench::StepBenchOptions options;
    options.batch = 4;
    options.brief = true;
    bench::bench_step(*backend, tiny(), options, file);
    // One step, so that medians are the step's own parts: what is left is the rounding of the sums.
    CHECK(file.step.watched_step_s > 0.0);
    CHECK(file.step.parts_s == doctest::Approx(file.step.watched_step_s).epsilon(1e-9));
    const auto step = std::find_if(file.entries.begin(), file.entries.end(),
                                   [](const bench::ResultEntry& e) { return e.op == "step"; });
    REQUIRE(step != file.entries.end());
    CHECK(step->name == "tiny/b4/-/step/f32/step");
    CHECK(step->seconds == file.step.step_s);
    const bench::ResultFile again = bench::parse_result_file(
        [&] {
          file.context.version = "1", file.context.commit = "2", file.context.device = backend->name();
          return bench::to_json(file, true);
        }(),
        "step.json");
    CHECK(again.step.measured);
    CHECK(again.step.step_s == file.step.step_s);
    CHECK(again.step.peak_memory_bytes == file.step.peak_memory_bytes);
    REQUIRE(again.step.layers.size() == file.step.layers.size());
    CHECK(again.step.layers[2].backward_s == file.step.layers[2].backward_s);
    CHECK(again.entries.size() == file.entries.size());
  }
}

}  // namespace
}  // namespace tsugi::test
