// Tuning a model: which calls are measured, and that the winners are found, taken and checked, on a device whose clock
// is made up.
#include "bench/tune/tune_model.h"

#include <algorithm>
#include <set>

#include "engine/model/builtin_models.h"
#include "kernels/api/registry.h"
#include "tests/bench/choosy_backend.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr const char* kTiny = R"({"name": "tiny", "input": [8, 8, 3], "layers": [
  {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 3, "pad": 1}, {"type": "relu"},
  {"type": "conv2d", "name": "conv2", "filters": 4, "kernel": 3, "pad": 1, "bias": false},
  {"type": "batch_norm", "name": "bn"}, {"type": "relu"},
  {"type": "conv2d", "name": "conv3", "filters": 4, "kernel": 3, "pad": 1, "bias": false}, {"type": "relu"},
  {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"}]})";

bench::ShapeList tiny() { return {parse_model(kTiny, "tiny"), 4}; }

bench::TuneOptions quick() {
  bench::TuneOptions options;
  options.batch = 2;
  options.seconds = 20.0;  // of the host's clock: never used up
  return options;
}

TEST_CASE("the calls of a step are what the step issues, with what is fused into them") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  const std::vector<bench::ModelCall> calls = bench::model_calls(*backend, tiny(), 2, DType::f32);
  const auto find = [&](const std::string& layer, bench::OpPass pass) {
    const auto found = std::find_if(calls.begin(), calls.end(), [&](const bench::ModelCall& one) {
      return one.op_case.layer == layer && one.pass == pass;
    });
    REQUIRE(found != calls.end());
    return *found;
  };
  const bench::ModelCall first = find("conv1", bench::OpPass::forward);
  CHECK(first.op_case.epilogue.bias);
  CHECK(first.op_case.epilogue.activation.kind == ActivationKind::relu);
  CHECK(first.call.shape.c == 3);
  const bench::ModelCall second = find("conv2", bench::OpPass::forward);
  CHECK_FALSE(second.op_case.epilogue.bias);
  CHECK(second.op_case.epilogue.activation.kind == ActivationKind::none);  // the batch norm has it
  CHECK(second.times == 2);                                                // conv3 has its shape
  // Backward comes in reverse, so that conv3 is the first of this shape; its input is the batch norm's, which masks
  // itself.
  CHECK(find("conv3", bench::OpPass::backward_weight).times == 2);
  CHECK(find("conv3", bench::OpPass::backward_data).op_case.epilogue.activation.kind == ActivationKind::none);
  CHECK(find("head", bench::OpPass::forward).call.dense);
  CHECK(calls.size() ==
        3 + 2 + 1 + 2);  // forward: conv1, conv2, head; backward: conv3 twice, conv1 without data, head twice
}

TEST_CASE("the calls of the built-in models are their products, each pass once a shape") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    const bench::ShapeList list = bench::find_shape_list(name);
    std::set<KernelCall> seen;
    int forward = 0;
    for (const bench::ModelCall& one : bench::model_calls(*backend, list, 16, DType::f32)) {
      CHECK(seen.insert(one.call).second);
      CHECK_NOTHROW(validate(one.call.shape, "call"));
      if (one.pass == bench::OpPass::forward) forward += one.times;
    }
    int products = 0;
    for (const bench::OpCase& op_case : bench::op_cases(list, 16)) products += op_case.product() ? op_case.times : 0;
    CHECK(forward == products);
  }
}

TEST_CASE("the fastest kernel of every call is found, taken, and shortens the step") {
  ChoosyBackend backend;
  const bench::TuneResult result = bench::tune_model(backend, tiny(), quick());
  CHECK(result.calls.size() == 5);
  CHECK(result.without_choice == 3);
  CHECK(result.changed() == 5);
  CHECK(result.undecided() == 0);
  for (const bench::TunedCall& call : result.calls) {
    CHECK(call.kernels[call.search.chosen] == "fast");
    CHECK(call.search.ratio == doctest::Approx(3.0 / 4.0));  // a tick of its own is on top of each
    CHECK(backend.chosen(call.made.call) == "fast");
  }
  CHECK(result.kept);
  CHECK(result.check.pairs >= 3);
  CHECK(result.check.failure.empty());
  // Eight convolutions a step, each a tick faster.
  CHECK(result.check.default_s - result.check.tuned_s == doctest::Approx(8.0));
  CHECK(result.check.ratio == doctest::Approx(result.check.tuned_s / result.check.default_s));
}

TEST_CASE("winners that make the step slower are given up") {
  ChoosyBackend backend;
  backend.step_penalty = 100.0;
  const bench::TuneResult result = bench::tune_model(backend, tiny(), quick());
  CHECK_FALSE(result.kept);
  CHECK(result.check.ratio > 1.0);
  CHECK(result.changed() == 0);
  for (const bench::TunedCall& call : result.calls) CHECK(backend.chosen(call.made.call) == "usual");
}

TEST_CASE("defaults that nothing beats stay, and no step is compared") {
  ChoosyBackend backend;
  backend.cost = {{"usual", 2.0}, {"fast", 2.0}, {"slow", 2.01}};
  const bench::TuneResult result = bench::tune_model(backend, tiny(), quick());
  CHECK(result.changed() == 0);
  CHECK(result.undecided() == 0);
  CHECK(result.check.pairs == 0);
  CHECK(result.check.failure.empty());
}

TEST_CASE("a budget that is used up, and a stop, leave the defaults") {
  ChoosyBackend backend;
  bench::TuneOptions options = quick();
  options.seconds = 0.0;
  bench::TuneResult result = bench::tune_model(backend, tiny(), options);
  CHECK(result.changed() == 0);
  CHECK(result.undecided() == 5);
  for (const bench::TunedCall& call : result.calls) CHECK(call.search.candidates.size() == call.kernels.size());
  options = quick();
  int asked = 0;
  options.should_stop = [&] { return ++asked > 40; };  // in the midst of the first calls
  result = bench::tune_model(backend, tiny(), options);
  CHECK(result.undecided() > 0);
  for (const bench::TunedCall& call : result.calls)
    CHECK(backend.chosen(call.made.call) == call.kernels[call.search.chosen]);
}

TEST_CASE("a device without a choice cannot be tuned") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  expect_parts(error_of([&] { bench::tune_model(*backend, tiny(), quick()); }), {"reference", "nothing to tune"});
}

TEST_CASE("the emulated GPU is tuned through the same interface, over its rows") {
  const std::unique_ptr<RegistryBackend> backend = emulator(53);
  if (backend == nullptr) return;
  bench::ShapeList list = tiny();
  bench::TuneOptions options = quick();
  options.seconds = 60.0;
  options.search.max_rounds = 3;  // shows that it runs: the emulator's times mean nothing
  options.sample_seconds = 0.0;
  options.batch = 1;
  const bench::TuneResult result = bench::tune_model(*backend, list, options);
  CHECK(result.without_choice == 0);
  CHECK(result.calls.size() == 8);
  for (const bench::TunedCall& call : result.calls) {
    CAPTURE(call.made.op_case.layer);
    CHECK(call.kernels.size() > 1);
    CHECK(call.search.candidates[0].turns == 3);
    for (const bench::SearchedCandidate& candidate : call.search.candidates) CHECK(candidate.failure.empty());
  }
}

}  // namespace
}  // namespace tsugi::test
