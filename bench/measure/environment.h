// What a measurement was taken on, as far as this machine lets programs read it: chips, clocks, governor, power mode,
// temperature, driver. Result files carry it, because the same board at another clock is another machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tsugi::bench {

/// Empty texts and numbers below 0: could not be read here.
struct Environment {
  std::string date;    ///< UTC, "2026-11-23T09:19:43+00:00"
  std::string system;  ///< kernel and machine, "Linux 6.1.0 x86_64"
  std::string board;   ///< "NVIDIA Jetson Nano Developer Kit"
  std::string cpu;     ///< "AMD EPYC 9655"
  int cores = 0;
  double cpu_mhz = -1.0;  ///< of the first core, now
  double cpu_max_mhz = -1.0;
  std::string governor;         ///< of the CPU's clock: "performance"
  std::string power_mode;       ///< of a Jetson (nvpmodel): "MAXN"
  double temperature_c = -1.0;  ///< the hottest sensor of the machine
  std::string gpu;              ///< "NVIDIA GeForce RTX 2080 Ti"; the rest of it only where there is one
  double gpu_mhz = -1.0, gpu_max_mhz = -1.0, gpu_memory_mhz = -1.0;
  double gpu_temperature_c = -1.0, gpu_power_limit_w = -1.0;
  std::string driver;  ///< of the GPU
};

/// Asks the system now. Takes some milliseconds, more where nvidia-smi is asked. `root`: of the file system, for tests.
Environment read_environment(const std::string& root = "");

/// The output of `nvidia-smi --query-gpu=...` in the order of smi_fields(), into the GPU's fields; left alone when it
/// does not fit.
void read_smi(const std::string& line, Environment& environment);
std::string smi_fields();

/// The value of the first line "key : value" of a file of /proc; empty when there is none.
std::string proc_value(const std::string& path, const std::string& key);
std::string cpu_name();        ///< of this machine, "unknown" where nobody says
std::uint64_t memory_bytes();  ///< of this machine

/// Now, UTC, as strftime writes it by this pattern; to the second, as ISO 8601.
std::string utc_now(const char* pattern = "%Y-%m-%dT%H:%M:%SZ");

/// Size of the largest cache of the first core; 0 where the system does not say.
std::size_t last_level_cache_bytes();

}  // namespace tsugi::bench
