// Plans: the memory that is planned is the trainer's own, the ops that are timed are those of a real step, and the
// largest fraction is one that fits and whose successor does not.
#include <algorithm>
#include <map>

#include "bench/measure/step_bench.h"
#include "bench/plan/cache_model.h"
#include "bench/plan/calibration.h"
#include "bench/plan/measured_device.h"
#include "bench/plan/plan.h"
#include "engine/handover/handover.h"
#include "kernels/api/registry.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

bench::StepRequest request_of(const std::string& model, int size, int batch, DType dtype) {
  bench::StepRequest request;
  request.list = bench::find_shape_list(model);
  request.list.model = with_input_size(request.list.model, size);
  request.settings.batch = batch;
  request.dtype = dtype;
  request.photos = 2 * static_cast<std::size_t>(batch);
  request.preprocessing = default_preprocessing(size);
  return request;
}

/// A device on which a step of anything takes 1 ns a byte and 0.01 ns a FLOP, whatever the shape.
bench::DeviceDescription plain_device() {
  bench::DeviceDescription device;
  device.name = "plain";
  device.kernels = "cpu";
  device.limits.f32 = 1e11;
  device.limits.copy = 1e9;
  device.process_bytes = 10000000;
  for (const char* op : {"conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight"})
    device.efficiencies.push_back({op, "window", DType::f32, {}, {1.0}, 0.0, 0.0, 1.0, {}});
  for (const char* op : {"conv2d_forward", "conv2d_backward_data", "conv2d_backward_weight"})
    device.efficiencies.push_back({op, "depthwise", DType::f32, {}, {1.0}, 0.0, 0.0, 1.0, {}});
  for (const char* op : {"pool_forward", "pool_backward"})
    device.efficiencies.push_back({op, "max", DType::f32, {}, {1.0}, 0.0, 0.0, 1.0, {}});
  for (const char* op :
       {"dense_forward", "dense_backward_data", "dense_backward_weight", "batch_norm_forward", "batch_norm_backward",
        "dropout_forward", "dropout_backward", "add_forward", "activation_forward", "activation_backward",
        "augment_forward", "softmax_cross_entropy", "gradient_norm", "sgd_update"})
    device.efficiencies.push_back({op, "", DType::f32, {}, {1.0}, 0.0, 0.0, 1.0, {}});
  return device;
}

TEST_CASE("the planned memory is what a real trainer plans, to the byte") {
  const auto backend = make_cpu_backend(1);
  for (const std::string& model : builtin_model_names())
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int batch : {1, 3}) {
        if (!backend->supports(dtype)) continue;
        CAPTURE(model);
        CAPTURE(batch);
        const bench::StepRequest request = request_of(model, 16, batch, dtype);
        const bench::RecordedStep planned = bench::record_step(*backend, request);
        bench::StepBenchOptions options;
        options.dtype = dtype;
        options.batch = batch;
        options.brief = true;
        bench::ResultFile file;
        bench::bench_step(*backend, request.list, options, file);
        CHECK(planned.memory.arena == file.step.arena_bytes);
        CHECK(planned.memory.total() == file.step.device_bytes);
        CHECK(planned.memory.micro_batch == file.step.micro_batch);
      }
}

TEST_CASE(
    "the emulator stands for a GPU's scratch memory: its plan is that of its own trainer, which is not the CPU's") {
  const std::unique_ptr<RegistryBackend> nano = emulator(53);
  if (nano == nullptr) return;
  const bench::StepRequest request = request_of("faces-mobile", 16, 2, DType::f32);
  bench::StepBenchOptions options;
  options.batch = 2;
  options.brief = true;
  bench::ResultFile file;
  bench::bench_step(*nano, request.list, options, file);
  CHECK(bench::record_step(*nano, request).memory.arena == file.step.arena_bytes);
  CHECK(bench::record_step(*nano, request).memory.total() == file.step.device_bytes);
  CHECK(bench::record_step(*make_cpu_backend(1), request).memory.arena != file.step.arena_bytes);
}

