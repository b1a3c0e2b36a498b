// Cells to JSON, from JSON, and into tables.
#include "tools/experiment/cells.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <tuple>

#include "bench/measure/environment.h"
#include "engine/core/json_value.h"
#include "engine/core/text.h"
#include "engine/core/version.h"
#include "engine/data/photo.h"
#include "engine/train/setting.h"
#include "kernels/api/error.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

constexpr double kMostNumber = 1e15;
constexpr std::uint64_t kMostWhole = 1000000000000000;

const char* name_of(JobKind kind) {
  return kind == JobKind::pretrain ? "pretrained" : kind == JobKind::alone ? "device-alone" : "handover";
}

JobKind kind_of(const std::string& name) {
  for (const JobKind kind : {JobKind::pretrain, JobKind::alone, JobKind::handover})
    if (name == name_of(kind)) return kind;
  throw Error("kind \"" + name + "\" is unknown");
}

/// Calls visit(name, field) for everything of a cell that is a number or a text; those of the clock last.
template <class CellType, class Visit>
void each_field(CellType& c, Visit&& visit) {
  visit("epochs", c.epochs);
  visit("steps", c.steps);
  visit("train_photos", c.train_photos);
  visit("photos_sent", c.photos_sent);
  visit("photo_bytes", c.photo_bytes);
  visit("knowledge_bytes", c.knowledge_bytes);
  visit("feature_bytes", c.feature_bytes);
  visit("accuracy", c.accuracy);
  visit("accuracy_general", c.general);
  visit("accuracy_personal", c.personal);
  visit("accuracy_general_before", c.general_before);
  visit("accuracy_start", c.start);
  visit("accuracy_general_start", c.start_general);
  visit("accuracy_personal_start", c.start_personal);
  visit("step_flops", c.step_flops);
  visit("step_flops_share", c.step_flops_share);
}

template <class CellType, class Visit>
void each_timing(CellType& c, Visit&& visit) {
  visit("wall_s", c.timing.wall_s);
  visit("elapsed_s", c.timing.elapsed_s);
  visit("images_per_s", c.timing.images_per_s);
  visit("bundle_bytes", c.timing.bundle_bytes);
  visit("checkpoint_bytes", c.timing.checkpoint_bytes);
  visit("test_bytes", c.timing.test_bytes);
  visit("peak_memory_bytes", c.timing.peak_memory_bytes);
  visit("finished", c.timing.finished);
  visit("device", c.device);
  visit("precision", c.precision);
  visit("tsugi", c.tsugi);
  visit("build", c.build);
  visit("commit", c.commit);
}

/// Fields that the first cells did not have.
bool is_later(const std::string& name) {
  constexpr const char* kLater[] = {"commit", "knowledge_bytes", "feature_bytes", "step_flops", "step_flops_share"};
  return std::find(std::begin(kLater), std::end(kLater), name) != std::end(kLater);
}

Json value_of(double value) { return number(value); }
Json value_of(std::uint64_t value) { return value; }
Json value_of(const std::string& value) { return value; }

void read_value(const JsonValue& json, double& value) {
  const bool share = json.name().rfind("accuracy", 0) == 0 || json.name() == "step_flops_share";
  value = json.number_or_null(0.0, share ? 1.0 : kMostNumber);
}
void read_value(const JsonValue& json, std::uint64_t& value) { value = json.whole<std::uint64_t>(0, kMostWhole); }
void read_value(const JsonValue& json, std::string& value) { value = json.text(); }

/// A method's name is a part of file names.
std::string read_method(const JsonValue& json) {
  const std::string method = json.text();
  if (method.empty() || method.size() > 64 ||
      method.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") != std::string::npos)
    json.refuse("up to 64 of a-z, 0-9, _ and -");
  return method;
}

PersonResult read_person(const JsonValue& json) {
  PersonResult person;
  person.name = json.at("name").text();
  check_name(person.name, "\"persons\"");
  person.personal = json.at("personal").truth();
  person.photos = json.at("photos").whole<std::uint64_t>(0, kMostWhole);
  person.correct = json.at("correct").whole<std::uint64_t>(0, person.photos);
  person.correct_before = json.at("correct_before").whole<std::uint64_t>(0, person.photos);
  return person;
}

/// Numbers, words and lists of such, by the names that settings have now.
Json read_settings(const JsonValue& json) {
  Json settings;
  for (const auto& [name, value] : json.json().items()) {
    if (value.is_object()) JsonValue(value, json.place(), name).refuse("a number or a word");
    settings[setting_name(name)] = value;
  }
  return settings;
}

/// A value in a CSV table: nothing for what there is not.
std::string csv(const Json& value) {
  return value.is_null() ? "" : value.is_string() ? csv_field(value.get<std::string>()) : value.dump();
}

std::string row_start(const Job& job) {
  const bool handover = job.kind == JobKind::handover;
  return std::to_string(job.people) + "," + std::to_string(job.seed) + "," +
         csv(handover ? job.method : name_of(job.kind)) + "," + (handover ? number_text(job.fraction) : "");
}

}  // namespace

