// tsugi bench: the ops of models, one by one.
#include <limits>
#include <memory>
#include <optional>

#include "bench/measure/noise.h"
#include "bench/measure/op_bench.h"
#include "bench/measure/quantities.h"
#include "bench/measure/statistics.h"
#include "engine/core/device.h"
#include "engine/core/output_claim.h"
#include "engine/tuning/tuned_backend.h"
#include "kernels/api/registry.h"
#include "tools/bench.h"
#include "tools/console.h"
#include "tools/roofline_plot.h"

namespace tsugi::tools {
namespace {

std::vector<bench::OpCase> cases_of(const BenchOptions& options) {
  if (options.ops.brief) return bench::smoke_cases();
  std::vector<int> batches = options.batches;
  if (batches.empty()) batches.assign(std::begin(bench::kListBatches), std::end(bench::kListBatches));
  std::vector<bench::OpCase> cases;
  for (const std::string& name : options.models.empty() ? std::vector<std::string>{"faces-resnet"} : options.models) {
    bench::ShapeList list = bench::find_shape_list(name);
    if (options.size > 0) list.model = with_input_size(list.model, options.size);
    for (const int batch : batches) {
      const std::vector<bench::OpCase> more = bench::op_cases(list, batch);
      cases.insert(cases.end(), more.begin(), more.end());
    }
  }
  return cases;
}

/// cuDNN and cuBLAS on the same GPU, in both of cuDNN's layouts: the peer is the faster one. Its matrix units' peak is
/// cuBLAS's. None where there is none.
std::vector<std::unique_ptr<Backend>> vendors_of(const Backend& backend) {
  std::vector<std::unique_ptr<Backend>> vendors;
  if (backend.name() != "cuda" && backend.name() != "cudnn") return vendors;
  try {
    for (const TensorLayout layout : {TensorLayout::nhwc, TensorLayout::nchw})
      vendors.push_back(make_cudnn_backend(layout));
  } catch (const Error&) {
    vendors.clear();
  }
  return vendors;
}

void print_peers(const bench::ResultFile& file) {
  std::vector<double> ratios;
  const bench::ResultEntry* slowest = nullptr;
  for (const bench::ResultEntry& e : file.entries) {
    const double ratio = bench::peer_ratio(e);
    if (ratio <= 0.0) continue;
    ratios.push_back(ratio);
    if (slowest == nullptr || ratio < bench::peer_ratio(*slowest)) slowest = &e;
  }
  if (slowest == nullptr) return;
  print_line();
  print_line(format("%s times as fast as %s in the geometric mean of the %zu points that both computed, least %s: %s",
                    figure_text(bench::geometric_mean(ratios)).c_str(), slowest->peer.c_str(), ratios.size(),
                    figure_text(bench::peer_ratio(*slowest)).c_str(), slowest->name.c_str()));
}

void print_ops(const bench::ResultFile& file) {
  std::vector<std::vector<std::string>> table = {{"model", "batch", "layer", "x", "op", "cache", "time", "+-",
                                                  "GFLOP/s", "GB/s", "% peak", "% bandwidth", "% roofline", "kernel",
                                                  "peer"}};
  const bench::Limits& limits = file.context.limits;
  for (const bench::ResultEntry& e : file.entries) {
    if (!e.failure.empty()) continue;
    table.push_back(
        {e.model, std::to_string(e.batch), e.layer, std::to_string(e.times), e.op, e.cache, time_text(e.seconds),
         e.deviation > 0.0 ? figure_text(100.0 * e.deviation / e.seconds) + (bench::is_noisy(e) ? " % !" : " %") : "-",
         figure_text(e.flops / e.seconds / 1e9), figure_text(e.bytes / e.seconds / 1e9),
         figure_text(100.0 * bench::peak_share(e, limits)), figure_text(100.0 * bench::bandwidth_share(e, limits)),
         figure_text(100.0 * bench::roofline_share(e, limits)), e.kernel.empty() ? "-" : e.kernel, peer_text(e)});
  }
  print_table(table);
  print_peers(file);
  print_noise(file);
}

}  // namespace

int bench_ops_command(const BenchOptions& options) {
  std::optional<OutputClaim> claim;
  if (!options.output.empty()) claim.emplace(options.output);
  const std::vector<bench::OpCase> cases = cases_of(options);
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.threads);
  const TuningUse tuning = apply_tuning(
      *backend, {options.tuning, nullptr, [&](const std::string& line) { Console(options.common.quiet).say(line); }});
  const std::vector<std::unique_ptr<Backend>> made = vendors_of(*backend);
  std::vector<Backend*> vendors;
  for (const std::unique_ptr<Backend>& vendor : made) vendors.push_back(vendor.get());
  bench::OpBenchOptions bench = options.ops;
  bench.dtype = choose_precision(options.precision.empty() ? "fp32" : options.precision, *backend);
  bench.warm = options.cache != "cold";
  bench.cold = options.cache != "warm";
  bench.every_kernel = options.kernels == "all";
  const double budget = options.budget.empty() ? std::numeric_limits<double>::infinity()
                                               : bench::parse_duration(options.budget, "--budget");
  bench::ResultFile file;
  file.context = bench::context_of(*backend, "tsugi bench", options.threads);
  file.context.tuned_calls = tuning.changed;
  install_stop_signals();
  {
    Console console(options.common.quiet);
    console.say("device " + backend->name() + " (" + backend->description() + "), precision " +
                precision_name(bench.dtype));
    bench::OpBenchObserver observer;
    // From the first turn on: it is always taken.
    observer.should_stop = [budget, begin = 0.0]() mutable {
      if (begin == 0.0) begin = bench::now();
      return stop_requested() || bench::now() - begin > budget;
    };
    observer.progress = [&](std::size_t done, std::size_t total) {
      console.progress("measuring " + std::to_string(done) + "/" + std::to_string(total) + " turns");
    };
    bench::bench_ops(*backend, vendors, cases, bench, observer, file);
    console.say(bench::text(file.context.limits));
    for (const bench::ResultEntry& e : file.entries)
      if (!e.failure.empty()) console.say(e.name + ": " + e.failure);
  }
  if (!options.output.empty()) bench::write_result_file(options.output, file);
  if (!options.common.quiet) print_ops(file);
  if (!options.plot.empty()) write_roofline_plot({{backend->name(), file}}, options.plot);
  finish(options.common, options.common.json ? Json::parse(bench::to_json(file, true)) : Json());
  if (file.context.points_left_out > 0)
    Console(options.common.quiet).say(std::to_string(file.context.points_left_out) + " points were left out");
  // A kernel that says that it computes a call, and does not.
  for (const bench::ResultEntry& e : file.entries)
    if (e.pinned && !e.failure.empty()) return kFailed;
  if (stop_requested()) {
    Console::error("stopped; " + std::to_string(file.entries.size()) + " points have samples" +
                   (options.output.empty() ? "" : " and are in " + options.output));
    return kFailed;
  }
  return kOk;
}

}  // namespace tsugi::tools
