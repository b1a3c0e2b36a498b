// Plans: the memory that is planned is the trainer's own, the ops that are timed are those of a real step, and the
// largest fraction is one that fits and whose successor does not.
#include <algorithm>
#include <map>

#include "bench/measure/step_bench.h"
#include "bench/plan/measured_device.h"
#include "bench/plan/plan.h"
#include "bench/plan/timed_steps.h"
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

bench::StepSource plain_steps(Backend& kernels) {
  return
      [&kernels](const bench::StepRequest& request) { return bench::predict_step(plain_device(), kernels, request); };
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
  const bench::Plan plan = bench::plan_handover(plain_device(), plain_steps(*backend), request);
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
  const bench::Plan less = bench::plan_handover(plain_device(), plain_steps(*backend), request);
  CHECK(less.bundle.test_photos == 0.0);
  CHECK(less.bundle.checkpoint < 0.5 * plan.bundle.checkpoint);
}

TEST_CASE("a plan as resume trains freezes what resume freezes: nothing, and without old photos all but the head") {
  const auto backend = make_cpu_backend(1);
  bench::PlanRequest request = handover();
  const bench::Plan whole = bench::plan_handover(plain_device(), plain_steps(*backend), request);
  CHECK(whole.freeze_until.empty());
  request.as_resume = true;
  request.personal_photos = 20;
  const bench::Plan plan = bench::plan_handover(plain_device(), plain_steps(*backend), request);
  CHECK(plan.freeze_until == default_freeze(request.step.list.model, request.step.list.classes, true));
  CHECK(plan.prediction.step.layers.front().backward_s > 0.0);
  request.fraction = 0.0;
  const bench::Plan alone = bench::plan_handover(plain_device(), plain_steps(*backend), request);
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
    return bench::plan_handover(device, plain_steps(*backend), one);
  };
  const bench::Plan middle = plan_of(120);
  bench::Budgets budgets;
  SUBCASE("time") {
    budgets.training_s = middle.training_s;
    const bench::LargestFraction largest = bench::largest_fraction(device, plain_steps(*backend), request, budgets);
    CHECK(largest.binding == "time");
    CHECK(largest.plan.sent >= 120);  // a step has room for several photos
    CHECK(largest.plan.training_s <= budgets.training_s);
    CHECK(plan_of(largest.plan.sent + 1).training_s > budgets.training_s);
  }
  SUBCASE("memory") {
    budgets.memory_bytes = static_cast<double>(middle.peak_memory_bytes);
    const bench::LargestFraction largest = bench::largest_fraction(device, plain_steps(*backend), request, budgets);
    CHECK(largest.binding == "memory");
    CHECK(largest.plan.sent == 120);
  }
  SUBCASE("transfer, by size and by time, the tighter of two") {
    budgets.transfer_bytes = middle.bundle.total;
    budgets.training_s = 1e9;
    CHECK(bench::largest_fraction(device, plain_steps(*backend), request, budgets).plan.sent == 120);
    budgets.transfer_s = plan_of(100).transfer_s;
    const bench::LargestFraction largest = bench::largest_fraction(device, plain_steps(*backend), request, budgets);
    CHECK(largest.binding == "transfer");
    CHECK(largest.plan.sent == 100);
  }
  SUBCASE("none") {
    budgets.training_s = 1e9;
    const bench::LargestFraction largest = bench::largest_fraction(device, plain_steps(*backend), request, budgets);
    CHECK(largest.binding.empty());
    CHECK(largest.plan.fraction == 1.0);
  }
}

