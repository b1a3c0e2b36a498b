#include "engine/perf/noise.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

namespace tsugi::perf {
namespace {

namespace fs = std::filesystem;

std::string percent_of(double share) { return std::to_string(std::lround(100.0 * share)) + " %"; }

}  // namespace

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

bool is_noisy(const ResultEntry& e) { return e.failure.empty() && e.deviation > kMuchSpread * e.seconds; }

std::vector<std::string> noise_of(const Limits& limits, double processor_wait) {
  std::vector<std::string> notes;
  if (processor_wait > kMuchWaiting)
    notes.push_back("threads waited for a processor " + percent_of(processor_wait) +
                    " of the time that they could have run");
  if (limits.spread > kMuchSpread)
    notes.push_back("samples of a limit lie apart: their median is " + percent_of(limits.spread) + " below the best");
  return notes;
}

std::vector<std::string> noise_of(const ResultFile& file) {
  if (file.context.brief) return {};
  std::vector<std::string> notes = noise_of(file.context.limits, file.context.processor_wait);
  const auto noisy = std::count_if(file.entries.begin(), file.entries.end(), is_noisy);
  const auto all = static_cast<double>(file.entries.size());
  if (static_cast<double>(noisy) > kManyPoints * all)
    notes.push_back("samples of " + std::to_string(noisy) + " of " + std::to_string(file.entries.size()) +
                    " points lie apart by more than " + percent_of(kMuchSpread));
  if (file.step.measured && file.step.step_deviation_s > kMuchSpread * file.step.step_s)
    notes.push_back("steps lie apart by " + percent_of(file.step.step_deviation_s / file.step.step_s));
  return notes;
}

}  // namespace tsugi::perf
