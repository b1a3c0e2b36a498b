// tsugi bench --compare: result files side by side.

#include "bench/measure/compare.h"
#include "engine/core/atomic_file.h"
#include "tools/bench.h"
#include "tools/compare_page.h"
#include "tools/console.h"
#include "tools/gnuplot.h"
#include "tools/roofline_plot.h"

namespace tsugi::tools {
namespace {

void keep(bench::Comparison& comparison, const std::string& filter) {
  std::vector<bench::CompareRow> kept;
  for (const bench::CompareRow& row : comparison.rows)
    if (row.name.find(filter) != std::string::npos) kept.push_back(row);
  if (kept.empty())
    throw Error("compare: 0 of " + std::to_string(comparison.rows.size()) + " points have \"" + filter +
                "\" in their name");
  comparison.rows = kept;
}

void print(const bench::Comparison& comparison) {
  std::vector<std::string> head = {"point"};
  for (std::size_t i = 0; i < comparison.sides.size(); ++i) {
    const std::string& name = comparison.sides[i].name;
    head.push_back(name);
    if (i > 0) head.push_back("times");
    for (const char* share : {"% peak", "% bandw.", "% roofline"}) head.emplace_back(share);
  }
  if (comparison.sides.size() == 2) head.emplace_back("because");
  std::vector<std::vector<std::string>> table = {head};
  for (const bench::CompareRow& row : comparison.rows) {
    std::vector<std::string> line = {row.name};
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const bench::CompareCell& cell = row.cells[i];
      line.push_back(cell.entry.failure.empty() ? time_text(cell.entry.seconds) : "failed");
      if (i > 0) line.push_back(figure_text(cell.ratio));
      for (const double share : {cell.peak, cell.bandwidth, cell.roofline}) line.push_back(figure_text(100.0 * share));
    }
    if (row.cells.size() == 2) line.push_back(row.cells[1].because);
    table.push_back(line);
  }
  print_table(table);
  print_line();
  for (std::size_t i = 0; i < comparison.sides.size(); ++i) {
    if (i > 0) print_line(bench::summary_text(comparison, i));
    for (const std::string& note : comparison.summaries[i].notes)
      print_line(format("mind: %s: %s", comparison.sides[i].name.c_str(), note.c_str()));
  }
}

Json summary_json(const bench::Comparison& comparison) {
  Json sides = Json::array();
  for (std::size_t i = 0; i < comparison.sides.size(); ++i) {
    const bench::CompareSummary& s = comparison.summaries[i];
    Json side{
        {"name", comparison.sides[i].name}, {"device", comparison.sides[i].file.context.device}, {"notes", s.notes}};
    if (i > 0) {
      const auto add = [&](const char* key, double value) { side[key] = value > 0.0 ? Json(value) : Json(nullptr); };
      add("slower_by_peak_f32", s.f32_ratio);
      add("slower_by_peak_f16", s.f16_ratio);
      add("slower_by_peak_bf16", s.bf16_ratio);
      add("slower_by_bandwidth", s.copy_ratio);
      add("slower_by_time", s.mean_ratio);
      side["points"] = s.shared;
      side["points_within_spread"] = s.within_spread;
      side["points_missing"] = s.missing;
    }
    sides.push_back(side);
  }
  Json points = Json::array();
  for (const bench::CompareRow& row : comparison.rows) {
    Json point{{"name", row.name}, {"sides", Json::array()}};
    for (const bench::CompareCell& c : row.cells) {
      if (!c.present || !c.entry.failure.empty()) {
        point["sides"].push_back(nullptr);
        continue;
      }
      point["sides"].push_back({{"seconds", c.entry.seconds},
                                {"ratio", c.ratio},
                                {"roofline_ratio", c.roofline_ratio},
                                {"peak_share", c.peak},
                                {"bandwidth_share", c.bandwidth},
                                {"roofline_share", c.roofline},
                                {"bound", bench::name_of(c.bound)},
                                {"within_spread", c.within_spread},
                                {"because", c.because}});
    }
    points.push_back(point);
  }
  Json json;
  json["sides"] = sides;
  json["points"] = points;
  return json;
}

/// The page shows the plot where there can be one, and says why where not.
void write_page(const bench::Comparison& comparison, const std::string& path) {
  std::string svg, no_plot;
  try {
    svg = draw(roofline_script(comparison.sides), FigureFormat::svg, kRooflineWidth, kRooflineHeight);
  } catch (const Error& error) {
    no_plot = error.what();
  }
  write_file_atomically(path, compare_page(comparison, svg, no_plot));
}

}  // namespace

int bench_compare_command(const BenchOptions& options) {
  std::vector<bench::ResultFile> files;
  for (const std::string& path : options.compare) files.push_back(bench::read_result_file(path));
  bench::Comparison comparison = bench::compare(options.compare, files);
  if (!options.ops.filter.empty()) keep(comparison, options.ops.filter);
  if (!options.csv.empty()) write_file_atomically(options.csv, bench::to_csv(comparison));
  if (!options.html.empty()) write_page(comparison, options.html);
  if (!options.plot.empty()) write_roofline_plot(comparison.sides, options.plot);
  if (!options.common.quiet) print(comparison);
  finish(options.common, summary_json(comparison));
  return kOk;
}

}  // namespace tsugi::tools
