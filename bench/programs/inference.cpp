// Inference of the built-in models (or others) at batch 1, 16 and 64, as eval and predict run it: photos that are
// decoded already to probabilities on the host, in float32.
//   bench_inference [--models=faces-cnn,...] [--batches=1,16,64] [--device=cpu] [--threads=N] [Google Benchmark's
//   flags]
#include <memory>
#include <numeric>

#include "bench/measure/noise_training.h"
#include "bench/programs/program.h"
#include "engine/core/device.h"
#include "engine/train/inference.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;

void infer(benchmark::State& state, Backend& backend, const bench::Limits& limits, const bench::ShapeList& list,
           int batch) {
  try {
    const PhotoStore photos = bench::training_photos(list, (batch + 1) / 2);
    PhotoSource source(backend, photos);
    source.make_resident();
    Network network(backend, list.model, list.class_names());
    network.initialise(1);
    Inference inference(network, batch);
    std::vector<std::uint32_t> asked(static_cast<std::size_t>(batch));
    std::iota(asked.begin(), asked.end(), 0u);
    inference.run(source, asked);  // makes what is made once
    for (auto _ : state) benchmark::DoNotOptimize(inference.run(source, asked).probabilities.data());
    state.counters["arena_bytes"] = static_cast<double>(inference.arena_bytes());
  } catch (const Error& error) {
    state.SkipWithError(error.what());
    return;
  }
  double flops = 0.0;
  for (const LayerCost& cost : layer_costs(list.model, list.classes)) flops += batch * cost.forward_flops;
  state.counters["photos/s"] = rate(state, batch);
  state.counters["flops"] = flops;
  state.counters["GFLOP/s"] = rate(state, flops, 1e9);
  if (limits.f32 > 0.0) state.counters["peak_%"] = rate(state, 100.0 * flops, limits.f32);
}

int run(int argc, char** argv) {
  const std::string chosen = take("--models=", joined(builtin_model_names(), ","), argc, argv);
  const std::vector<std::string> batches = separated(take("--batches=", "1,16,64", argc, argv), ',');
  const int threads = whole(take("--threads=", "0", argc, argv), "--threads=", 0);
  const std::unique_ptr<Backend> backend = make_backend(take("--device=", "cpu", argc, argv), threads);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  bench::ResultContext context = bench::context_of(*backend, "bench_inference", threads);
  context.limits = bench::measure_limits(*backend, nullptr, false);
  for (const std::string& model : separated(chosen, ',')) {
    const bench::ShapeList list = bench::find_shape_list(model);
    for (const std::string& text : batches) {
      const int batch = whole(text, "--batches=", 1);
      benchmark::RegisterBenchmark(
          (list.model.name + "/b" + std::to_string(batch) + "/-/inference/f32/step").c_str(),
          [&, list, batch](benchmark::State& state) { infer(state, *backend, context.limits, list, batch); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return run_registered(context);
}

}  // namespace

int main(int argc, char** argv) {
  return tsugi::bench::guarded("bench_inference", [&] { return run(argc, argv); });
}
