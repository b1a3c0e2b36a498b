// The fields of a result file's context, in one list for who writes and who reads them, and those of a step. For .cpp
// files that write or read them.
#pragma once

#include "bench/measure/result_file.h"
#include "engine/core/json_value.h"

namespace tsugi::bench {

constexpr const char* kSchemaKey = "tsugi_schema";

/// Calls field(key, member) for every field of a (constant or changeable) context, field(key, member, unit) where the
/// file has another unit than the program.
template <typename Context, typename Field>
void for_each_field(Context& c, const Field& field) {
  constexpr double kGiga = 1e9;
  field("tsugi_version", c.version);
  field("tsugi_commit", c.commit);
  field("tsugi_build", c.build);
  field("device", c.device);
  field("device_description", c.device_description);
  field("threads", c.threads);
  field("tuned_calls", c.tuned_calls);
  field("points_left_out", c.points_left_out);
  field("smoke", c.brief);
  field("system", c.before.system);
  field("board", c.before.board);
  field("cpu", c.before.cpu);
  field("cpu_mhz", c.before.cpu_mhz);
  field("cpu_mhz_at_end", c.after.cpu_mhz);
  field("cpu_max_mhz", c.before.cpu_max_mhz);
  field("governor", c.before.governor);
  field("power_mode", c.before.power_mode);
  field("temperature_c", c.before.temperature_c);
  field("temperature_c_at_end", c.after.temperature_c);
  field("gpu", c.before.gpu);
  field("gpu_mhz", c.before.gpu_mhz);
  field("gpu_mhz_at_end", c.after.gpu_mhz);
  field("gpu_max_mhz", c.before.gpu_max_mhz);
  field("gpu_memory_mhz", c.before.gpu_memory_mhz);
  field("gpu_temperature_c", c.before.gpu_temperature_c);
  field("gpu_temperature_c_at_end", c.after.gpu_temperature_c);
  field("gpu_power_limit_w", c.before.gpu_power_limit_w);
  field("driver", c.before.driver);
  field("peak_f32_gflops", c.limits.f32, kGiga);
  field("peak_f16_gflops", c.limits.f16, kGiga);
  field("peak_f16_matrix_gflops", c.limits.f16_matrix, kGiga);
  field("peak_bf16_gflops", c.limits.bf16, kGiga);
  field("copy_gb_per_s", c.limits.copy, kGiga);
  field("limits_spread", c.limits.spread);
  field("processor_wait", c.processor_wait);
}

/// A timed step, as in result files.
Json step_json(const StepResult& step);
/// Throws as JsonValue does.
StepResult read_step(const JsonValue& object);

}  // namespace tsugi::bench
