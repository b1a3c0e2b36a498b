// Reads result files: ours, and those of Google Benchmark programs that carry our context. Contents are never trusted.
#include <algorithm>
#include <cmath>
#include <map>

#include "bench/measure/result_fields.h"
#include "bench/measure/statistics.h"
#include "engine/core/input_file.h"
#include "engine/core/json_value.h"
#include "engine/core/text.h"

namespace tsugi::bench {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{16} << 20;
constexpr double kMostBytes = 1e18;

/// A number, or (from Google Benchmark's context) a text that is one; not negative.
double number_of(const JsonValue& value) {
  double number = std::nan("");
  if (value.json().is_number()) number = value.json().get<double>();
  if (value.json().is_string()) {
    const std::string text = value.text();
    char* end = nullptr;
    number = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0') number = std::nan("");
  }
  if (!(number >= 0.0 && number < 1e30)) value.refuse("a number from 0 on");
  return number;
}

int whole_of(const JsonValue& value) {
  const double number = number_of(value);
  if (number != std::floor(number) || number > 1e9) value.refuse("a whole number up to 1000000000");
  return static_cast<int>(number);
}

std::string text_or(const JsonValue& object, const char* name, const std::string& otherwise) {
  return object.has(name) ? object.at(name).text() : otherwise;
}
double number_or(const JsonValue& object, const std::string& name, double otherwise) {
  return object.has(name) ? number_of(object.at(name)) : otherwise;
}
int whole_or(const JsonValue& object, const char* name, int otherwise) {
  return object.has(name) ? whole_of(object.at(name)) : otherwise;
}

/// Fields that are not there keep what means "unknown".
struct ContextReader {
  const JsonValue& object;
  void operator()(const char* key, std::string& value) const { value = text_or(object, key, value); }
  void operator()(const char* key, double& value, double unit = 1.0) const {
    if (object.has(key)) value = number_of(object.at(key)) * unit;
  }
  void operator()(const char* key, int& value) const { value = whole_or(object, key, value); }
  void operator()(const char* key, bool& value) const {
    if (!object.has(key)) return;
    const Json& json = object.json().at(key);
    value = json == true || json == "true";
  }
};

ResultContext read_context(const JsonValue& object) {
  if (!object.has(kSchemaKey)) object.fail(std::string("has no \"") + kSchemaKey + "\": not a result file of tsugi");
  if (whole_of(object.at(kSchemaKey)) != kResultSchema)
    object.at(kSchemaKey)
        .fail_as("this version reads " + std::to_string(kResultSchema) +
                 "; measure again, or compare with the version that wrote it");
  ResultContext context;
  for_each_field(context, ContextReader{object});
  for (const char* key : {"tsugi_version", "tsugi_commit", "device"})
    if (object.at(key).text().empty()) object.fail(std::string("\"") + key + "\" is empty");
  context.before.date = text_or(object, "date", "");
  context.executable = text_or(object, "executable", "");
  return context;
}

double time_unit(const JsonValue& object) {
  const std::string unit = text_or(object, "time_unit", "ns");
  for (const auto& [name, seconds] : {std::pair{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}})
    if (unit == name) return seconds;
  object.fail("\"time_unit\" is " + shown(unit) + ", known are ns, us, ms, s");
}

/// Google Benchmark adds what it timed by to a name; and its entries have no fields of text, so that the name holds
/// them.
std::string without_clock(std::string name) {
  for (const char* suffix : {"/real_time", "/process_time"}) {
    const std::size_t at = name.find(suffix);
    if (at != std::string::npos) name.erase(at, std::string(suffix).size());
  }
  return name;
}

void take_name_apart(ResultEntry& e) {
  const std::vector<std::string> parts = separated(e.name, '/');
  if (parts.size() != 6 || parts[1].size() < 2 || parts[1].size() > 8 || parts[1][0] != 'b' ||
      parts[1].find_first_not_of("0123456789", 1) != std::string::npos)
    return;
  if (parts[4] != "f32" && parts[4] != "f16" && parts[4] != "bf16") return;
  e.model = parts[0], e.batch = std::stoi(parts[1].substr(1)), e.layer = parts[2], e.op = parts[3], e.dtype = parts[4],
  e.cache = parts[5];
}

ResultEntry read_entry(const JsonValue& object) {
  ResultEntry e;
  e.name = without_clock(text_or(object, "run_name", object.at("name").text()));
  if (e.name.empty()) object.fail("\"run_name\" is empty");
  take_name_apart(e);
  e.model = text_or(object, "model", e.model);
  e.layer = text_or(object, "layer", e.layer);
  e.op = text_or(object, "op", e.op);
  e.dtype = text_or(object, "dtype", e.dtype);
  e.cache = text_or(object, "cache", e.cache);
  e.batch = whole_or(object, "batch", e.batch);
  e.times = whole_or(object, "times", 1);
  if (!e.dtype.empty() && e.dtype != "f32" && e.dtype != "f16" && e.dtype != "bf16")
    object.fail("\"dtype\" is " + shown(e.dtype) + ", known are f32, f16, bf16");
  e.kernel = text_or(object, "kernel", "");
  e.pinned = object.has("pinned") && object.at("pinned").truth();
  if (object.has("error_occurred") && object.json().at("error_occurred") == true) {
    e.failure = text_or(object, "error_message", "failed");
    return e;
  }
  const double unit = time_unit(object);
  e.seconds = number_of(object.at("real_time")) * unit;
  if (e.seconds <= 0.0) object.fail("\"real_time\" is 0, a positive time expected");
  e.processor_seconds = number_or(object, "cpu_time", 0.0) * unit;
  e.deviation = number_or(object, "mad_time", 0.0) * unit;
  e.samples = whole_or(object, "repetitions", 1);
  e.calls = object.has("iterations") ? static_cast<int>(std::min(1e9, number_of(object.at("iterations")))) : 0;
  e.flops = number_or(object, "flops", 0.0);
  e.bytes = number_or(object, "bytes", 0.0);
  e.peer = text_or(object, "peer", "");
  e.peer_seconds = number_or(object, "peer_time", 0.0) * unit;
  e.peer_deviation = number_or(object, "peer_mad_time", 0.0) * unit;
  return e;
}

/// Repetitions of one point that no aggregate sums up.
ResultEntry sum_up(const std::vector<ResultEntry>& repetitions) {
  ResultEntry e = repetitions.front();
  if (repetitions.size() == 1 || !e.failure.empty()) return e;
  std::vector<double> seconds, processor;
  for (const ResultEntry& one : repetitions) {
    seconds.push_back(one.seconds);
    processor.push_back(one.processor_seconds);
  }
  e.seconds = median(seconds);
  e.deviation = median_deviation(seconds);
  e.processor_seconds = median(processor);
  e.samples = static_cast<int>(repetitions.size());
  return e;
}

std::vector<ResultEntry> read_entries(const JsonValue& root) {
  std::vector<std::string> order;
  std::map<std::string, ResultEntry> medians;
  std::map<std::string, std::vector<ResultEntry>> repetitions;
  for (const JsonValue& object : root.objects("benchmarks")) {
    const bool aggregate = text_or(object, "run_type", "iteration") == "aggregate";
    if (aggregate && object.at("aggregate_name").text() != "median") continue;
    const ResultEntry entry = read_entry(object);
    if (medians.count(entry.name) == 0 && repetitions.count(entry.name) == 0) order.push_back(entry.name);
    if (!aggregate) {
      repetitions[entry.name].push_back(entry);
    } else if (!medians.emplace(entry.name, entry).second) {
      object.fail("the point " + shown(entry.name) + " stands twice in the file");
    }
  }
  std::vector<ResultEntry> entries;
  for (const std::string& name : order)
    entries.push_back(medians.count(name) > 0 ? medians[name] : sum_up(repetitions[name]));
  return entries;
}

}  // namespace

