// What the parts of tsugi bench share: its options, and the three things that it does.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/result_file.h"
#include "engine/train/pretrain.h"
#include "tools/command.h"

namespace tsugi::tools {

struct BenchOptions {
  Common common;
  std::string device = TrainRequest().device, precision, tuning = "auto", cache = "both", filter;
  std::vector<std::string> models;
  std::vector<int> batches;
  int size = 0, threads = 0, rounds = 5;
  double min_time = 1.0;
  bool step = false, smoke = false, no_peer = false;
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
