// All finished cells of an experiment, asked by people, method and fraction; figures and tables are made from the
// answers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/experiment/cells.h"
#include "tools/experiment/statistics.h"

namespace tsugi::tools {

/// Which cells: all seeds of one place in the grid.
struct Place {
  JobKind kind = JobKind::handover;
  int people = 0;
  std::string method;     ///< of a hand-over
  double fraction = 0.0;  ///< of a hand-over
};

/// An evaluation on a curve, mean over seeds.
struct CurvePoint {
  double seconds = 0.0;
  Estimate overall, general, personal;
};

class Results {
 public:
  using Value = std::function<double(const Cell&)>;

  /// Reads the folder. Throws as read_experiment and read_cells do.
  explicit Results(const std::string& out, FileLog* files = nullptr);

  const Json& about() const { return about_; }  ///< experiment.json
  const std::vector<Cell>& cells() const { return cells_; }
  std::vector<int> people() const;  ///< ascending
  int largest() const;              ///< 0 without cells
  int seeds() const;                ///< how many
  /// Methods that have cells: the default first, then the paper's, then others by name; with or without one ingredient
  /// each.
  std::vector<std::string> methods(bool ingredients) const;
  std::string what(const std::string& method) const;                           ///< its line
  std::vector<double> fractions(int people, const std::string& method) const;  ///< ascending

  std::vector<const Cell*> at(const Place& place) const;
  Estimate over_seeds(const Place& place, const Value& value) const;
  /// Of differences between two places, seed by seed.
  Estimate difference(const Place& place, const Place& from, const Value& value) const;

  /// The evaluations of a place's runs; empty when there are none. Runs of unequal length are cut to the shortest.
  std::vector<CurvePoint> curve(const Place& place) const;

  /// When runs reach what others end with.
  struct Catch {
    int reached = 0, seeds = 0;
    Estimate seconds;  ///< of the first evaluation of `place` at or above the final overall accuracy of `goal`, of
                       ///< those that reach it
    Estimate share;    ///< the same as a share of the goal's whole time
    Estimate whole;    ///< seconds of the goal
  };
  Catch catch_up(const Place& place, const Place& goal) const;

 private:
  std::string out_;
  FileLog* files_;
  Json about_;
  std::vector<Cell> cells_;
};

}  // namespace tsugi::tools