TEST_CASE("the recorded ops are the calls of a real step, layer by layer") {
  CountingBackend counting(make_cpu_backend(1));
  for (const std::string& model : builtin_model_names()) {
    CAPTURE(model);
    const bench::StepRequest request = request_of(model, 16, 2, DType::f32);
    const bench::RecordedStep recorded = bench::record_step(counting, request);
    CHECK(counting.allocations == 0);        // nothing is taken from the device, and
    CHECK(counting.backward_calls.empty());  // nothing is computed there
    std::map<std::string, int> calls;
    for (const bench::RecordedOp& op : recorded.ops)
      if (op.part == StepPart::backward) ++calls[op.features.op];
    bench::StepBenchOptions options;
    options.batch = 2;
    options.brief = true;
    bench::ResultFile file;
    bench::bench_step(counting, request.list, options, file);
    for (const auto& [op, count] : counting.backward_calls)
      CHECK_MESSAGE(4 * calls[op] == count, op);  // two trainers, a warm-up and a step each
    counting.backward_calls.clear();
    counting.allocations = 0;
    const bench::StepResult predicted = bench::predict_step(plain_device(), counting, request).step;
    CHECK(bench::same_layers(predicted, file.step));
    CHECK(predicted.layers.front().backward_s > 0.0);
  }
}

TEST_CASE("frozen layers cost their forward pass alone, and micro-batches every op again") {
  const auto backend = make_cpu_backend(1);
  bench::StepRequest request = request_of("faces-cnn", 32, 4, DType::f32);
  const bench::StepPrediction whole = bench::predict_step(plain_device(), *backend, request);
  request.settings.freeze_until = "conv4";
  const bench::StepPrediction frozen = bench::predict_step(plain_device(), *backend, request);
  CHECK(frozen.step.layers[0].backward_s == 0.0);
  CHECK(frozen.step.layers[0].forward_s == whole.step.layers[0].forward_s);
  CHECK(frozen.step.step_s < whole.step.step_s);
  CHECK(frozen.memory.arena < whole.memory.arena);
  request.settings.freeze_until = "";
  request.memory_budget = whole.memory.total() - 1;
  const bench::StepPrediction split = bench::predict_step(plain_device(), *backend, request);
  CHECK(split.step.micro_batch == 2);
  CHECK(split.memory.total() <= request.memory_budget);
  CHECK(split.forward_s > whole.forward_s);  // weights are read twice
}

bench::RecordedOp touching(std::vector<bench::Touch> touches) {
  bench::RecordedOp op;
  op.touches = std::move(touches);
  return op;
}

TEST_CASE("what a cache still holds is what was used since, and without one nothing is missed") {
  constexpr std::size_t kMega = 1 << 20;
  const auto holding = [](double bytes) { return bench::CacheCurves{{{bytes, 0.0}, {bytes + 1.0, 1.0}}, {}}; };
  const std::vector<double> seconds = {1.0, 1.0, 4.0, 1.0};
  // a writes, b reads it at once; c sweeps twice the cache; d reads what a wrote.
  const std::vector<bench::RecordedOp> ops = {touching({{0, kMega}}), touching({{0, kMega}}),
                                              touching({{16 * kMega, 8 * kMega}}), touching({{0, kMega}})};
  CHECK(bench::missed_bytes(ops, seconds, {}) == std::vector<double>(4, 0.0));
  const std::vector<double> missed = bench::missed_bytes(ops, seconds, holding(4 * kMega));
  CHECK(missed[0] == 0.0);  // d, in the step before
  CHECK(missed[1] == 0.0);
  CHECK(missed[2] == 8.0 * kMega);
  CHECK(missed[3] == 1.0 * kMega);
  for (const double bytes : bench::missed_bytes(ops, seconds, holding(16 * kMega)))
    CHECK(bytes == 0.0);  // all of it fits
  // Of a curve, the share at each distance: between two uses of a block of d or of c lie all other blocks of the 9 MB.
  const std::vector<double> half =
      bench::missed_bytes(ops, seconds, {{{9.0 * kMega - 16384.0, 0.25}, {9.0 * kMega, 0.5}}, {}});
  CHECK(half[3] == doctest::Approx(0.25 * kMega));
  CHECK(half[2] == doctest::Approx(8.0 * kMega * 0.25));
  // Others take the cache within two seconds: only what the op before left is still there.
  bench::CacheCurves shared = holding(16 * kMega);
  shared.by_seconds = {{0.0, 0.0}, {2.0, 1.0}};
  CHECK(bench::missed_bytes(ops, seconds, shared) == std::vector<double>{0.0, 0.0, 8.0 * kMega, 1.0 * kMega});
}

bench::PlanRequest handover() {
  bench::PlanRequest request;
  request.step = request_of("faces-mobile", 16, 8, DType::f32);
  request.step.settings.epochs = 3;
  request.bundle.train_photos = 200;
  request.bundle.test_photos = 50;
  request.bundle.photo_bytes = 9000.0;
  request.link_bytes_per_s = 1e6;
  return request;
}

