// Whole training steps: augment, forward, loss, backward, update. images/s of the three built-in models in float32 and,
// where the CPU computes in it, bfloat16. bench/train_vs_pytorch.py runs this beside PyTorch, one process a point, so
// that peak memory is the point's own.
//   bench_train_step --benchmark_filter='faces-cnn/fp32' --benchmark_min_time=5
#include <cstdlib>
#include <numeric>

#include "bench/measure/noise_photos.h"
#include "bench/programs/program.h"
#include "engine/core/device.h"
#include "engine/train/photo_source.h"
#include "engine/train/trainer.h"

namespace {

using namespace tsugi;

constexpr int kClasses = 32;

int from_environment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

void train_step(benchmark::State& state, const std::string& model_name, DType dtype) {
  const int threads = from_environment("TSUGI_BENCH_THREADS", 2);
  const std::unique_ptr<Backend> backend = make_backend("cpu", threads);
  if (!backend->supports(dtype)) {
    state.SkipWithError("this CPU does not compute in that type");
    return;
  }
  const Model model = find_model(model_name);
  TrainSettings settings;
  settings.batch = from_environment("TSUGI_BENCH_BATCH", 64);
  settings.epochs = 1000;
  settings.optimizer.lr = 0.001f;
  const PhotoStore store = bench::noise_photos(2 * settings.batch, kClasses, default_preprocessing(model.input.h));
  std::vector<std::string> names;
  for (int i = 0; i < kClasses; ++i) names.push_back("class" + std::to_string(i));
  Network network(*backend, model, names);
  network.initialise(1);
  PhotoSource source(*backend, store);
  std::vector<std::uint32_t> photos(store.size());
  std::iota(photos.begin(), photos.end(), 0u);
  Trainer trainer(network, source, photos, settings, {dtype, 0, true});
  for (int i = 0; i < 3; ++i) trainer.step();
  double flops = 0.0;
  for (const LayerCost& cost : layer_costs(model, kClasses)) flops += cost.forward_flops;
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step());
  state.SetItemsProcessed(state.iterations() * trainer.batch());
  state.counters["batch"] = trainer.batch();
  state.counters["forward_flops_per_image"] = flops;
  state.counters["arena_bytes"] = static_cast<double>(trainer.memory().arena);
  state.counters["peak_memory_bytes"] = static_cast<double>(peak_process_bytes());
}

int run(int argc, char** argv) {
  for (const char* model : {"faces-cnn", "faces-resnet", "faces-mobile"})
    for (const DType dtype : {DType::f32, DType::bf16})
      benchmark::RegisterBenchmark((std::string(model) + "/" + precision_name(dtype)).c_str(),
                                   [model, dtype](benchmark::State& state) { train_step(state, model, dtype); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const bench::ResultContext context =
      bench::context_of(*make_backend("cpu", from_environment("TSUGI_BENCH_THREADS", 2)), "bench_train_step",
                        from_environment("TSUGI_BENCH_THREADS", 2));
  return bench::run_registered(context);
}

}  // namespace

int main(int argc, char** argv) {
  return tsugi::bench::guarded("bench_train_step", [&] { return run(argc, argv); });
}
