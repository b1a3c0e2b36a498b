// The learning rate of every step: constant, stepwise or cosine decay after a linear warm-up.
#pragma once

#include <cstdint>
#include <string>

namespace tsugi {

enum class ScheduleKind : std::uint8_t { constant, step, cosine };

const char* name_of(ScheduleKind kind);
/// "constant", "step" or "cosine". Throws Error on any other word.
ScheduleKind parse_schedule(const std::string& name);

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double warmup_epochs = 1.0;   ///< epochs of linear rise from near 0; may be a fraction
  int step_epochs = 4;          ///< step: epochs between two decays
  double step_factor = 0.1;     ///< step: each decay multiplies by this
  double final_fraction = 0.0;  ///< cosine: share of the base rate that the last step ends near
};

/// Learning rate of optimizer step `step` (0-based) when an epoch has `steps_per_epoch` and training lasts `epochs`.
/// Pure: a continued run computes the same rates. Source of the cosine: Loshchilov, Hutter, "SGDR", ICLR 2017.
float learning_rate(const Schedule& schedule, float base, std::uint32_t step, std::uint32_t steps_per_epoch,
                    int epochs);

}  // namespace tsugi
