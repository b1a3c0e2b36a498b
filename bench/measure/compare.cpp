#include "bench/measure/compare.h"

#include <cmath>
#include <cstdio>
#include <map>

#include "bench/measure/noise.h"
#include "bench/measure/statistics.h"
#include "engine/core/text.h"

namespace tsugi::bench {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100.0 ? "%.0f" : "%.3g", value);
  return text;
}

std::string percent(double share) { return number(100.0 * share) + " %"; }

double ratio_of(double first, double other) { return first > 0.0 && other > 0.0 ? first / other : 0.0; }

std::string stem(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  const std::size_t dot = name.rfind(".json");
  return dot != std::string::npos && dot > 0 && dot + 5 == name.size() ? name.substr(0, dot) : name;
}

Bound bound_of(const ResultEntry& e, const Limits& limits) {
  if (e.dtype.empty() || limits.copy <= 0.0 || e.bytes <= 0.0) return Bound::unknown;
  const double peak = limits.flops(dtype_named(e.dtype));
  if (e.flops <= 0.0) return Bound::bandwidth;
  if (peak <= 0.0) return Bound::unknown;
  return e.flops / peak >= e.bytes / limits.copy ? Bound::peak : Bound::bandwidth;
}

/// "24.1 times by bandwidth, 3.4 times more because it reaches 18 % of its roofline, the first 61 %".
std::string because(const CompareCell& first, const CompareCell& cell) {
  if (cell.roofline_ratio <= 0.0) return "";
  const std::string limit = first.bound == cell.bound ? std::string("by ") + name_of(cell.bound)
                                                      : std::string("by the roofline (") + name_of(first.bound) +
                                                            ", then " + name_of(cell.bound) + ")";
  const double rest = cell.ratio / cell.roofline_ratio;
  const std::string shares =
      "it reaches " + percent(cell.roofline) + " of its roofline, the first " + percent(first.roofline);
  constexpr double kAlike = 1.1;
  std::string text = number(cell.roofline_ratio) + " times " + limit;
  if (rest >= kAlike) return text + ", " + number(rest) + " times more because " + shares;
  if (rest <= 1.0 / kAlike) return text + ", " + number(1.0 / rest) + " times less because " + shares;
  return text + ", and both reach about " + percent(cell.roofline) + " of it";
}

CompareCell cell_of(const ResultEntry& entry, const Limits& limits) {
  CompareCell cell;
  cell.present = true;
  cell.entry = entry;
  if (!entry.failure.empty()) return cell;
  cell.peak = peak_share(entry, limits);
  cell.bandwidth = bandwidth_share(entry, limits);
  cell.roofline = roofline_share(entry, limits);
  cell.bound = bound_of(entry, limits);
  return cell;
}

/// Fills in what a cell says against the first side's.
void relate(const CompareCell& first, CompareCell& cell) {
  if (!first.present || !cell.present || !first.entry.failure.empty() || !cell.entry.failure.empty()) return;
  cell.ratio = cell.entry.seconds / first.entry.seconds;
  cell.within_spread =
      std::fabs(cell.entry.seconds - first.entry.seconds) <= cell.entry.deviation + first.entry.deviation;
  if (first.roofline <= 0.0 || cell.roofline <= 0.0) return;
  cell.roofline_ratio = cell.ratio * cell.roofline / first.roofline;
  cell.because = because(first, cell);
}

void note_differences(const ResultContext& first, const ResultContext& c, std::vector<std::string>& notes) {
  if (c.version != first.version)
    notes.push_back("measured with tsugi " + c.version + ", the first with " + first.version);
  if (c.commit != first.commit) notes.push_back("measured at commit " + c.commit + ", the first at " + first.commit);
  if (c.commit == first.commit && c.build != first.build)
    notes.push_back("built as \"" + c.build + "\", the first as \"" + first.build + "\"");
}

void note_itself(const ResultContext& c, std::vector<std::string>& notes) {
  const std::string dirty = "-dirty";
  if (c.commit.size() > dirty.size() && c.commit.compare(c.commit.size() - dirty.size(), dirty.size(), dirty) == 0)
    notes.push_back("measured with changes that no commit has");
  if (c.commit == "unknown") notes.push_back("measured at an unknown commit");
  if (c.tuned_calls > 0) notes.push_back("with tuned kernels for " + std::to_string(c.tuned_calls) + " calls");
  if (c.brief) notes.push_back("a smoke run: its times mean nothing");
  if (!c.before.governor.empty() && c.before.governor != "performance")
    notes.push_back("CPU governor " + c.before.governor);
}

CompareSummary summarise(const Comparison& all, std::size_t side) {
  const ResultContext &first = all.sides[0].file.context, &context = all.sides[side].file.context;
  CompareSummary s;
  if (side > 0) note_differences(first, context, s.notes);
  note_itself(context, s.notes);
  for (const std::string& noise : noise_of(all.sides[side].file)) s.notes.push_back("disturbed: " + noise);
  if (side == 0) return s;
  s.f32_ratio = ratio_of(first.limits.f32, context.limits.f32);
  s.f16_ratio = ratio_of(first.limits.flops(DType::f16), context.limits.flops(DType::f16));
  s.bf16_ratio = ratio_of(first.limits.bf16, context.limits.bf16);
  s.copy_ratio = ratio_of(first.limits.copy, context.limits.copy);
  std::vector<double> ratios;
  for (const CompareRow& row : all.rows) {
    if (row.cells[side].ratio > 0.0) ratios.push_back(row.cells[side].ratio);
    s.within_spread += row.cells[side].within_spread;
    s.missing += row.cells[0].present && !row.cells[side].present;
  }
  s.shared = static_cast<int>(ratios.size());
  s.mean_ratio = ratios.empty() ? 0.0 : geometric_mean(ratios);
  return s;
}

