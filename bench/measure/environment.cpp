#include "bench/measure/environment.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/core/program_run.h"
#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi::bench {
namespace {

namespace fs = std::filesystem;

/// The first line of a small file of the system; empty where there is none.
std::string line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && (line.back() == '\0' || line.back() == ' ')) line.pop_back();
  return line;
}

/// A number out of a text, times `scale`; -1 when it is none.
double number_of(const std::string& text, double scale = 1.0) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end == text.c_str() || !std::isfinite(value) || value < 0.0 ? -1.0 : value * scale;
}

std::vector<fs::path> folders(const fs::path& parent, const std::string& start) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().compare(0, start.size(), start) == 0) found.push_back(it->path());
  std::sort(found.begin(), found.end());
  return found;
}

void read_cpu(const std::string& root, Environment& e) {
  constexpr double kKilo = 1e-3;  // files are in kHz
  const fs::path frequency = root + "/sys/devices/system/cpu/cpu0/cpufreq";
  e.board = line_of(root + "/proc/device-tree/model");
  e.cpu = proc_value(root + "/proc/cpuinfo", "model name");
  e.cores = static_cast<int>(std::thread::hardware_concurrency());
  e.cpu_mhz = number_of(line_of(frequency / "scaling_cur_freq"), kKilo);
  if (e.cpu_mhz < 0.0) e.cpu_mhz = number_of(proc_value(root + "/proc/cpuinfo", "cpu MHz"));
  e.cpu_max_mhz = number_of(line_of(frequency / "cpuinfo_max_freq"), kKilo);
  e.governor = line_of(frequency / "scaling_governor");
  e.power_mode = line_of(root + "/var/lib/nvpmodel/status");
  for (const fs::path& zone : folders(root + "/sys/class/thermal", "thermal_zone")) {
    constexpr double kFrozen = 0.0, kMelted = 150.0;  // sensors that are switched off say nonsense
    const double celsius = number_of(line_of(zone / "temp"), 1e-3);
    if (celsius > kFrozen && celsius < kMelted) e.temperature_c = std::max(e.temperature_c, celsius);
  }
}

/// A Tegra's GPU is a device of the clock framework, in Hz.
void read_tegra(const std::string& root, Environment& e) {
  for (const fs::path& device : folders(root + "/sys/class/devfreq", "")) {
    const std::string name = device.filename().string();
    if (name.find("gpu") == std::string::npos && name.find("gv11b") == std::string::npos &&
        name.find("gp10b") == std::string::npos)
      continue;
    e.gpu = "Tegra GPU " + name;
    e.gpu_mhz = number_of(line_of(device / "cur_freq"), 1e-6);
    e.gpu_max_mhz = number_of(line_of(device / "max_freq"), 1e-6);
    return;
  }
}

}  // namespace

std::string smi_fields() {
  return "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,temperature.gpu,power.limit";
}

void read_smi(const std::string& line, Environment& e) {
  std::vector<std::string> values;
  for (const std::string& value : separated(line, ','))
    values.push_back(value.substr(std::min(value.size(), value.find_first_not_of(' '))));
  constexpr std::size_t kFields = 7;
  if (values.size() != kFields) return;
  e.gpu = values[0];
  e.driver = values[1];
  e.gpu_mhz = number_of(values[2]);
  e.gpu_max_mhz = number_of(values[3]);
  e.gpu_memory_mhz = number_of(values[4]);
  e.gpu_temperature_c = number_of(values[5]);
  e.gpu_power_limit_w = number_of(values[6]);
}

Environment read_environment(const std::string& root) {
  Environment e;
  e.date = utc_now("%Y-%m-%dT%H:%M:%S+00:00");
  utsname name{};
  if (uname(&name) == 0) e.system = std::string(name.sysname) + " " + name.release + " " + name.machine;
  read_cpu(root, e);
  read_tegra(root, e);
  if (root.empty()) {
    try {
      const ProgramOutput smi =
          run_program({"nvidia-smi", "--query-gpu=" + smi_fields(), "--format=csv,noheader,nounits"}, "");
      if (smi.status == 0) read_smi(smi.out.substr(0, smi.out.find('\n')), e);
    } catch (const Error&) {  // no such program: no discrete GPU of this kind
    }
  }
  return e;
}

std::string proc_value(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::string cpu_name() {
  const std::string name = proc_value("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

std::uint64_t memory_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string utc_now(const char* pattern) {
  const std::time_t time = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, pattern, &parts);
  return text;
}

std::size_t last_level_cache_bytes() {
  std::size_t largest = 0;
  for (const fs::path& cache : folders("/sys/devices/system/cpu/cpu0/cache", "index")) {
    const std::string text = line_of(cache / "size");
    if (text.empty()) continue;
    const double unit = text.back() == 'M' ? 1048576.0 : text.back() == 'K' ? 1024.0 : 1.0;
    largest = std::max(largest, static_cast<std::size_t>(std::max(0.0, number_of(text, unit))));
  }
  return largest;
}

}  // namespace tsugi::bench