TEST_CASE("what cannot be planned is an error with both values") {
  const auto backend = make_cpu_backend(1);
  const bench::DeviceDescription device = plain_device();
  bench::PlanRequest request = handover();
  request.fraction = 0.0;
  expect_parts(error_of([&] { bench::plan_handover(device, plain_steps(*backend), request); }),
               {"0 of 200", "at least 1"});
  request.fraction = std::nan("");
  expect_parts(error_of([&] { bench::plan_handover(device, plain_steps(*backend), request); }), {"fraction", "nan"});
  bench::Budgets budgets;
  budgets.training_s = 1e-6;
  expect_parts(error_of([&] { bench::largest_fraction(device, plain_steps(*backend), request, budgets); }),
               {"--max-time", "1e-06 s", "1 photos need"});
  budgets = {};
  budgets.memory_bytes = 1000.0;
  expect_parts(error_of([&] { bench::largest_fraction(device, plain_steps(*backend), request, budgets); }),
               {"--max-memory", "0.001 MB"});
  request.bundle.train_photos = 0;
  expect_parts(error_of([&] { bench::largest_fraction(device, plain_steps(*backend), request, budgets); }),
               {"0 photos"});
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

double parts_of(const bench::StepResult& step) {
  double sum = step.data_s + step.augment_s + step.loss_s + step.update_s + step.results_s;
  for (const bench::StepLayer& layer : step.layers) sum += layer.forward_s + layer.backward_s;
  return sum;
}

bench::TimedStepsOptions brief() {
  bench::TimedStepsOptions options;
  options.brief = true;
  return options;
}

TEST_CASE("steps of this machine are timed as they are asked for, each kind once, with the memory of the plan") {
  CountingBackend backend(make_cpu_backend(1));
  bench::StepRequest request = request_of("faces-cnn", 32, 4, DType::f32);
  request.settings.optimizer.kind = OptimizerKind::adam;
  bench::TimedSteps timed(backend, request, brief());
  const std::map<std::string, int> calls = backend.backward_calls;
  CHECK_FALSE(calls.empty());
  request.photos = 1000;
  const bench::StepPrediction whole = timed.predict(request);
  CHECK(backend.backward_calls == calls);  // timed already, and as many photos as planned take memory
  CHECK(whole.memory.photos == bench::record_step(backend, request).memory.photos);
  CHECK(whole.step.device_bytes == whole.memory.total());
  CHECK(whole.steps_per_epoch == 1000 * 9 / 4);
  CHECK(whole.step.measured);
  CHECK(whole.step.step_s > 0.0);
  CHECK(parts_of(whole.step) == doctest::Approx(whole.step.step_s).epsilon(1e-9));
  request.settings.freeze_until = "conv4";
  const bench::StepPrediction frozen = timed.predict(request);
  CHECK(backend.backward_calls != calls);
  CHECK(frozen.step.layers[0].backward_s == 0.0);
  CHECK(frozen.step.layers[0].forward_s > 0.0);
  request.settings.freeze_until = "";
  request.memory_budget = whole.memory.total() - 1;
  const bench::StepPrediction split = timed.predict(request);
  CHECK(split.memory.micro_batch == 2);
  CHECK(split.step.micro_batch == 2);  // of the steps that were timed, too
  CHECK(timed.device().process_bytes > 1000000);
  CHECK(timed.device().limits.f32 > 0.0);
}

TEST_CASE("a machine that timed its steps is a device elsewhere: its steps as they were, other models by kinds of op") {
  const auto backend = make_cpu_backend(1);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (!backend->supports(dtype)) continue;
    bench::TimedSteps timed(*backend, request_of("faces-cnn", 64, 2, dtype), brief());
    std::vector<bench::ShapeList> lists;
    for (const std::string& name : builtin_model_names()) lists.push_back(bench::find_shape_list(name));
    const bench::DeviceDescription made = timed.describe(lists, 2, dtype);
    const bench::DeviceDescription device = bench::parse_device(bench::to_json(made), "here.json");
    CHECK(device.measured);
    CHECK(device.limits.flops(dtype) > 0.0);
    CHECK(device.measured_steps.size() == lists.size());
    for (const std::string& model : builtin_model_names()) {
      const bench::StepRequest request = bench::usual_step(bench::find_shape_list(model), 2, dtype);
      const bench::StepResult here = timed.predict(request).step;
      const bench::StepResult there = bench::predict_step(device, *backend, request).step;
      CHECK(there.measured);
      CHECK(there.step_s == doctest::Approx(here.step_s).epsilon(1e-12));
      CHECK(there.layers[1].forward_s == doctest::Approx(here.layers[1].forward_s).epsilon(1e-12));
    }
    for (const std::string& model : model_names()) {
      const bench::StepResult other = bench::predict_step(device, *backend, request_of(model, 64, 4, dtype)).step;
      CHECK_FALSE(other.measured);
      for (const bench::StepLayer& layer : other.layers) CHECK_MESSAGE(layer.forward_s > 0.0, layer.layer);
    }
    bench::StepRequest frozen = bench::usual_step(bench::find_shape_list("faces-cnn"), 2, dtype);
    frozen.settings.freeze_until = "conv4";
    const bench::StepResult head = bench::predict_step(device, *backend, frozen).step;
    CHECK_FALSE(head.measured);  // what was timed trained every layer
    CHECK(head.layers[0].backward_s == 0.0);
  }
}

TEST_CASE("what is learnt from steps is how fast their kinds of op were, and the mean of several models'") {
  const auto backend = make_cpu_backend(1);
  bench::DeviceDescription device = plain_device();
  const bench::StepRequest a = request_of("faces-mobile", 16, 4, DType::f32),
                           b = request_of("faces-mobile", 16, 8, DType::f32);
  bench::StepResult slow = bench::modelled_step(device, *backend, a).step,
                    fast = bench::modelled_step(device, *backend, b).step;
  for (bench::StepLayer& layer : slow.layers) layer.forward_s *= 8.0;
  for (bench::StepLayer& layer : fast.layers) layer.forward_s *= 2.0;
  slow.augment_s *= 3.0, fast.augment_s *= 3.0;
  bench::DeviceDescription bare = device;
  bare.efficiencies.clear();
  bench::learn_steps(bare, *backend, {{a, slow}, {b, fast}});
  const bench::StepRequest other = request_of("faces-mobile", 16, 2, DType::f32);
  const bench::StepResult was = bench::modelled_step(device, *backend, other).step,
                          is = bench::modelled_step(bare, *backend, other).step;
  for (std::size_t i = 0; i < is.layers.size(); ++i) {
    CHECK(is.layers[i].forward_s == doctest::Approx(4.0 * was.layers[i].forward_s));
    CHECK(is.layers[i].backward_s == doctest::Approx(was.layers[i].backward_s));
  }
  CHECK(is.augment_s == doctest::Approx(3.0 * was.augment_s));
}

TEST_CASE("steps are timed on a GPU by the same calls, and a stop ends them") {
  const std::unique_ptr<RegistryBackend> nano = emulator(53);
  if (nano != nullptr) {
    const bench::StepRequest request = request_of("faces-mobile", 16, 2, DType::f32);
    bench::TimedSteps timed(*nano, request, brief());
    CHECK_FALSE(timed.device().shared_memory);
    CHECK(timed.predict(request).step.step_s > 0.0);
    CHECK(timed.device().kernels == nano->name());
  }
  const auto backend = make_cpu_backend(1);
  bench::TimedStepsOptions options = brief();
  options.should_stop = [] { return true; };
  expect_parts(error_of([&] { bench::TimedSteps(*backend, request_of("faces-mobile", 16, 2, DType::f32), options); }),
               {"plan", "stopped"});
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
      e.seconds = (f.op == "conv2d_forward" ? 3.0 : 2.0) * bench::seconds_of(device, f);
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
