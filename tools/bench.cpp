// tsugi bench: how fast this device runs the ops and the steps of a model, how far that is from its limits, and how
// result files of several devices compare.
#include "tools/bench.h"

#include <cmath>
#include <filesystem>
#include <memory>

#include "bench/measure/noise.h"
#include "bench/measure/shape_lists.h"
#include "engine/core/text.h"
#include "tools/console.h"
#include "tools/options.h"

namespace tsugi::tools {
namespace {

void add_options(CLI::App& command, BenchOptions& o) {
  add_device(command, o.device);
  command
      .add_option(
          "--model", o.models,
          "Whose shapes to measure: " + joined(model_names()) + ", or a JSON file; several with commas (faces-resnet)")
      ->delimiter(',');
  command
      .add_option("--batch", o.batches,
                  "Samples a batch; several with commas (ops 1,16,64; --step as pretrain: what the model says, 64)")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536));
  add_option(command, "--size", o.size, "Pixels a side, 0 = as the model says", 0, 1024);
  command
      .add_option("--precision", o.precision,
                  "auto, fp32, bf16 (CPU) or fp16 (GPU) (ops fp32, --step auto as pretrain)")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16"}));
  add_threads(command, o.threads);
  add_option(command, "--tuning", o.tuning,
             "What tsugi tune found out: a file, auto (TSUGI_TUNING, or the user's cache folder) or off");
  add_option(command, "--cache", o.cache, "Inputs from memory (cold), from the call before (warm), or both in turn",
             {"cold", "warm", "both"});
  command.add_option("--filter", o.ops.filter, "Only points with this text in their name: conv2d_forward, /block2_");
  add_option(command, "--min-time", o.ops.min_seconds, "Seconds of measurement a point", 0.001, 3600.0);
  add_option(command, "--rounds", o.ops.rounds, "Turns that every point gets, all in turn", 1, 1000);
  command.add_flag("!--no-peer", o.ops.peers,
                   "Without cuDNN (GPU) or oneDNN (CPU) beside each convolution and dense layer: half the time");
  add_option(command, "--kernels", o.kernels,
             "chosen, or all: convolutions and dense layers alone, each by every kernel that computes it",
             {"chosen", "all"});
  command.add_option("--budget", o.budget,
                     "Begin no turn after this long: 90s, 10min; points without one are left out and counted");
  command.add_flag("--step", o.step, "Time whole training steps by layer and phase instead of ops");
  command.add_option("--memory", o.memory, "With --step: most memory for training, such as 2G");
  command.add_flag("--smoke", o.ops.brief,
                   "One short sample of small shapes: shows that everything runs, its times mean nothing");
  command.add_option("--compare", o.compare,
                     "Compare result files instead of measuring; the first is what the others are compared with");
  command.add_option("-o,--output", o.output, "Write the result file (JSON, as Google Benchmark's) here");
  command.add_option("--csv", o.csv, "With --compare: write the table as CSV");
  command.add_option("--html", o.html, "With --compare: write a page that sorts and filters");
  command.add_option("--plot", o.plot, "Write a roofline plot to this name with .svg and .png (needs gnuplot)");
}

/// The files that --plot writes have names of their own making: they must be none that the command reads or writes
/// besides.
void check_figures(const BenchOptions& o) {
  std::error_code ignored;
  for (const std::string& path : o.compare)
    for (const char* ending : {".svg", ".png"})
      if (!o.plot.empty() && std::filesystem::weakly_canonical(path, ignored) ==
                                 std::filesystem::weakly_canonical(o.plot + ending, ignored))
        throw CLI::ValidationError("--plot would overwrite " + path + ", which the command reads");
}

/// Options that say nothing for what was asked must not be ignored in silence.
void check(const CLI::App& command, const BenchOptions& o) {
  const auto refuse = [&](const char* mode, std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (command.get_option(name)->count() > 0)
        throw CLI::ValidationError(std::string(name) + " means nothing " + mode);
  };
  if (!std::isfinite(o.ops.min_seconds)) throw CLI::ValidationError("--min-time is not a number of seconds");
  if (!o.compare.empty()) {
    refuse("with --compare",
           {"--device", "--model", "--batch", "--size", "--precision", "--threads", "--tuning", "--cache", "--min-time",
            "--rounds", "--no-peer", "--kernels", "--budget", "--step", "--memory", "--smoke", "--output"});
    return check_figures(o);
  }
  refuse("without --compare", {"--csv", "--html"});
  if (!o.step) return refuse("without --step", {"--memory"});
  refuse("with --step", {"--cache", "--filter", "--rounds", "--no-peer", "--kernels", "--budget", "--plot"});
  if (o.models.size() > 1)
    throw CLI::ValidationError("--step times one model, " + std::to_string(o.models.size()) + " given");
  if (o.batches.size() > 1)
    throw CLI::ValidationError("--step times one batch size, " + std::to_string(o.batches.size()) + " given");
}

int run_bench(const BenchOptions& options) {
  if (!options.compare.empty()) return bench_compare_command(options);
  return options.step ? bench_step_command(options) : bench_ops_command(options);
}

}  // namespace

std::string time_text(double seconds) {
  if (!(seconds > 0.0)) return "-";
  if (seconds < 1e-3) return format("%.3g us", 1e6 * seconds);
  return seconds < 1.0 ? format("%.4g ms", 1e3 * seconds) : format("%.4g s", seconds);
}

std::string figure_text(double value) {
  if (!std::isfinite(value) || value == 0.0) return "-";
  return format(std::fabs(value) >= 100.0 ? "%.0f" : "%.3g", value);
}

void print_noise(const bench::ResultFile& file) {
  for (const std::string& noise : bench::noise_of(file)) print_line("mind: disturbed: " + noise);
}

std::string peer_text(const bench::ResultEntry& e) {
  const double ratio = bench::peer_ratio(e);
  if (ratio > 0.0) return figure_text(ratio) + " x " + e.peer;
  return !e.peer.empty() && e.peer == e.kernel ? "is " + e.peer : "-";
}

void add_bench(CLI::App& app, Run& run) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure ops and training steps on this device; compare result files");
  add_options(*command, *options);
  add_common(*command, options->common,
             "tsugi bench --model faces-cnn --batch 16 -o nano.json --plot nano\n"
             "  tsugi bench --step --model faces-cnn --batch 16\n"
             "  tsugi bench --compare server.json nano.json --html compare.html");
  command->callback([options, command, &run] {
    check(*command, *options);
    run = [options] { return run_bench(*options); };
  });
}

}  // namespace tsugi::tools