Cell cell_of(const Job& job, const RunSummary& summary) {
  Cell cell;
  cell.job = job;
  cell.epochs = summary.progress.epoch;
  cell.steps = summary.progress.step;
  const Evaluation& evaluation = summary.evaluation;
  const MetricsHistory& history = summary.history;
  cell.accuracy = evaluation.overall.accuracy();
  cell.general = evaluation.general.accuracy();
  cell.personal = evaluation.personal.accuracy();
  cell.general_before = history.before.empty() ? std::nan("") : history.accuracy_general_before;
  const bool has_start = !history.rows.empty() && history.rows.front().epoch == 0;
  cell.start = has_start ? history.rows.front().accuracy : std::nan("");
  cell.start_general = has_start ? history.rows.front().accuracy_general : std::nan("");
  cell.start_personal = has_start ? history.rows.front().accuracy_personal : std::nan("");
  for (std::size_t i = 0; i < evaluation.per_class.size(); ++i) {
    const Tally& tally = evaluation.per_class[i];
    cell.people.push_back({summary.class_names[i], summary.personal[i], tally.photos, tally.correct,
                           i < history.before.size() ? history.before[i].correct : 0});
  }
  cell.timing.wall_s = summary.wall_s;
  cell.timing.images_per_s = summary.images_per_s;
  cell.timing.peak_memory_bytes = summary.peak_memory_bytes;
  cell.timing.finished = bench::utc_now();
  cell.device = summary.device;
  cell.precision = summary.precision;
  cell.tsugi = version();
  cell.build = build_description();
  cell.commit = commit();
  return cell;
}

Json to_json(const Cell& cell) {
  Json json;
  json["kind"] = name_of(cell.job.kind);
  json["people"] = cell.job.people;
  json["seed"] = cell.job.seed;
  json["method"] = cell.job.method;
  json["fraction"] = cell.job.fraction;
  const auto add = [&](const char* name, const auto& value) { json[name] = value_of(value); };
  each_field(cell, add);
  each_timing(cell, add);
  json["persons"] = Json::array();
  for (const PersonResult& person : cell.people)
    json["persons"].push_back({{"name", person.name},
                               {"personal", person.personal},
                               {"photos", person.photos},
                               {"correct", person.correct},
                               {"correct_before", person.correct_before}});
  json["settings"] = cell.settings;
  return json;
}

Cell cell_from_json(const Json& json, const std::string& place) {
  try {
    const JsonValue root(json, "");
    Cell cell;
    cell.job.kind = kind_of(root.at("kind").text());
    cell.job.people = root.at("people").whole<int>(1, 1000000);
    cell.job.seed = root.at("seed").whole<std::uint64_t>(0, kMostWhole);
    if (cell.job.kind == JobKind::handover) {
      cell.job.method = read_method(root.at("method"));
      cell.job.fraction = root.at("fraction").number(0.0, 1.0);
    }
    const auto read = [&](const char* name, auto& value) {
      if (root.has(name) || !is_later(name)) read_value(root.at(name), value);
    };
    each_field(cell, read);
    each_timing(cell, read);
    for (const JsonValue& person : root.at("persons").items()) cell.people.push_back(read_person(person));
    cell.settings = read_settings(root.object("settings"));
    return cell;
  } catch (const std::exception& error) {
    throw Error(place + ": is not a cell of an experiment (" + error.what() + "); delete it to have it run again");
  }
}

std::vector<Cell> read_cells(const std::string& out, FileLog* files) {
  std::vector<Cell> cells;
  for (const auto& entry : fs::directory_iterator(out + "/cells")) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".json") continue;
    cells.push_back(cell_from_json(read_json(path, {"cell", files}), path));
    const std::string expected = cells.back().job.key() + ".json";
    if (entry.path().filename() != expected)
      throw Error(path + ": holds the cell of another job, whose file is " + expected);
  }
  const auto key = [](const Cell& c) {
    return std::tie(c.job.people, c.job.seed, c.job.kind, c.job.method, c.job.fraction);
  };
  std::sort(cells.begin(), cells.end(), [&](const Cell& a, const Cell& b) { return key(a) < key(b); });
  return cells;
}

void write_tables(const std::string& out, const std::vector<Cell>& cells, FileLog* files) {
  const auto table = [&](const auto& each) {
    std::string text = "people,seed,method,fraction";
    each(Cell(), [&](const char* name, const auto&) { text += std::string(",") + name; });
    text += "\n";
    for (const Cell& cell : cells) {
      text += row_start(cell.job);
      each(cell, [&](const char*, const auto& value) { text += "," + csv(value_of(value)); });
      text += "\n";
    }
    return text;
  };
  write_own_file(out + "/results.csv", table([](const Cell& cell, const auto& visit) { each_field(cell, visit); }),
                 {"table", files});
  write_own_file(out + "/timing.csv", table([](const Cell& cell, const auto& visit) { each_timing(cell, visit); }),
                 {"table", files});
}

}  // namespace tsugi::tools
