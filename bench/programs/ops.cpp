// The ops of the shape lists (bench/measure/shape_lists.h) one by one, under Google Benchmark: the same points by the
// same names as `tsugi bench`, whose --compare reads this program's JSON, too. Points report GFLOP/s and GB/s and their
// shares of the peak and the bandwidth that this same program measures.
//   bench_ops [--models=faces-cnn,resnet-18] [--batches=16,64] [--device=cpu] [--threads=N] [--cache=cold]
//   [--clock=wall|cpu]
//             [Google Benchmark's flags, e.g. --benchmark_filter=conv2d.*bf16 --benchmark_repetitions=5
//             --benchmark_out=ops.json]
// --clock=cpu counts the processor time of all threads: with --threads=1, figures that hold on a machine that others
// use at the same time.
#include <memory>
#include <string>

#include "bench/measure/op_bench.h"
#include "bench/measure/op_set.h"
#include "bench/programs/program.h"
#include "engine/core/device.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;

enum class Clock { wall, cpu };

/// What every benchmark of this program works on; made once, in main.
struct Bench {
  Backend& backend;
  BenchMemory memory;
  Limits limits;
  Clock clock = Clock::wall;
  bool cold = false;
};

/// Times one pass of an op. The tensors are made anew: benchmarks run one after the other and share their memory.
void run_op(benchmark::State& state, Bench& bench, const OpCase& op_case, OpPass pass, DType dtype) {
  try {
    OpSet set(bench.memory, op_case, dtype, bench.cold ? cold_bytes() : 0);
    const Contender contender = set.contender("", bench.backend, pass);
    int copy = 0;
    contender.call(copy);  // fills caches, and makes what is made once
    bench.backend.synchronize();
    for (auto _ : state) {
      contender.call(copy);
      copy = (copy + 1) % set.copies();
    }
    bench.backend.synchronize();
  } catch (const Error& error) {
    state.SkipWithError(error.what());
    return;
  }
  const OpCost cost = cost_of(op_case, pass, dtype);
  state.counters["flops"] = cost.flops;
  state.counters["bytes"] = cost.bytes;
  state.counters["GB/s"] = rate(state, cost.bytes, 1e9);
  state.counters["bandwidth_%"] = rate(state, 100.0 * cost.bytes, bench.limits.copy);
  if (cost.flops <= 0.0) return;
  state.counters["GFLOP/s"] = rate(state, cost.flops, 1e9);
  if (bench.limits.flops(dtype) > 0.0)
    state.counters["peak_%"] = rate(state, 100.0 * cost.flops, bench.limits.flops(dtype));
}

void add(Bench& bench, const OpCase& op_case, DType dtype) {
  for (const OpPass pass : passes_of(op_case)) {
    const std::string name = entry_name(op_case, pass, dtype, bench.cold ? "cold" : "warm");
    auto* made = benchmark::RegisterBenchmark(name.c_str(), [&bench, op_case, pass, dtype](benchmark::State& state) {
      run_op(state, bench, op_case, pass, dtype);
    });
    made->Unit(benchmark::kMillisecond);
    if (bench.clock == Clock::wall) made->UseRealTime();
    if (bench.clock == Clock::cpu) made->MeasureProcessCPUTime();
  }
}

int run(int argc, char** argv) {
  std::string lists;
  for (const std::string& name : shape_list_names()) lists += (lists.empty() ? "" : ",") + name;
  const std::vector<std::string> models = split(take("--models=", lists, argc, argv));
  const std::vector<std::string> batches = split(take("--batches=", "1,16,64", argc, argv));
  const int threads = whole(take("--threads=", "0", argc, argv), "--threads=", 0);
  const std::unique_ptr<Backend> backend = make_backend(take("--device=", "cpu", argc, argv), threads);
  Bench bench{*backend, BenchMemory(*backend), {}, Clock::wall, false};
  bench.clock = take("--clock=", "wall", argc, argv) == "cpu" ? Clock::cpu : Clock::wall;
  bench.cold = take("--cache=", "warm", argc, argv) == "cold";
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const std::string& model : models) {
    const ShapeList list = find_shape_list(model);
    for (const std::string& batch : batches)
      for (const OpCase& op_case : op_cases(list, whole(batch, "--batches=", 1)))
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
          if (backend->supports(dtype)) add(bench, op_case, dtype);
  }
  ResultContext context = context_of(*backend, "bench_ops", threads);
  context.limits = bench.limits = measure_limits(*backend, nullptr, false);
  return run_registered(context);
}

}  // namespace

int main(int argc, char** argv) {
  return tsugi::bench::guarded("bench_ops", [&] { return run(argc, argv); });
}
