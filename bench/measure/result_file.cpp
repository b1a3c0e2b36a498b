// Writes result files; result_read.cpp reads them.
#include "bench/measure/result_file.h"

#include "bench/measure/noise.h"
#include "bench/measure/result_fields.h"
#include "engine/core/atomic_file.h"
#include "engine/core/version.h"

namespace tsugi::bench {
namespace {

double share(double least_seconds, double seconds) { return seconds > 0.0 ? least_seconds / seconds : 0.0; }

/// Unknown values are left out: a reader must not take -1 for a temperature.
struct ContextWriter {
  Json& json;
  void operator()(const char* key, const std::string& value) const {
    if (!value.empty()) json[key] = value;
  }
  void operator()(const char* key, double value, double unit = 1.0) const {
    if (value > 0.0) json[key] = value / unit;
  }
  void operator()(const char* key, int value) const { json[key] = value; }
  void operator()(const char* key, bool value) const { json[key] = value; }
};

Json context_json(const ResultContext& context) {
  Json json;
  json["date"] = context.before.date;
  json["executable"] = context.executable;
  json["num_cpus"] = context.before.cores;
  json["library_build_type"] = context.build.find("Release") != std::string::npos ? "release" : "debug";
  json[kSchemaKey] = kResultSchema;
  for_each_field(context, ContextWriter{json});
  return json;
}

Json shape_json(const Conv2dShape& s) {
  return {{"n", s.n},
          {"h", s.h},
          {"w", s.w},
          {"c", s.c},
          {"k", s.k},
          {"r", s.r},
          {"s", s.s},
          {"stride_h", s.stride_h},
          {"stride_w", s.stride_w},
          {"pad_h", s.pad_h},
          {"pad_w", s.pad_w},
          {"groups", s.groups}};
}

Json entry_json(const ResultEntry& e, const Limits& limits) {
  constexpr double kNano = 1e9;
  Json json{{"name", e.name + "_median"}, {"run_name", e.name}, {"run_type", "aggregate"}, {"aggregate_name", "median"},
            {"model", e.model},           {"batch", e.batch},   {"layer", e.layer},        {"op", e.op},
            {"dtype", e.dtype},           {"cache", e.cache},   {"times", e.times}};
  if (!e.kernel.empty()) json["kernel"] = e.kernel;
  if (e.pinned) json["pinned"] = true;
  if (e.shape) json["shape"] = shape_json(*e.shape);
  if (!e.failure.empty()) {
    json["error_occurred"] = true;
    json["error_message"] = e.failure;
    return json;
  }
  json["repetitions"] = e.samples;
  json["iterations"] = e.calls;
  json["real_time"] = e.seconds * kNano;
  json["cpu_time"] = e.processor_seconds * kNano;
  json["mad_time"] = e.deviation * kNano;
  json["time_unit"] = "ns";
  json["flops"] = e.flops;
  json["bytes"] = e.bytes;
  const auto percent = [&](const char* key, double value) {
    if (value > 0.0) json[key] = 100.0 * value;
  };
  if (!e.peer.empty()) json["peer"] = e.peer;
  if (e.peer_seconds > 0.0) {
    json["peer_time"] = e.peer_seconds * kNano;
    json["peer_mad_time"] = e.peer_deviation * kNano;
    json["peer_ratio"] = peer_ratio(e);
  }
  if (is_noisy(e)) json["noisy"] = true;
  if (e.flops > 0.0) json["GFLOP/s"] = e.flops / e.seconds / 1e9;
  if (e.bytes > 0.0) json["GB/s"] = e.bytes / e.seconds / 1e9;
  percent("peak_%", peak_share(e, limits));
  percent("bandwidth_%", bandwidth_share(e, limits));
  percent("roofline_%", roofline_share(e, limits));
  return json;
}

}  // namespace

double peak_share(const ResultEntry& e, const Limits& limits) {
  const double peak = e.dtype.empty() ? 0.0 : limits.flops(dtype_named(e.dtype));
  return peak > 0.0 ? share(e.flops / peak, e.seconds) : 0.0;
}

double bandwidth_share(const ResultEntry& e, const Limits& limits) {
  return limits.copy > 0.0 ? share(e.bytes / limits.copy, e.seconds) : 0.0;
}

double roofline_share(const ResultEntry& e, const Limits& limits) {
  if (e.dtype.empty() || limits.copy <= 0.0 || (e.flops > 0.0 && limits.flops(dtype_named(e.dtype)) <= 0.0)) return 0.0;
  return share(roofline_seconds(limits, e.flops, e.bytes, dtype_named(e.dtype)), e.seconds);
}

double peer_ratio(const ResultEntry& e) { return share(e.peer_seconds, e.seconds); }

Json step_json(const StepResult& step) {
  Json json;
  json["model"] = step.model;
  json["precision"] = step.precision;
  json["batch"] = step.batch;
  json["micro_batch"] = step.micro_batch;
  json["steps"] = step.steps;
  json["step_s"] = step.step_s;
  json["step_mad_s"] = step.step_deviation_s;
  json["images_per_s"] = step.batch / step.step_s;
  json["watched_step_s"] = step.watched_step_s;
  json["parts_s"] = step.parts_s;
  for (const StepPhase& phase : kStepPhases) json["phases"][phase.key()] = step.*phase.seconds;
  json["layers"] = Json::array();
  for (const StepLayer& layer : step.layers)
    json["layers"].push_back({{"layer", layer.layer},
                              {"op", layer.op},
                              {"forward_s", layer.forward_s},
                              {"backward_s", layer.backward_s},
                              {"forward_flops", layer.forward_flops}});
  json["arena_bytes"] = step.arena_bytes;
  json["device_bytes"] = step.device_bytes;
  json["peak_memory_bytes"] = step.peak_memory_bytes;
  return json;
}

std::string to_json(const ResultFile& file, bool one_line) {
  Json json{{"context", context_json(file.context)}, {"benchmarks", Json::array()}};
  if (const std::vector<std::string> noise = noise_of(file); !noise.empty()) json["context"]["noise"] = noise;
  for (const ResultEntry& entry : file.entries) json["benchmarks"].push_back(entry_json(entry, file.context.limits));
  if (file.step.measured) json.update(step_json(file.step));
  return json_text(json, one_line ? -1 : 1);
}

void write_result_file(const std::string& path, const ResultFile& file) {
  write_file_atomically(path, to_json(file, false) + "\n");
}

std::vector<std::pair<std::string, std::string>> context_fields(const ResultContext& context) {
  Json json = Json::object();
  json[kSchemaKey] = kResultSchema;
  for_each_field(context, ContextWriter{json});
  std::vector<std::pair<std::string, std::string>> fields;
  for (const auto& [key, value] : json.items())
    fields.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  return fields;
}

ResultContext context_of(const Backend& backend, const std::string& executable, int threads) {
  ResultContext context;
  context.version = version();
  context.commit = commit();
  context.build = build_description();
  context.executable = executable;
  context.device = backend.name();
  context.device_description = backend.description();
  context.threads = threads;
  context.before = read_environment();
  return context;
}

DType dtype_named(const std::string& name) {
  if (name == "f32" || name == "fp32") return DType::f32;
  if (name == "f16" || name == "fp16") return DType::f16;
  if (name == "bf16") return DType::bf16;
  throw Error("type " + name + ": unknown, known are f32, f16, bf16");
}

}  // namespace tsugi::bench
