// Reads result files: ours, and those of Google Benchmark programs that carry our context. Contents are never trusted.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "bench/measure/json_object.inc"
#include "bench/measure/result_fields.h"
#include "bench/measure/statistics.h"
#include "engine/core/input_file.h"

namespace tsugi::bench {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{16} << 20;
constexpr double kMostBytes = 1e18;

/// Fields that are not there keep what means "unknown".
struct ContextReader {
  const JsonObject& object;
  void operator()(const char* key, std::string& value) const { value = object.text(key, value.c_str()); }
  void operator()(const char* key, double& value, double unit = 1.0) const {
    if (object.has(key)) value = object.number(key, -1.0) * unit;
  }
  void operator()(const char* key, int& value) const { value = object.whole(key, value); }
  void operator()(const char* key, bool& value) const {
    if (!object.has(key)) return;
    const Json& json = object.json().at(key);
    value = json == true || json == "true";
  }
};

ResultContext read_context(const JsonObject& object) {
  if (!object.has(kSchemaKey)) object.fail(std::string("has no \"") + kSchemaKey + "\": not a result file of tsugi");
  const int schema = object.whole(kSchemaKey, -1);
  if (schema != kResultSchema)
    object.fail(std::string("\"") + kSchemaKey + "\" is " + std::to_string(schema) + ", this version reads " +
                std::to_string(kResultSchema) + "; measure again, or compare with the version that wrote it");
  ResultContext context;
  for_each_field(context, ContextReader{object});
  for (const char* key : {"tsugi_version", "tsugi_commit", "device"})
    if (object.text(key, nullptr).empty()) object.fail(std::string("\"") + key + "\" is empty");
  context.before.date = object.text("date", "");
  context.executable = object.text("executable", "");
  return context;
}

double time_unit(const JsonObject& object) {
  const std::string unit = object.text("time_unit", "ns");
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
  std::vector<std::string> parts(1);
  for (const char c : e.name) {
    if (c == '/') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.size() != 6 || parts[1].size() < 2 || parts[1].size() > 8 || parts[1][0] != 'b' ||
      parts[1].find_first_not_of("0123456789", 1) != std::string::npos)
    return;
  if (parts[4] != "f32" && parts[4] != "f16" && parts[4] != "bf16") return;
  e.model = parts[0], e.batch = std::stoi(parts[1].substr(1)), e.layer = parts[2], e.op = parts[3], e.dtype = parts[4],
  e.cache = parts[5];
}

ResultEntry read_entry(const JsonObject& object) {
  ResultEntry e;
  e.name = without_clock(object.text("run_name", object.text("name", nullptr).c_str()));
  if (e.name.empty()) object.fail("\"run_name\" is empty");
  take_name_apart(e);
  e.model = object.text("model", e.model.c_str());
  e.layer = object.text("layer", e.layer.c_str());
  e.op = object.text("op", e.op.c_str());
  e.dtype = object.text("dtype", e.dtype.c_str());
  e.cache = object.text("cache", e.cache.c_str());
  e.batch = object.whole("batch", e.batch);
  e.times = object.whole("times", 1);
  if (!e.dtype.empty() && e.dtype != "f32" && e.dtype != "f16" && e.dtype != "bf16")
    object.fail("\"dtype\" is " + shown(e.dtype) + ", known are f32, f16, bf16");
  if (object.has("error_occurred") && object.json().at("error_occurred") == true) {
    e.failure = object.text("error_message", "failed");
    return e;
  }
  const double unit = time_unit(object);
  e.seconds = object.number("real_time", -1.0) * unit;
  if (e.seconds <= 0.0) object.fail("\"real_time\" is 0, a positive time expected");
  e.processor_seconds = object.number("cpu_time", 0.0) * unit;
  e.deviation = object.number("mad_time", 0.0) * unit;
  e.samples = object.whole("repetitions", 1);
  e.calls = object.has("iterations") ? static_cast<int>(std::min(1e9, object.number("iterations", -1.0))) : 0;
  e.flops = object.number("flops", 0.0);
  e.bytes = object.number("bytes", 0.0);
  e.kernel = object.text("kernel", "");
  e.peer = object.text("peer", "");
  e.peer_seconds = object.number("peer_time", 0.0) * unit;
  e.peer_deviation = object.number("peer_mad_time", 0.0) * unit;
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

std::vector<ResultEntry> read_entries(const Json& list, const std::string& place) {
  if (!list.is_array()) throw Error(place + ": \"benchmarks\" is " + list.type_name() + ", a list expected");
  std::vector<std::string> order;
  std::map<std::string, ResultEntry> medians;
  std::map<std::string, std::vector<ResultEntry>> repetitions;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonObject object(list[i], place + ": benchmarks[" + std::to_string(i) + "]");
    const bool aggregate = object.text("run_type", "iteration") == "aggregate";
    if (aggregate && object.text("aggregate_name", nullptr) != "median") continue;
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

StepResult read_step(const JsonObject& object, const std::string& place) {
  StepResult step;
  step.measured = true;
  step.model = object.text("model", nullptr);
  step.precision = object.text("precision", "");
  step.batch = object.whole("batch", -1);
  step.step_s = object.number("step_s", -1.0);
  if (step.step_s <= 0.0) object.fail("\"step_s\" is 0, a positive time expected");
  step.step_deviation_s = object.number("step_mad_s", 0.0);
  step.watched_step_s = object.number("watched_step_s", 0.0);
  step.parts_s = object.number("parts_s", 0.0);
  step.peak_memory_bytes = static_cast<std::size_t>(std::min(kMostBytes, object.number("peak_memory_bytes", -1.0)));
  if (object.has("phases")) {
    const JsonObject phases(object.json().at("phases"), place + ": phases");
    for (const auto& [key, phase] : {std::pair{"data_s", &StepResult::data_s},
                                     {"augment_s", &StepResult::augment_s},
                                     {"loss_s", &StepResult::loss_s},
                                     {"update_s", &StepResult::update_s},
                                     {"results_s", &StepResult::results_s}})
      step.*phase = phases.number(key, 0.0);
  }
  const Json& layers = object.json().value("layers", Json::array());
  if (!layers.is_array()) object.fail("\"layers\" is no list");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const JsonObject layer(layers[i], place + ": layers[" + std::to_string(i) + "]");
    step.layers.push_back({layer.text("layer", nullptr), layer.text("op", ""), layer.number("forward_s", -1.0),
                           layer.number("backward_s", -1.0), layer.number("forward_flops", 0.0)});
  }
  return step;
}

}  // namespace

ResultFile parse_result_file(const std::string& text, const std::string& place) {
  check_json_object(text, place);
  const Json json = Json::parse(text);
  const JsonObject root(json, place);
  for (const char* key : {"context", "benchmarks"})
    if (!root.has(key)) root.fail(std::string("has no \"") + key + "\": not a result file");
  ResultFile file;
  file.context = read_context(JsonObject(json["context"], place + ": context"));
  file.entries = read_entries(json["benchmarks"], place);
  if (root.has("step_s")) file.step = read_step(root, place);
  return file;
}

ResultFile read_result_file(const std::string& path, FileLog* files) {
  const std::vector<std::uint8_t> bytes = read_file(path, {kLimitBytes, {"result file", files}, ""});
  return parse_result_file(std::string(bytes.begin(), bytes.end()), path);
}

}  // namespace tsugi::bench
