// Metrics to JSON and back. Doubles are printed so that they read back exactly: continued runs end with equal metrics.
#include "engine/train/metrics.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"

namespace tsugi {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;  // of a metrics file: half a million evaluations

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

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

double read_number(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? std::nan("") : found->get<double>();
}

MetricsRow row_of(const Json& json) {
  MetricsRow row;
  row.wall_s = read_number(json, "wall_s");
  row.step = json.at("step").get<std::uint32_t>();
  row.epoch = json.at("epoch").get<std::uint32_t>();
  row.loss = read_number(json, "loss");
  row.accuracy = read_number(json, "accuracy");
  row.train_accuracy = read_number(json, "train_accuracy");
  row.handover = json.contains("accuracy_general");
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
  if (!history.before.empty()) {
    json["accuracy_general_before"] = number(history.accuracy_general_before);
    json["before"] = Json::array();
    for (const Tally& tally : history.before) json["before"].push_back({tally.correct, tally.photos});
  }
  if (!history.kept.empty()) json["kept"] = history.kept;
  return json.dump();
}

MetricsHistory metrics_from_json(const std::string& text, const std::string& place) {
  try {
    const Json json = Json::parse(text);
    MetricsHistory history;
    history.wall_s = json.value("wall_s", 0.0);  // older versions wrote times, too
    if (json.contains("evaluations"))
      for (const Json& row : json.at("evaluations")) history.rows.push_back(row_of(row));
    if (json.contains("unfinished")) {
      const Json& sums = json.at("unfinished");
      history.unfinished = {sums.at("loss").get<double>(), sums.at("correct").get<std::uint64_t>(),
                            sums.at("samples").get<std::uint64_t>()};
    }
    if (json.contains("before")) {
      history.accuracy_general_before = read_number(json, "accuracy_general_before");
      for (const Json& pair : json.at("before"))
        history.before.push_back({pair.at(0).get<std::uint64_t>(), pair.at(1).get<std::uint64_t>()});
    }
    history.kept = json.value("kept", "");
    return history;
  } catch (const nlohmann::json::exception& error) {
    throw Error(place + ": its metrics are not what tsugi writes: " + error.what());
  }
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
