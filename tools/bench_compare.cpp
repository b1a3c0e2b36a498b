// tsugi bench --compare: result files side by side, as a table, JSON, CSV, and a page that sorts by any column and
// filters.

#include "bench/measure/compare.h"
#include "engine/core/atomic_file.h"
#include "tools/bench.h"
#include "tools/console.h"
#include "tools/html.h"
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

HtmlRow points_heading(const bench::Comparison& all) {
  HtmlRow heading = {"model", "layer", "op", "type", "cache", "batch"};
  for (std::size_t i = 0; i < all.sides.size(); ++i) {
    const std::string& name = all.sides[i].name;
    heading.push_back(name + ": time");
    if (i > 0) heading.push_back("times " + all.sides[0].name);
    for (const char* column : {": % of peak", ": % of bandwidth", ": % of roofline", ": kernel"})
      heading.push_back(name + column);
    heading.push_back(name + ": times as fast as its peer");
    if (i > 0) heading.push_back("because");
  }
  return heading;
}

HtmlRow points_row(const bench::CompareRow& point) {
  HtmlRow row = {point.model, point.layer, point.op, point.dtype, point.cache};
  row.push_back({std::to_string(point.batch), "", static_cast<double>(point.batch)});
  for (std::size_t i = 0; i < point.cells.size(); ++i) {
    const bench::CompareCell& c = point.cells[i];
    const std::string& failure = c.entry.failure;
    row.push_back({failure.empty() ? time_text(c.entry.seconds) : "failed", "", c.entry.seconds});
    if (i > 0) row.push_back({figure_text(c.ratio), "", c.ratio});
    for (const double share : {c.peak, c.bandwidth, c.roofline})
      row.push_back({figure_text(100.0 * share), "bar", share});
    row.push_back(c.entry.kernel);
    row.push_back({peer_text(c.entry), "", bench::peer_ratio(c.entry)});
    if (i > 0) row.push_back({failure.empty() ? c.because : failure, "sentence"});
  }
  return row;
}

/// What each side is.
HtmlRow side_row(const bench::CompareSide& side, const std::vector<std::string>& notes) {
  const bench::ResultContext& c = side.file.context;
  std::string device = c.device + ": " + c.device_description, mind;
  const auto add = [&](bool known, const std::string& text) { device += known ? ", " + text : ""; };
  add(!c.before.board.empty(), c.before.board);
  add(!c.before.power_mode.empty(), "power mode " + c.before.power_mode);
  add(c.before.cpu_mhz > 0.0, "CPU at " + figure_text(c.before.cpu_mhz) + " MHz");
  add(c.before.gpu_mhz > 0.0, "GPU at " + figure_text(c.before.gpu_mhz) + " MHz");
  add(c.before.temperature_c > 0.0, figure_text(c.before.temperature_c) + " degrees C");
  for (const std::string& note : notes) mind += (mind.empty() ? "" : "; ") + note;
  return {side.name,     device, c.before.date, bench::text(c.limits), c.version + ", " + c.commit + ", " + c.build,
          {mind, "warn"}};
}

/// The page shows the plot where there can be one, and says why where not.
std::string page(const bench::Comparison& all) {
  std::string title, html;
  std::vector<HtmlRow> sides, points;
  for (std::size_t i = 0; i < all.sides.size(); ++i) {
    title += (title.empty() ? "" : " / ") + all.sides[i].name;
    if (i > 0) html += html_paragraph(bench::summary_text(all, i));
    sides.push_back(side_row(all.sides[i], all.summaries[i].notes));
  }
  for (const bench::CompareRow& point : all.rows) points.push_back(points_row(point));
  html += html_table("", {"file", "device", "measured", "limits", "tsugi", "mind"}, sides, true);
  try {
    const std::string svg = roofline_plot(all.sides, "svg");
    html += "<figure>" + svg.substr(std::min(svg.find("<svg"), svg.size())) + "</figure>\n";
  } catch (const Error& error) {
    html += html_paragraph(std::string("No roofline plot: ") + error.what());
  }
  html += html_paragraph(
      "A heading sorts, a second click turns the order. Shares are of each device's own limits, measured in the same "
      "run; points from warm caches can exceed the bandwidth of memory.");
  html += html_points(points_heading(all), points, "0 2 4", "conv1 backward");
  return html_document("tsugi bench: " + title, html);
}

}  // namespace

int bench_compare_command(const BenchOptions& options) {
  std::vector<bench::ResultFile> files;
  for (const std::string& path : options.compare) files.push_back(bench::read_result_file(path));
  bench::Comparison comparison = bench::compare(options.compare, files);
  if (!options.ops.filter.empty()) keep(comparison, options.ops.filter);
  if (!options.csv.empty()) write_file_atomically(options.csv, bench::to_csv(comparison));
  if (!options.html.empty()) write_file_atomically(options.html, page(comparison));
  if (!options.plot.empty()) write_roofline_plot(comparison.sides, options.plot);
  if (!options.common.quiet) print(comparison);
  finish(options.common, summary_json(comparison));
  return kOk;
}

}  // namespace tsugi::tools
