// tsugi bench --step: where the time of a training step goes.
#include <memory>
#include <optional>

#include "bench/measure/step_bench.h"
#include "engine/core/device.h"
#include "engine/core/output_claim.h"
#include "engine/tuning/tuned_backend.h"
#include "tools/bench.h"
#include "tools/console.h"

namespace tsugi::tools {
namespace {

void print_step(const bench::ResultFile& file) {
  const bench::StepResult& step = file.step;
  const auto share = [&](double seconds) { return figure_text(100.0 * seconds / step.parts_s); };
  std::vector<std::vector<std::string>> table = {{"layer", "op", "forward", "backward", "% of step", "GFLOP/s"}};
  for (const bench::StepLayer& layer : step.layers)
    table.push_back({layer.layer, layer.op, time_text(layer.forward_s), time_text(layer.backward_s),
                     share(layer.forward_s + layer.backward_s),
                     layer.forward_s > 0.0 ? figure_text(layer.forward_flops / layer.forward_s / 1e9) : "-"});
  print_table(table);
  print_line();
  table = {{"phase", "time", "% of step"}};
  for (const auto& [part, seconds] : bench::kStepPhases)
    table.push_back({name_of(part), time_text(step.*seconds), share(step.*seconds)});
  table.push_back({"all parts", time_text(step.parts_s), share(step.parts_s)});
  print_table(table);
  print_line();
  print_line(format("step: %s +- %s (%s watched), %.0f images/s; memory: arena %s, device %s, process %s",
                    time_text(step.step_s).c_str(), time_text(step.step_deviation_s).c_str(),
                    time_text(step.watched_step_s).c_str(), step.batch / step.step_s,
                    bytes_text(static_cast<double>(step.arena_bytes)).c_str(),
                    bytes_text(static_cast<double>(step.device_bytes)).c_str(),
                    bytes_text(static_cast<double>(step.peak_memory_bytes)).c_str()));
  print_noise(file);
}

}  // namespace

int bench_step_command(const BenchOptions& options) {
  std::optional<OutputClaim> claim;
  if (!options.output.empty()) claim.emplace(options.output);
  bench::ShapeList list =
      bench::find_shape_list(options.models.empty() ? PretrainRequest().model : options.models.front());
  constexpr int kSmokeSize = 16, kSmokeBatch = 2;
  const int size = options.size > 0 ? options.size : options.ops.brief ? kSmokeSize : 0;
  if (size > 0) list.model = with_input_size(list.model, size);
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.threads);
  const TuningUse tuning = apply_tuning(
      *backend, {options.tuning, nullptr, [&](const std::string& line) { Console(options.common.quiet).say(line); }});
  bench::StepBenchOptions bench;
  bench.dtype = choose_precision(options.precision.empty() ? TrainRequest().precision : options.precision, *backend);
  bench.batch = !options.batches.empty() ? options.batches.front() : options.ops.brief ? kSmokeBatch : bench.batch;
  bench.min_seconds = options.ops.min_seconds;
  bench.brief = options.ops.brief;
  if (!options.memory.empty()) bench.memory_budget = parse_bytes(options.memory);
  bench::ResultFile file;
  file.context = bench::context_of(*backend, "tsugi bench --step", options.threads);
  file.context.tuned_calls = tuning.changed;
  install_stop_signals();
  bench.should_stop = stop_requested;
  {
    Console console(options.common.quiet);
    console.say("device " + backend->name() + " (" + backend->description() + "), precision " +
                precision_name(bench.dtype));
    bench.progress = [&](double done) { console.progress("measuring steps " + percent(std::min(done, 1.0))); };
    bench::bench_step(*backend, list, bench, file);
  }
  file.context.limits = bench::measure_limits(*backend, nullptr, bench.brief);
  if (!options.output.empty()) bench::write_result_file(options.output, file);
  if (!options.common.quiet) print_step(file);
  finish(options.common, options.common.json ? Json::parse(bench::to_json(file, true)) : Json());
  return kOk;
}

}  // namespace tsugi::tools
