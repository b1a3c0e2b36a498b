#include "bench/measure/noise.h"

#include <algorithm>
#include <cmath>

namespace tsugi::bench {
namespace {

std::string percent_of(double share) { return std::to_string(std::lround(100.0 * share)) + " %"; }

}  // namespace

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

}  // namespace tsugi::bench