TEST_CASE("a hand-over's plan counts photos, steps and bytes") {
  const auto backend = make_cpu_backend(1);
  bench::PlanRequest request = handover();
  request.personal_photos = 7;
  const bench::Plan plan = bench::plan_handover(plain_device(), *backend, request);
  CHECK(plan.sent == 60);
  CHECK(plan.trained == 67);
  CHECK(plan.prediction.steps_per_epoch == 67 * 9 / 8);
  CHECK(plan.epoch_s == doctest::Approx(75 * plan.prediction.step.step_s));
  CHECK(plan.training_s == doctest::Approx(3 * plan.epoch_s));
  CHECK(plan.bundle.photos == doctest::Approx(60 * 9000.0).epsilon(0.1));
  CHECK(plan.bundle.test_photos == doctest::Approx(50 * 9000.0).epsilon(0.1));
  CHECK(plan.transfer_s == doctest::Approx(plan.bundle.total / 1e6));
  const std::size_t stored = static_cast<std::size_t>(request.step.preprocessing.stored_size);
  CHECK(plan.prediction.memory.photos == (67 + 50) * stored * stored * 3);
  CHECK(plan.peak_memory_bytes > plan.prediction.memory.total() + 10000000);
  request.bundle.kind = CheckpointKind::fp16;
  request.bundle.send_test_photos = false;
  const bench::Plan less = bench::plan_handover(plain_device(), *backend, request);
  CHECK(less.bundle.test_photos == 0.0);
  CHECK(less.bundle.checkpoint < 0.5 * plan.bundle.checkpoint);
}

TEST_CASE("a plan as resume trains freezes what resume freezes: nothing, and without old photos all but the head") {
  const auto backend = make_cpu_backend(1);
  bench::PlanRequest request = handover();
  const bench::Plan whole = bench::plan_handover(plain_device(), *backend, request);
  CHECK(whole.freeze_until.empty());
  request.as_resume = true;
  request.personal_photos = 20;
  const bench::Plan plan = bench::plan_handover(plain_device(), *backend, request);
  CHECK(plan.freeze_until == default_freeze(request.step.list.model, request.step.list.classes, true));
  CHECK(plan.prediction.step.layers.front().backward_s > 0.0);
  request.fraction = 0.0;
  const bench::Plan alone = bench::plan_handover(plain_device(), *backend, request);
  CHECK(alone.trained == 20);
  CHECK(alone.freeze_until == default_freeze(request.step.list.model, request.step.list.classes, false));
  const std::vector<bench::StepLayer>& layers = alone.prediction.step.layers;
  CHECK(std::count_if(layers.begin(), layers.end(),
                      [](const bench::StepLayer& layer) { return layer.backward_s > 0.0; }) == 1);
}

TEST_CASE("the largest fraction fits every budget, one photo more does not, and the budget that says so is named") {
  const auto backend = make_cpu_backend(1);
  const bench::DeviceDescription device = plain_device();
  bench::PlanRequest request = handover();
  const auto plan_of = [&](std::size_t sent) {
    bench::PlanRequest one = request;
    one.fraction = static_cast<double>(sent) / 200.0;
    return bench::plan_handover(device, *backend, one);
  };
  const bench::Plan middle = plan_of(120);
  bench::Budgets budgets;
  SUBCASE("time") {
    budgets.training_s = middle.training_s;
    const bench::LargestFraction largest = bench::largest_fraction(device, *backend, request, budgets);
    CHECK(largest.binding == "time");
    CHECK(largest.plan.sent >= 120);  // a step has room for several photos
    CHECK(largest.plan.training_s <= budgets.training_s);
    CHECK(plan_of(largest.plan.sent + 1).training_s > budgets.training_s);
  }
  SUBCASE("memory") {
    budgets.memory_bytes = static_cast<double>(middle.peak_memory_bytes);
    const bench::LargestFraction largest = bench::largest_fraction(device, *backend, request, budgets);
    CHECK(largest.binding == "memory");
    CHECK(largest.plan.sent == 120);
  }
  SUBCASE("transfer, by size and by time, the tighter of two") {
    budgets.transfer_bytes = middle.bundle.total;
    budgets.training_s = 1e9;
    CHECK(bench::largest_fraction(device, *backend, request, budgets).plan.sent == 120);
    budgets.transfer_s = plan_of(100).transfer_s;
    const bench::LargestFraction largest = bench::largest_fraction(device, *backend, request, budgets);
    CHECK(largest.binding == "transfer");
    CHECK(largest.plan.sent == 100);
  }
  SUBCASE("none") {
    budgets.training_s = 1e9;
    const bench::LargestFraction largest = bench::largest_fraction(device, *backend, request, budgets);
    CHECK(largest.binding.empty());
    CHECK(largest.plan.fraction == 1.0);
  }
}

