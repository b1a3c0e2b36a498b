// Checkpoints of the built-in models, with momentum, as a training run has them: made ready in memory, written (synced
// and renamed), and read (digest checked).
//   bench_checkpoint [--models=faces-cnn,...] [--folder=DIR] [Google Benchmark's flags]
// The folder (default: the system's temporary one) decides what is measured of a disk: a tmpfs has none. Reading finds
// the file in the system's cache.
#include <filesystem>
#include <map>
#include <memory>

#include "bench/measure/noise_training.h"
#include "bench/programs/program.h"
#include "engine/core/device.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;

namespace fs = std::filesystem;

/// What a run of this model would save after a step.
Checkpoint trained(Backend& backend, const std::string& model) {
  constexpr int kBatch = 2;
  const bench::ShapeList list = bench::find_shape_list(model);
  const PhotoStore photos = bench::training_photos(list, kBatch);
  PhotoSource source(backend, photos);
  bench::NoiseTraining training(backend, list, source, kBatch, {});
  training.trainer().step();
  Checkpoint checkpoint;
  training.trainer().store(checkpoint);
  return checkpoint;
}

/// A file that goes with it.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& folder) {
    std::string made = folder + "/tsugi-bench-XXXXXX";
    if (mkdtemp(made.data()) == nullptr) throw Error("--folder=" + folder + ": nothing can be written there");
    folder_ = made;
  }
  ~ScratchFile() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  std::string path() const { return folder_ + "/checkpoint.safetensors"; }

 private:
  std::string folder_;
};

void add_rates(benchmark::State& state, std::size_t bytes) {
  state.counters["file_bytes"] = static_cast<double>(bytes);
  state.counters["MB/s"] = rate(state, static_cast<double>(bytes), 1e6);
}

void encode(benchmark::State& state, const Checkpoint& checkpoint, CheckpointKind kind) {
  std::size_t bytes = 0;
  for (auto _ : state) bytes = encode_checkpoint(checkpoint, kind).size();
  add_rates(state, bytes);
}

void write(benchmark::State& state, const Checkpoint& checkpoint, CheckpointKind kind, const std::string& folder) {
  const ScratchFile file(folder);
  for (auto _ : state) write_checkpoint(file.path(), checkpoint, kind);
  add_rates(state, fs::file_size(file.path()));
}

void read(benchmark::State& state, const Checkpoint& checkpoint, CheckpointKind kind, const std::string& folder) {
  const ScratchFile file(folder);
  write_checkpoint(file.path(), checkpoint, kind);
  for (auto _ : state) benchmark::DoNotOptimize(read_checkpoint(file.path()).parameters.size());
  add_rates(state, fs::file_size(file.path()));
}

int run(int argc, char** argv) {
  const std::string chosen = take("--models=", joined(builtin_model_names(), ","), argc, argv);
  const std::string folder = take("--folder=", fs::temp_directory_path().string(), argc, argv);
  const std::unique_ptr<Backend> backend = make_backend("cpu", 0);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  { const ScratchFile probe(folder); }
  std::map<std::string, Checkpoint> checkpoints;
  for (const std::string& model : separated(chosen, ',')) checkpoints[model] = trained(*backend, model);
  for (const auto& [model, made] : checkpoints) {
    const Checkpoint& checkpoint = made;
    for (const CheckpointKind kind : {CheckpointKind::full, CheckpointKind::fp16, CheckpointKind::int8}) {
      const auto add = [&, start = model + "/checkpoint/" + name_of(kind) + "/"](const char* op, const auto& function) {
        benchmark::RegisterBenchmark((start + op).c_str(), function)->UseRealTime()->Unit(benchmark::kMillisecond);
      };
      add("encode", [&checkpoint, kind](benchmark::State& state) { encode(state, checkpoint, kind); });
      add("write", [&checkpoint, kind, folder](benchmark::State& state) { write(state, checkpoint, kind, folder); });
      add("read", [&checkpoint, kind, folder](benchmark::State& state) { read(state, checkpoint, kind, folder); });
    }
  }
  return run_registered(bench::context_of(*backend, "bench_checkpoint", 0));
}

}  // namespace

int main(int argc, char** argv) {
  return tsugi::bench::guarded("bench_checkpoint", [&] { return run(argc, argv); });
}