StepResult read_step(const JsonValue& object) {
  StepResult step;
  step.measured = true;
  step.model = object.at("model").text();
  step.precision = text_or(object, "precision", "");
  step.batch = whole_of(object.at("batch"));
  step.step_s = number_of(object.at("step_s"));
  if (step.step_s <= 0.0) object.fail("\"step_s\" is 0, a positive time expected");
  step.step_deviation_s = number_or(object, "step_mad_s", 0.0);
  step.watched_step_s = number_or(object, "watched_step_s", 0.0);
  step.parts_s = number_or(object, "parts_s", 0.0);
  step.peak_memory_bytes = static_cast<std::size_t>(std::min(kMostBytes, number_of(object.at("peak_memory_bytes"))));
  if (object.has("phases")) {
    const JsonValue phases = object.object("phases");
    for (const StepPhase& phase : kStepPhases) step.*phase.seconds = number_or(phases, phase.key(), 0.0);
  }
  if (!object.has("layers")) return step;
  for (const JsonValue& layer : object.objects("layers"))
    step.layers.push_back({layer.at("layer").text(), text_or(layer, "op", ""), number_of(layer.at("forward_s")),
                           number_of(layer.at("backward_s")), number_or(layer, "forward_flops", 0.0)});
  return step;
}

ResultFile parse_result_file(const std::string& text, const std::string& place) {
  const Json json = parse_json_object(text, place);
  const JsonValue root(json, place);
  for (const char* key : {"context", "benchmarks"})
    if (!root.has(key)) root.fail(std::string("has no \"") + key + "\": not a result file");
  ResultFile file;
  file.context = read_context(root.object("context"));
  file.entries = read_entries(root);
  if (root.has("step_s")) file.step = read_step(root);
  return file;
}

ResultFile read_result_file(const std::string& path, FileLog* files) {
  const std::vector<std::uint8_t> bytes = read_file(path, {kLimitBytes, {"result file", files}, ""});
  return parse_result_file(std::string(bytes.begin(), bytes.end()), path);
}

}  // namespace tsugi::bench
