// What the parts of tsugi bench share: its options, and the three things that it does.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/op_bench.h"
#include "engine/train/pretrain.h"
#include "tools/command.h"

namespace tsugi::tools {

struct BenchOptions {
  Common common;
  std::string device = TrainRequest().device, precision, tuning = "auto", cache = "both";
  std::vector<std::string> models;
  std::vector<int> batches;
  int size = 0, threads = 0;
  bench::OpBenchOptions ops;  ///< as typed: --smoke, --min-time and --filter are of the other two as well
  bool step = false;
  std::string kernels = "chosen", budget, memory;
  std::vector<std::string> compare;
  std::string output, csv, html, plot;
};

/// Times the ops of models one by one.
int bench_ops_command(const BenchOptions& options);

/// Times training steps by layer and phase.
int bench_step_command(const BenchOptions& options);

/// Puts result files side by side.
int bench_compare_command(const BenchOptions& options);

/// "1.234 ms", "56.7 us".
std::string time_text(double seconds);
/// "12.3" with about three digits, "-" when it is 0 or not finite.
std::string figure_text(double value);

/// Says on stdout what disturbed the measurement, a line each.
void print_noise(const bench::ResultFile& file);

/// "1.63 x onednn": how many times as fast as the peer; "is onednn", "-".
std::string peer_text(const bench::ResultEntry& entry);

}  // namespace tsugi::tools
