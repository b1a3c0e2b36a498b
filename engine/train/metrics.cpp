// Metrics to JSON and back. Doubles are printed so that they read back exactly: continued runs end with equal metrics.
#include "engine/train/metrics.h"

#include <cmath>
#include <filesystem>
#include <sstream>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/json_value.h"

namespace tsugi {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;  // of a metrics file: half a million evaluations

/// Without the time that it took: with it no two runs would leave the same checkpoint.
Json object_of(const MetricsRow& row) {
  Json json;
  json["step"] = row.step;
  json["epoch"] = row.epoch;
  json["loss"] = number(row.loss);
  json["accuracy"] = number(row.accuracy);
  json["train_accuracy"] = number(row.train_accuracy);
  if (row.handover) {
    json["accuracy_general"] = number(row.accuracy_general);
    json["accuracy_personal"] = number(row.accuracy_personal);
  }
  return json;
}

double read_number(const JsonValue& json, const char* name) {
  return json.has(name) ? json.at(name).number_or_null() : std::nan("");
}

MetricsRow row_of(const JsonValue& json) {
  MetricsRow row;
  row.wall_s = read_number(json, "wall_s");
  row.step = json.at("step").whole<std::uint32_t>();
  row.epoch = json.at("epoch").whole<std::uint32_t>();
  row.loss = read_number(json, "loss");
  row.accuracy = read_number(json, "accuracy");
  row.train_accuracy = read_number(json, "train_accuracy");
  row.handover = json.has("accuracy_general");
  row.accuracy_general = read_number(json, "accuracy_general");
  row.accuracy_personal = read_number(json, "accuracy_personal");
  return row;
}

}  // namespace

std::string to_json(const MetricsRow& row) {
  Json json;
  json["wall_s"] = number(row.wall_s);
  json.update(object_of(row));
  return json.dump();
}

std::string to_json(const MetricsHistory& history) {
  Json json;
  json["evaluations"] = Json::array();
  for (const MetricsRow& row : history.rows) json["evaluations"].push_back(object_of(row));
  json["unfinished"] = {{"loss", history.unfinished.loss},
                        {"correct", history.unfinished.correct},
                        {"samples", history.unfinished.samples}};
  if (history.trend.steps > 0)
    json["trend"] = {{"lately", history.trend.lately},
                     {"best", history.trend.best},
                     {"high", history.trend.high},
                     {"steps", history.trend.steps}};
  if (!history.before.empty()) {
    json["accuracy_general_before"] = number(history.accuracy_general_before);
    json["before"] = Json::array();
    for (const Tally& tally : history.before) json["before"].push_back({tally.correct, tally.photos});
  }
  if (!history.kept.empty()) json["kept"] = history.kept;
  return json.dump();
}

MetricsHistory metrics_from_json(const std::string& text, const std::string& place) {
  const Json json = parse_json_object(text, place + ": metrics");
  const JsonValue root(json, place + ": metrics");
  MetricsHistory history;
  if (root.has("wall_s")) history.wall_s = root.at("wall_s").number();  // older versions wrote times, too
  if (root.has("evaluations"))
    for (const JsonValue& row : root.objects("evaluations")) history.rows.push_back(row_of(row));
  if (root.has("unfinished")) {
    const JsonValue sums = root.object("unfinished");
    history.unfinished = {sums.at("loss").number(), sums.at("correct").whole<std::uint64_t>(),
                          sums.at("samples").whole<std::uint64_t>()};
  }
  if (root.has("trend")) {
    const JsonValue trend = root.object("trend");
    history.trend = {trend.at("lately").number(), trend.at("best").number(), trend.at("high").truth(),
                     trend.at("steps").whole<std::uint32_t>(0, LossTrend::kSettled)};
  }
  if (root.has("before")) {
    history.accuracy_general_before = read_number(root, "accuracy_general_before");
    for (const JsonValue& pair : root.at("before").items()) {
      const std::vector<JsonValue> tally = pair.items(2, 2);
      history.before.push_back({tally[0].whole<std::uint64_t>(), tally[1].whole<std::uint64_t>()});
    }
  }
  if (root.has("kept")) history.kept = root.at("kept").text();
  return history;
}

MetricsHistory continued_history(const Checkpoint& from, const std::string& place, const std::string& metrics_file,
                                 FileLog* files) {
  MetricsHistory history = metrics_from_json(from.metrics, place);
  std::error_code ignored;
  if (metrics_file.empty() || !std::filesystem::exists(metrics_file, ignored)) return history;
  const std::vector<std::uint8_t> bytes =
      read_file(metrics_file, {kMostBytes, {"metrics", files, !from.personal_classes.empty()}, ""});
  std::istringstream lines(std::string(bytes.begin(), bytes.end()));
  std::string line;
  for (MetricsRow& row : history.rows) {
    Json json = std::getline(lines, line) ? Json::parse(line, nullptr, false) : Json();
    const double wall_s = json.is_object() && json.contains("wall_s") && json["wall_s"].is_number()
                              ? json["wall_s"].get<double>()
                              : std::nan("");
    if (json.is_object()) json.erase("wall_s");
    if (!std::isfinite(wall_s) || json != object_of(row)) break;  // another run's
    row.wall_s = history.wall_s = wall_s;
  }
  return history;
}

void write_metrics(const std::string& path, const std::vector<MetricsRow>& rows, const FilePurpose& purpose) {
  std::string text;
  for (const MetricsRow& row : rows) text += to_json(row) + "\n";
  write_file_atomically(path, text, purpose);
}

}  // namespace tsugi
