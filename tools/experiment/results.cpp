// Cells by place, and curves from the metrics.
#include "tools/experiment/results.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "engine/core/input_file.h"
#include "engine/core/json_value.h"
#include "kernels/api/error.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {
namespace {

constexpr double kMostSeconds = 1e9;

struct Evaluated {
  double wall_s, overall, general, personal;
};

/// The metrics of a run.
std::vector<Evaluated> read_metrics(const std::string& out, const Job& job, FileLog* files) {
  const std::string path = out + "/metrics/" + job.key() + ".jsonl";
  const std::vector<std::uint8_t> bytes = read_file(path, {std::uint64_t{64} << 20, {"metrics", files}, ""});
  std::istringstream lines(std::string(bytes.begin(), bytes.end()));
  std::vector<Evaluated> rows;
  for (std::string line; std::getline(lines, line);) {
    const std::string place = path + ": line " + std::to_string(rows.size() + 1);
    const Json json = parse_json_object(line, place);
    const JsonValue row(json, place);
    const auto number = [&](const char* name, double most) {
      return row.has(name) ? row.at(name).number_or_null(0.0, most) : std::nan("");
    };
    rows.push_back({number("wall_s", kMostSeconds), number("accuracy", 1.0), number("accuracy_general", 1.0),
                    number("accuracy_personal", 1.0)});
    if (std::isnan(rows.back().wall_s)) throw Error(place + ": has no \"wall_s\"");
  }
  return rows;
}

}  // namespace

Results::Results(const std::string& out, FileLog* files)
    : out_(out), files_(files), about_(read_experiment(out, files)), cells_(read_cells(out, files)) {}

std::vector<int> Results::people() const {
  std::set<int> found;
  for (const Cell& cell : cells_) found.insert(cell.job.people);
  return {found.begin(), found.end()};
}

int Results::largest() const { return cells_.empty() ? 0 : people().back(); }

int Results::seeds() const {
  std::set<std::uint64_t> found;
  for (const Cell& cell : cells_) found.insert(cell.job.seed);
  return static_cast<int>(found.size());
}

std::vector<std::string> Results::methods(bool ingredients) const {
  std::set<std::string> found;
  for (const Cell& cell : cells_)
    if (cell.job.kind == JobKind::handover) found.insert(cell.job.method);
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    const auto described = about_.at("methods").find(name);
    const bool ingredient = described != about_.at("methods").end() && described->value("ingredient", false);
    if (ingredient == ingredients && found.erase(name) > 0) names.push_back(name);
  };
  for (const char* first : {"default", "paper"}) add(first);
  for (const std::string& name : std::vector<std::string>(found.begin(), found.end())) add(name);
  return names;
}

std::string Results::what(const std::string& method) const {
  const auto found = about_.at("methods").find(method);
  return found == about_.at("methods").end() ? "" : found->value("what", "");
}

std::vector<double> Results::fractions(int people, const std::string& method) const {
  std::set<double> found;
  for (const Cell& cell : cells_)
    if (cell.job.kind == JobKind::handover && cell.job.people == people && cell.job.method == method)
      found.insert(cell.job.fraction);
  return {found.begin(), found.end()};
}

std::vector<const Cell*> Results::at(const Place& place) const {
  std::vector<const Cell*> found;
  for (const Cell& cell : cells_) {
    if (cell.job.kind != place.kind || cell.job.people != place.people) continue;
    if (place.kind == JobKind::handover && (cell.job.method != place.method || cell.job.fraction != place.fraction))
      continue;
    found.push_back(&cell);
  }
  return found;
}

Estimate Results::over_seeds(const Place& place, const Value& value) const {
  std::vector<double> values;
  for (const Cell* cell : at(place)) values.push_back(value(*cell));
  return estimate(values);
}

Estimate Results::difference(const Place& place, const Place& from, const Value& value) const {
  std::vector<double> values;
  for (const Cell* cell : at(place))
    for (const Cell* other : at(from))
      if (other->job.seed == cell->job.seed) values.push_back(value(*cell) - value(*other));
  return estimate(values);
}

std::vector<CurvePoint> Results::curve(const Place& place) const {
  std::vector<std::vector<Evaluated>> runs;
  std::size_t points = 0;
  for (const Cell* cell : at(place)) {
    runs.push_back(read_metrics(out_, cell->job, files_));
    points = runs.size() == 1 ? runs.back().size() : std::min(points, runs.back().size());
  }
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i < points; ++i) {
    const auto mean = [&](double Evaluated::*field) {
      std::vector<double> values;
      for (const auto& run : runs) values.push_back(run[i].*field);
      return estimate(values);
    };
    curve.push_back({mean(&Evaluated::wall_s).mean, mean(&Evaluated::overall), mean(&Evaluated::general),
                     mean(&Evaluated::personal)});
  }
  return curve;
}

Results::Catch Results::catch_up(const Place& place, const Place& goal) const {
  Catch result;
  std::vector<double> seconds, shares, wholes;
  for (const Cell* end : at(goal)) {
    for (const Cell* cell : at(place)) {
      if (cell->job.seed != end->job.seed) continue;
      ++result.seeds;
      wholes.push_back(end->timing.wall_s);
      const std::vector<Evaluated> run = read_metrics(out_, cell->job, files_);
      const auto first =
          std::find_if(run.begin(), run.end(), [&](const Evaluated& row) { return row.overall >= end->accuracy; });
      if (first == run.end()) continue;
      ++result.reached;
      seconds.push_back(first->wall_s);
      shares.push_back(first->wall_s / end->timing.wall_s);
    }
  }
  result.seconds = estimate(seconds);
  result.share = estimate(shares);
  result.whole = estimate(wholes);
  return result;
}

}  // namespace tsugi::tools