TEST_CASE("what cannot be planned is an error with both values") {
  const auto backend = make_cpu_backend(1);
  const bench::DeviceDescription device = plain_device();
  bench::PlanRequest request = handover();
  request.fraction = 0.0;
  expect_parts(error_of([&] { bench::plan_handover(device, *backend, request); }), {"0 of 200", "at least 1"});
  request.fraction = std::nan("");
  expect_parts(error_of([&] { bench::plan_handover(device, *backend, request); }), {"fraction", "nan"});
  bench::Budgets budgets;
  budgets.training_s = 1e-6;
  expect_parts(error_of([&] { bench::largest_fraction(device, *backend, request, budgets); }),
               {"--max-time", "1e-06 s", "1 photos need"});
  budgets = {};
  budgets.memory_bytes = 1000.0;
  expect_parts(error_of([&] { bench::largest_fraction(device, *backend, request, budgets); }),
               {"--max-memory", "0.001 MB"});
  request.bundle.train_photos = 0;
  expect_parts(error_of([&] { bench::largest_fraction(device, *backend, request, budgets); }), {"0 photos"});
  bench::StepRequest step = request_of("faces-mobile", 16, 8, DType::f32);
  step.photos = 5000000;
  expect_parts(error_of([&] { bench::record_step(*backend, step); }), {"5000000", "4000000"});
  step.photos = 16;
  step.device = "watch";
  step.device_memory = 100000;
  expect_parts(error_of([&] { bench::record_step(*backend, step); }), {"batch 8", "watch", "free"});
  step = request_of("faces-mobile", 16, 8, DType::f16);
  expect_parts(error_of([&] { bench::record_step(*backend, step); }), {"f16"});
}

TEST_CASE("calibration describes every op of every built-in model's step on this machine") {
  const auto backend = make_cpu_backend(1);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (!backend->supports(dtype)) continue;
    bench::CalibrationOptions options;
    options.dtype = dtype;
    options.threads = 1;
    options.brief = true;
    const bench::DeviceDescription device = bench::calibrate(*backend, options);
    CHECK(device.measured);
    CHECK(device.limits.flops(dtype) > 0.0);
    CHECK(device.process_bytes > 1000000);
    const bench::DeviceDescription again = bench::parse_device(bench::to_json(device), "calibrated");
    CHECK(again.efficiencies.size() == device.efficiencies.size());
    CHECK(again.cache.by_bytes.size() == device.cache.by_bytes.size());
    for (const std::string& model : bench::shape_list_names()) {
      const bench::StepPrediction prediction = bench::predict_step(device, *backend, request_of(model, 64, 4, dtype));
      CHECK(prediction.step.step_s > 0.0);
      for (const bench::StepLayer& layer : prediction.step.layers) CHECK_MESSAGE(layer.forward_s > 0.0, layer.layer);
    }
  }
}

TEST_CASE("calibration describes a GPU by the same calls: nothing there is cached") {
  const std::unique_ptr<RegistryBackend> nano = emulator(53);
  if (nano == nullptr) return;
  bench::CalibrationOptions options;
  options.brief = true;
  const bench::DeviceDescription device = bench::calibrate(*nano, options);
  CHECK(device.cache.by_bytes.empty());
  CHECK_FALSE(device.shared_memory);
  CHECK(device.copy_s > 0.0);
  CHECK(bench::predict_step(device, *nano, request_of("faces-mobile", 16, 2, DType::f32)).step.step_s > 0.0);
}

TEST_CASE("calibration measures no layer of a built-in model, and every point of its tables once") {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bench::CalibrationTable& table : bench::calibration_tables(2, dtype, false)) {
      std::size_t points = 1;
      for (const bench::AxisPoints& axis : table.axes) points *= axis.points.size();
      CHECK(table.cases.size() == points);
      for (const std::string& name : builtin_model_names())
        for (const bench::OpCase& layer : bench::op_cases(bench::find_shape_list(name), 16))
          for (const bench::OpCase& made : table.cases) {
            if (!made.product() || made.kind != layer.kind) continue;
            const Conv2dShape &a = made.shape, &b = layer.shape;
            const bool same = a.h == b.h && a.w == b.w && a.c == b.c && a.k == b.k && a.r == b.r &&
                              a.stride_h == b.stride_h && a.groups == b.groups;
            CHECK_FALSE_MESSAGE(same, layer.layer);
          }
    }
}

