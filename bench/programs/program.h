// What the Google Benchmark programs here share: options of their own beside the library's, and the context of result
// files.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "bench/measure/result_file.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi::bench {

/// Takes `flag`value (flag: "--models=") out of the arguments; `fallback` when it is not there.
inline std::string take(const std::string& flag, const std::string& fallback, int& argc, char** argv) {
  std::string value = fallback;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], flag.c_str(), flag.size()) == 0) {
      value = argv[i] + flag.size();
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return value;
}

/// A whole number from `least` on. Throws Error naming the flag.
inline int whole(const std::string& text, const std::string& flag, int least) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != '\0' || value < least || value > 65536)
    throw Error(flag + text + ": a whole number from " + std::to_string(least) + " to 65536 expected");
  return static_cast<int>(value);
}

/// Runs what is registered, with `context` in the output. Returns the exit status.
inline int run_registered(const bench::ResultContext& context) {
  for (const auto& [key, value] : bench::context_fields(context)) benchmark::AddCustomContext(key, value);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

/// The body of a main(): what `run` throws becomes a message and exit status 1.
template <typename Run>
int guarded(const char* program, const Run& run) {
  try {
    return run();
  } catch (const std::exception& error) {
    std::cerr << program << ": " << printable(error.what()) << "\n";
    return 1;
  }
}

/// Work a second, over all iterations.
inline benchmark::Counter rate(const benchmark::State& state, double work_of_one, double unit = 1.0) {
  return benchmark::Counter(work_of_one * static_cast<double>(state.iterations()) / unit, benchmark::Counter::kIsRate);
}

}  // namespace tsugi::bench