/// Rows in the order of the first side, then what only later sides have.
std::vector<CompareRow> rows_of(const std::vector<CompareSide>& sides) {
  std::vector<CompareRow> rows;
  std::map<std::string, std::size_t> where;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    for (const ResultEntry& e : sides[i].file.entries) {
      const auto [found, made] = where.emplace(e.name, rows.size());
      if (made) {
        CompareRow row{e.name, e.model, e.layer, e.op, e.dtype, e.cache, e.batch, e.flops, e.bytes, {}};
        row.cells.resize(sides.size());
        rows.push_back(row);
      }
      rows[found->second].cells[i] = cell_of(e, sides[i].file.context.limits);
    }
  }
  for (CompareRow& row : rows)
    for (std::size_t i = 1; i < sides.size(); ++i) relate(row.cells[0], row.cells[i]);
  return rows;
}

std::string csv_number(double value) {
  if (!(value > 0.0)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

const char* name_of(Bound bound) {
  constexpr const char* kNames[] = {"unknown", "peak", "bandwidth"};
  return kNames[static_cast<int>(bound)];
}

Comparison compare(const std::vector<std::string>& paths, const std::vector<ResultFile>& files) {
  if (files.size() < 2) throw Error("compare: " + std::to_string(files.size()) + " result files, at least 2 expected");
  Comparison all;
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string name = stem(paths[i]);
    if (const int before = seen[name]++; before > 0) name += " (" + std::to_string(before + 1) + ")";
    all.sides.push_back({name, files[i]});
  }
  all.rows = rows_of(all.sides);
  int shared = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    all.summaries.push_back(summarise(all, i));
    shared += all.summaries.back().shared;
  }
  if (shared == 0)
    throw Error("compare: " + paths[0] + " shares 0 of its " + std::to_string(files[0].entries.size()) +
                " points with the other files; measure the same models, batch sizes and precision");
  return all;
}

std::string summary_text(const Comparison& comparison, std::size_t side) {
  const CompareSummary& s = comparison.summaries[side];
  std::string text = comparison.sides[side].name + " against " + comparison.sides[0].name + ":";
  const auto add = [&](double ratio, const std::string& what) {
    if (ratio <= 0.0) return;
    const bool slower = ratio >= 1.0;
    text += std::string(text.back() == ':' ? " " : ", ") + number(slower ? ratio : 1.0 / ratio) + " times " +
            (slower ? "slower" : "faster") + " " + what;
  };
  add(s.f32_ratio, "by peak (f32)");
  add(s.f16_ratio, "by peak (f16)");
  add(s.bf16_ratio, "by peak (bf16)");
  add(s.copy_ratio, "by bandwidth");
  add(s.mean_ratio, "in the geometric mean of " + std::to_string(s.shared) + " points");
  if (s.within_spread > 0)
    text += "; " + std::to_string(s.within_spread) + " of " + std::to_string(s.shared) +
            " differ by no more than their deviations together";
  if (s.missing > 0) text += "; " + std::to_string(s.missing) + " points of the first are missing";
  return text;
}

std::string to_csv(const Comparison& comparison) {
  std::string csv = "model,batch,layer,op,dtype,cache,flops,bytes";
  for (std::size_t i = 0; i < comparison.sides.size(); ++i) {
    const std::string& name = comparison.sides[i].name;
    for (const char* field : {"seconds", "mad_seconds", "gflops", "gb_per_s", "peak_share", "bandwidth_share",
                              "roofline_share", "bound", "kernel", "peer", "peer_ratio"})
      csv += "," + csv_field(name + " " + field);
    if (i > 0)
      for (const char* field : {"ratio", "roofline_ratio", "because"}) csv += "," + csv_field(name + " " + field);
  }
  csv += "\r\n";
  for (const CompareRow& row : comparison.rows) {
    csv += csv_field(row.model) + "," + std::to_string(row.batch) + "," + csv_field(row.layer) + "," +
           csv_field(row.op) + "," + csv_field(row.dtype) + "," + csv_field(row.cache) + "," + csv_number(row.flops) +
           "," + csv_number(row.bytes);
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const CompareCell& c = row.cells[i];
      const double seconds = c.entry.seconds;
      csv += "," + csv_number(seconds) + "," + csv_number(c.entry.deviation) + "," +
             csv_number(seconds > 0.0 ? row.flops / seconds / 1e9 : 0.0) + "," +
             csv_number(seconds > 0.0 ? row.bytes / seconds / 1e9 : 0.0) + "," + csv_number(c.peak) + "," +
             csv_number(c.bandwidth) + "," + csv_number(c.roofline) + "," +
             (c.bound == Bound::unknown ? "" : name_of(c.bound)) + "," + csv_field(c.entry.kernel) + "," +
             csv_field(c.entry.peer) + "," + csv_number(peer_ratio(c.entry));
      if (i > 0) csv += "," + csv_number(c.ratio) + "," + csv_number(c.roofline_ratio) + "," + csv_field(c.because);
    }
    csv += "\r\n";
  }
  return csv;
}

}  // namespace tsugi::bench
