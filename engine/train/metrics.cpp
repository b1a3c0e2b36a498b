// Metrics to JSON and back. Doubles are printed so that they read back exactly: continued runs end with equal metrics.
#include "engine/train/metrics.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/atomic_file.h"

namespace tsugi {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json object_of(const MetricsRow& row) {
  Json json;
  json["wall_s"] = number(row.wall_s);
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

std::string to_json(const MetricsRow& row) { return object_of(row).dump(); }

std::string to_json(const MetricsHistory& history) {
  Json json;
  json["wall_s"] = history.wall_s;
  json["evaluations"] = Json::array();
  for (const MetricsRow& row : history.rows) json["evaluations"].push_back(object_of(row));
  json["unfinished"] = {{"loss", history.unfinished.loss}, {"correct", history.unfinished.correct}, {"samples", history.unfinished.samples}};
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
    history.wall_s = json.value("wall_s", 0.0);
    if (json.contains("evaluations"))
      for (const Json& row : json.at("evaluations")) history.rows.push_back(row_of(row));
    if (json.contains("unfinished")) {
      const Json& sums = json.at("unfinished");
      history.unfinished = {sums.at("loss").get<double>(), sums.at("correct").get<std::uint64_t>(), sums.at("samples").get<std::uint64_t>()};
    }
    if (json.contains("before")) {
      history.accuracy_general_before = read_number(json, "accuracy_general_before");
      for (const Json& pair : json.at("before")) history.before.push_back({pair.at(0).get<std::uint64_t>(), pair.at(1).get<std::uint64_t>()});
    }
    history.kept = json.value("kept", "");
    return history;
  } catch (const nlohmann::json::exception& error) {
    throw Error(place + ": its metrics are not what tsugi writes: " + error.what());
  }
}

void write_metrics(const std::string& path, const std::vector<MetricsRow>& rows, const FilePurpose& purpose) {
  std::string text;
  for (const MetricsRow& row : rows) text += to_json(row) + "\n";
  write_file_atomically(path, text, purpose);
}

}  // namespace tsugi
