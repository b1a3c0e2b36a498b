// Learning rate schedules as pure functions of the step.
#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/error.h"

namespace tsugi {

const char* name_of(ScheduleKind kind) {
  constexpr const char* kNames[] = {"constant", "step", "cosine"};
  return kNames[static_cast<int>(kind)];
}

ScheduleKind parse_schedule(const std::string& name) {
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::step, ScheduleKind::cosine})
    if (name == name_of(kind)) return kind;
  throw Error("schedule: unknown \"" + name + "\", known are constant, step, cosine");
}

float learning_rate(const Schedule& schedule, float base, std::uint32_t step, std::uint32_t steps_per_epoch,
                    int epochs) {
  const double warmup = schedule.warmup_epochs * steps_per_epoch;
  const double total = std::max(1.0, static_cast<double>(steps_per_epoch) * epochs);
  if (step < warmup) return static_cast<float>(base * (step + 1.0) / (warmup + 1.0));
  switch (schedule.kind) {
    case ScheduleKind::constant:
      return base;
    case ScheduleKind::step: {
      const double decays = std::floor(static_cast<double>(step) / steps_per_epoch / std::max(1, schedule.step_epochs));
      return static_cast<float>(base * std::pow(schedule.step_factor, decays));
    }
    case ScheduleKind::cosine: {
      const double done = std::min(1.0, (step - warmup) / std::max(1.0, total - warmup));
      const double fraction = 0.5 * (1.0 + std::cos(3.141592653589793 * done));
      return static_cast<float>(base * (schedule.final_fraction + (1.0 - schedule.final_fraction) * fraction));
    }
  }
  return base;
}

}  // namespace tsugi
