// From cells to lines.
#include "tools/experiment/figures.h"

#include <algorithm>
#include <cmath>

namespace tsugi::tools {
namespace {

// Okabe, Ito: "Color Universal Design", https://jfly.uni-koeln.de/color/
constexpr LineStyle kDefault{"#0072b2", 7, 1}, kPaper{"#d55e00", 5, 1}, kTenth{"#56b4e9", 6, 1},
    kAlone{"#404040", 9, 1}, kBefore{"#808080", 0, 2}, kStart{"#009e73", 13, 0};
constexpr LineStyle kOthers[] = {{"#cc79a7", 11, 1}, {"#009e73", 13, 1}, {"#e69f00", 8, 1}};

using Field = Estimate CurvePoint::*;
using CellField = double Cell::*;

struct Part {
  const char* name;
  const char* title;
  Field curve;
  CellField value;
};
constexpr Part kParts[] = {{"overall", "Overall", &CurvePoint::overall, &Cell::accuracy},
                           {"general", "General people", &CurvePoint::general, &Cell::general},
                           {"personal", "Personal", &CurvePoint::personal, &Cell::personal}};

LineStyle style_of(const std::string& method, std::size_t other) {
  if (method == "default") return kDefault;
  if (method == "paper") return kPaper;
  return kOthers[other % (sizeof kOthers / sizeof kOthers[0])];
}

/// In percent, the interval cut to what an accuracy can be.
PlotPoint point_of(double x, const Estimate& value) {
  const double half = std::isfinite(value.half) ? value.half : 0.0;
  const auto percent_of = [](double share) { return 100.0 * std::min(1.0, std::max(0.0, share)); };
  return {x, percent_of(value.mean), percent_of(value.mean - half), percent_of(value.mean + half)};
}

PlotLine curve_line(const Results& results, const std::string& title, const LineStyle& style, const Place& place,
                    Field field) {
  PlotLine line{title, style, {}};
  for (const CurvePoint& point : results.curve(place))
    if (std::isfinite((point.*field).mean)) line.points.push_back(point_of(point.seconds, point.*field));
  return line;
}

void add_if_any(std::vector<PlotLine>& lines, PlotLine line) {
  if (!line.points.empty()) lines.push_back(std::move(line));
}

std::vector<PlotLine> time_lines(const Results& results, int people, const Part& part) {
  std::vector<PlotLine> lines;
  const Place all{JobKind::handover, people, "default", 1.0};
  add_if_any(lines, curve_line(results, "100 % sent", kDefault, all, part.curve));
  add_if_any(lines, curve_line(results, "10 % sent", kTenth, {JobKind::handover, people, "default", 0.1}, part.curve));
  add_if_any(lines, curve_line(results, "paper, 100 %", kPaper, {JobKind::handover, people, "paper", 1.0}, part.curve));
  add_if_any(lines, curve_line(results, "device alone", kAlone, {JobKind::alone, people, "", 0.0}, part.curve));
  PlotLine start = curve_line(results, "no training", kStart, all, part.curve);
  if (start.points.size() > 1) start.points.resize(1);
  add_if_any(lines, start);
  return lines;
}

PlotLine level(const std::string& title, const LineStyle& style, const Estimate& value) {
  PlotLine line{title, style, {}};
  if (std::isfinite(value.mean))
    for (const double x : {0.0, 100.0}) line.points.push_back(point_of(x, value));
  return line;
}

}  // namespace

Figure time_figure(const Results& results) {
  Figure figure{"figure2", {}};
  for (const Part& part : kParts) {
    Panel panel{part.name, part.title, "seconds from opening the checkpoint",       "accuracy on test photos (%)",
                0.0,       1.0,        time_lines(results, results.largest(), part)};
    for (const PlotLine& line : panel.lines)
      for (const PlotPoint& point : line.points) panel.x_max = std::max(panel.x_max, point.x * 1.02);
    if (!panel.lines.empty()) figure.panels.push_back(panel);
  }
  return figure;
}

Figure fraction_figure(const Results& results, int people, int number) {
  Figure figure{"figure" + std::to_string(number), {}};
  for (const Part& part : kParts) {
    Panel panel{part.name,
                std::string(part.title) + ", " + std::to_string(people) + " people",
                "general photos sent (%)",
                "accuracy on test photos (%)",
                -2.0,
                102.0,
                {}};
    std::size_t others = 0;
    for (const std::string& method : results.methods(false)) {
      const bool own = method == "default" || method == "paper";
      PlotLine line{method == "paper" ? "paper's way" : method, style_of(method, own ? 0 : others++), {}};
      for (const double fraction : results.fractions(people, method)) {
        const Estimate value = results.over_seeds({JobKind::handover, people, method, fraction},
                                                  [&](const Cell& c) { return c.*part.value; });
        if (std::isfinite(value.mean)) line.points.push_back(point_of(100.0 * fraction, value));
      }
      add_if_any(panel.lines, line);
    }
    add_if_any(panel.lines, level("device alone", {"#404040", 0, 3},
                                  results.over_seeds({JobKind::alone, people, "", 0.0},
                                                     [&](const Cell& c) { return c.*part.value; })));
    if (part.value == &Cell::general)
      add_if_any(panel.lines,
                 level("before", kBefore, results.over_seeds({JobKind::pretrain, people, "", 0.0}, [](const Cell& c) {
                   return c.accuracy;
                 })));
    if (!panel.lines.empty()) figure.panels.push_back(panel);
  }
  return figure;
}

}  // namespace tsugi::tools