TEST_CASE("a result file of the board replaces what was derived") {
  const auto backend = make_cpu_backend(1);
  bench::DeviceDescription device = plain_device();
  const bench::StepRequest request = request_of("faces-cnn", 64, 16, DType::f32);
  const bench::StepResult derived = bench::predict_step(device, *backend, request).step;
  bench::ResultFile file = device_file("cpu", 0.0, 0.0);
  SUBCASE("ops: each kind as much slower as its points say") {
    for (const bench::OpCase& op_case : bench::op_cases(request.list, 16)) {
      const bench::OpFeatures f = bench::features_of(op_case, bench::OpPass::forward, DType::f32);
      bench::ResultEntry e;
      e.model = "faces-cnn", e.batch = 16, e.layer = op_case.layer, e.op = f.op, e.dtype = "f32", e.cache = "warm";
      e.name = bench::op_name(op_case, bench::OpPass::forward);
      e.bytes = f.bytes, e.flops = f.flops;
      e.seconds = (f.op == "conv2d_forward" ? 3.0 : 2.0) * bench::seconds_of(device, f, 0.0);
      file.entries.push_back(e);
    }
    bench::apply_result(device, *backend, file, "nano.json");
    const bench::StepResult corrected = bench::predict_step(device, *backend, request).step;
    CHECK(corrected.layers[1].forward_s == doctest::Approx(3.0 * derived.layers[1].forward_s));
    CHECK(corrected.layers[2].forward_s == doctest::Approx(2.0 * derived.layers[2].forward_s));
    CHECK(corrected.layers[1].backward_s == doctest::Approx(derived.layers[1].backward_s));
    CHECK_FALSE(corrected.measured);
    expect_parts(device.results.front(), {"nano.json", "kinds of op", "cpu, made up"});
  }
  SUBCASE("a step: taken as it is for the same one, and a correction for others") {
    file.step = derived;
    file.step.measured = true;
    for (bench::StepLayer& layer : file.step.layers) layer.forward_s *= 2.0, layer.backward_s *= 4.0;
    file.step.step_s = 0.125;
    bench::apply_result(device, *backend, file, "step.json");
    const bench::StepResult same = bench::predict_step(device, *backend, request).step;
    CHECK(same.measured);
    CHECK(same.step_s == 0.125);
    CHECK(same.layers[4].backward_s == file.step.layers[4].backward_s);
    const bench::StepRequest other = request_of("faces-resnet", 64, 8, DType::f32);
    const bench::StepResult plain = bench::predict_step(plain_device(), *backend, other).step,
                            corrected = bench::predict_step(device, *backend, other).step;
    CHECK_FALSE(corrected.measured);
    CHECK(corrected.layers[2].forward_s == doctest::Approx(2.0 * plain.layers[2].forward_s));
    CHECK(corrected.layers[1].forward_s == doctest::Approx(plain.layers[1].forward_s));  // no batch norm was measured
  }
  SUBCASE("limits") {
    file.entries.clear();
    bench::ResultFile fast = device_file("cpu", 200.0, 1.0);
    fast.step = derived;
    fast.step.measured = true;
    bench::apply_result(device, *backend, fast, "fast.json");
    CHECK(device.limits.f32 == 2e11);
  }
  SUBCASE("files that say nothing of this device are refused") {
    expect_parts(error_of([&] { bench::apply_result(device, *backend, file, "empty.json"); }),
                 {"empty.json", "0 of its 0 points"});
    file.entries = {point("conv1", 0.002, 5e8, 4e6)};
    expect_parts(error_of([&] { bench::apply_result(device, *backend, file, "made.json"); }),
                 {"made.json", "0 of its 1 points"});
    file.context.device = "cuda";
    expect_parts(error_of([&] { bench::apply_result(device, *backend, file, "gpu.json"); }),
                 {"gpu.json", "cuda", "plain", "cpu"});
    file.context.device = "cpu";
    file.context.brief = true;
    expect_parts(error_of([&] { bench::apply_result(device, *backend, file, "smoke.json"); }), {"smoke.json", "smoke"});
  }
}

}  // namespace
}  // namespace tsugi::test
