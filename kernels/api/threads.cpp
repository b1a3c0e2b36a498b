// Affinity, and the quotas of control groups: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max),
// .../scheduler/sched-bwc.html (version 1).
#include "kernels/api/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace tsugi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWaitSettings[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};

/// The processors of the affinity mask, which cpusets and taskset narrow.
int allowed_processors() {
  constexpr int kFirst = 1024, kMost = 1 << 20;
  for (int size = kFirst; size <= kMost; size *= 2) {  // the kernel refuses a mask that is shorter than its own
    std::vector<cpu_set_t> mask(static_cast<std::size_t>(size) / (8 * sizeof(cpu_set_t)));
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) return std::max(1, CPU_COUNT_S(bytes, mask.data()));
  }
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

/// A hierarchy of control groups that limits CPU time: where it is mounted, which group is the mount's root, and this
/// process's own.
struct Hierarchy {
  bool v2 = false;
  std::string mount, root, group;
};

/// A path of mountinfo, which writes blanks as "\040".
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool code = text[i] == '\\' && i + 3 < text.size() && text.find_first_not_of("01234567", i + 1) > i + 3;
    out += code ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    i += code ? 3 : 0;
  }
  return out;
}

bool lists_cpu(const std::string& controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

/// "36 25 0:31 /root /mount options... - type source options"
std::vector<Hierarchy> mounted_hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream front(line.substr(0, dash)), back(line.substr(dash + 3));
    std::string ignored, group, mount, type, source, options;
    front >> ignored >> ignored >> ignored >> group >> mount;
    back >> type >> source >> options;
    if (type != "cgroup2" && !(type == "cgroup" && lists_cpu(options))) continue;
    Hierarchy hierarchy;
    hierarchy.v2 = type == "cgroup2";
    hierarchy.root = unescaped(group);
    hierarchy.mount = unescaped(mount);
    found.push_back(hierarchy);
  }
  return found;
}

/// The group of this process: "0::/group" of version 2, "4:cpu,cpuacct:/group" of version 1.
std::string own_group(const std::string& root, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? line.compare(0, second + 1, "0::") == 0 : lists_cpu(controllers)) return line.substr(second + 1);
  }
  return "/";
}

/// The group's folder below the mount: "" or "/a/b". A container may be shown a mount that starts at its own group, or
/// one elsewhere ("/..").
std::string below_mount(const Hierarchy& h) {
  std::string path = h.group;
  if (h.root != "/") path = path.compare(0, h.root.size(), h.root) == 0 ? path.substr(h.root.size()) : "";
  if (path == "/" || path.find("/..") != std::string::npos) path.clear();
  return path;
}

/// Processors that a folder's files allow, 0 without a limit; `name`: of the file that says so.
double quota_of(const std::string& folder, bool v2, std::string& name) {
  double quota = 0.0, period = 0.0;
  name = v2 ? "/cpu.max" : "/cpu.cfs_quota_us";
  std::ifstream file(folder + name);
  if (!(file >> quota)) return 0.0;  // "max" is no number
  if (v2) {
    file >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0.0 && period > 0.0 ? quota / period : 0.0;
}

}  // namespace

AvailableThreads available_threads(int processors, const std::string& root) {
  AvailableThreads found;
  found.count = processors;
  found.source = std::to_string(processors) + (processors == 1 ? " processor" : " processors");
  const std::string all = found.source;
  double least = processors;
  for (Hierarchy h : mounted_hierarchies(root)) {
    h.group = own_group(root, h.v2);
    std::string path = below_mount(h);
    for (bool last = false; !last;
         path.erase(std::min(path.size(), path.rfind('/')))) {  // a parent's limit holds for all below it
      last = path.empty();
      std::string name;
      const double quota = quota_of(root + h.mount + path, h.v2, name);
      if (quota <= 0.0 || quota >= least) continue;
      least = quota;
      found.count = std::max(1, static_cast<int>(std::ceil(quota)));
      char text[32];
      std::snprintf(text, sizeof text, "%.4g", quota);
      found.source = all + ", quota " + text + " by " + h.mount + path + name;
    }
  }
  return found;
}

const AvailableThreads& available_threads() {
  static const AvailableThreads found = available_threads(allowed_processors(), "");
  return found;
}

ProcessorWait::ProcessorWait(const std::string& root) : root_(root), begin_(read(root)) {}

/// Nanoseconds on a processor, nanoseconds ready to run without one, and a count (Linux, sched-stats.rst).
ProcessorWait::Times ProcessorWait::read(const std::string& root) {
  Times sum;
  std::error_code error;
  for (fs::directory_iterator task(root + "/proc/self/task", error), end; !error && task != end;
       task.increment(error)) {
    std::ifstream file(task->path() / "schedstat");
    double ran = 0.0, waited = 0.0;
    if (!(file >> ran >> waited)) continue;
    sum.ran += ran;
    sum.waited += waited;
  }
  return sum;
}

double ProcessorWait::share() const {
  const Times now = read(root_);
  const double ran = std::max(0.0, now.ran - begin_.ran), waited = std::max(0.0, now.waited - begin_.waited);
  return waited > 0.0 ? waited / (ran + waited) : 0.0;
}

bool waiting_is_chosen() {
  for (const char* name : kWaitSettings)
    if (std::getenv(name) != nullptr) return true;
  return false;
}

std::string wait_policy() {
  std::string text;
  for (const char* name : kWaitSettings)
    if (const char* value = std::getenv(name)) text += (text.empty() ? "" : ", ") + std::string(name) + "=" + value;
  return text.empty() ? "they spin; only briefly while processors are short" : text;
}

}  // namespace tsugi
