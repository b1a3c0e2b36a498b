// The page of a life: who joined and what it cost, how it went on, and whether forgetting left a trace.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "tools/experiment/plot.h"
#include "tools/experiment/statistics.h"
#include "tools/experiment/store.h"
#include "tools/html.h"
#include "tools/life/life.h"

namespace tsugi::tools {
namespace {

/// Rows of one line of a table.
struct LifeGroup {
  std::vector<double> change, general, personal, overall;
  std::vector<double> auroc, accepted, named_owner;  // of strangers, where there are some
  std::set<std::string> people, servers;
  int compared = 0, same = 0;
  double bytes = 0.0;

  void add(const LifeRow& row) {
    change.push_back(row.general.accuracy() - row.before);
    general.push_back(row.general.accuracy());
    personal.push_back(row.personal.accuracy());
    overall.push_back(static_cast<double>(row.general.correct + row.personal.correct) /
                      static_cast<double>(row.general.photos + row.personal.photos));
    if (row.strangers) {
      auroc.push_back(row.strangers->auroc);
      accepted.push_back(row.strangers->strangers.accuracy());
      named_owner.push_back(row.strangers->named_owner.accuracy());
    }
    people.insert(row.person);
    servers.insert(row.server);
    compared += !row.same.empty();
    same += row.same == "yes";
    bytes = std::max(bytes, static_cast<double>(row.bytes));
  }
};

bool any_stranger(const std::vector<LifeRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const LifeRow& row) { return row.strangers.has_value(); });
}

const HtmlRow kStrangersHead = {"AUROC of strangers, %", "strangers accepted, %", "as a personal person, %"};

void add_strangers_cells(const LifeGroup& group, HtmlRow& row, const std::string& of) {
  for (const auto* values : {&group.auroc, &group.accepted, &group.named_owner})
    row.push_back(percent_text(estimate(*values), false, of));
}

std::string joins_table(const std::vector<LifeRow>& rows) {
  std::map<std::pair<double, int>, LifeGroup> groups;
  for (const LifeRow& row : rows)
    if (row.event == "joins") groups[{row.fraction, row.photos}].add(row);
  HtmlRow head = {"sent", "photos", "general, points", "recall, %", "hand-overs", "people"};
  const bool strangers = any_stranger(rows);
  if (strangers) head.insert(head.end(), kStrangersHead.begin(), kStrangersHead.end());
  std::vector<HtmlRow> table;
  for (const auto& [key, group] : groups) {
    table.push_back({percent(key.first), std::to_string(key.second),
                     percent_text(estimate(group.change), true, "hand-overs"),
                     percent_text(estimate(group.personal), false, "hand-overs"), std::to_string(group.change.size()),
                     std::to_string(group.people.size())});
    if (strangers) add_strangers_cells(group, table.back(), "hand-overs");
  }
  return html_table("A new person joins", head, table);
}

/// Steps of a life in their order: people who joined, the server's next release, then how many are left.
std::vector<std::pair<std::string, LifeGroup>> steps_of(const std::vector<LifeRow>& rows) {
  std::map<int, LifeGroup> joined, left;
  LifeGroup release, carried;
  for (const LifeRow& row : rows) {
    if (row.event == "all") joined[row.people].add(row);
    if (row.event == "release") release.add(row);
    if (row.event == "carried") carried.add(row);
    if (row.event == "leaves") left[row.people].add(row);
  }
  std::vector<std::pair<std::string, LifeGroup>> steps;
  for (const auto& [people, group] : joined) steps.emplace_back(std::to_string(people) + " joined", group);
  if (!release.change.empty()) steps.emplace_back("the server's next release, with their photos", release);
  if (!carried.change.empty()) steps.emplace_back("the same, without photos", carried);
  for (auto step = left.rbegin(); step != left.rend(); ++step)
    steps.emplace_back("one leaves, " + std::to_string(step->first) + " stay", step->second);
  return steps;
}

std::string steps_table(const std::vector<std::pair<std::string, LifeGroup>>& steps, bool strangers) {
  HtmlRow head = {
      "", "general, points", "personal, %", "overall, %", "the same bytes as all at once", "checkpoint, at most"};
  if (strangers) head.insert(head.end(), kStrangersHead.begin(), kStrangersHead.end());
  std::vector<HtmlRow> table;
  for (const auto& [name, group] : steps) {
    table.push_back({name, percent_text(estimate(group.change), true, "servers"),
                     percent_text(estimate(group.personal), false, "servers"),
                     percent_text(estimate(group.overall), false, "servers"),
                     group.compared == 0 ? "–" : std::to_string(group.same) + " of " + std::to_string(group.compared),
                     bytes_text(group.bytes)});
    if (strangers) add_strangers_cells(group, table.back(), "servers");
  }
  return html_table("One after another", head, table);
}

Figure steps_figure(const std::vector<std::pair<std::string, LifeGroup>>& steps, bool strangers) {
  const double end = static_cast<double>(steps.size()) + 0.5;
  Panel panel{"steps",
              "A device's life",
              "step, a row of the table below",
              strangers ? "accuracy; share of strangers, %" : "accuracy, %",
              0.5,
              end,
              {}};
  const auto line = [&](const char* title, const char* color, int marker, std::vector<double> LifeGroup::*values) {
    PlotLine drawn{title, {color, marker, 1}, {}};
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Estimate value = estimate(steps[i].second.*values);
      if (!std::isfinite(value.mean)) continue;
      const double half = std::isfinite(value.half) ? value.half : 0.0;
      drawn.points.push_back(
          {static_cast<double>(i + 1), 100.0 * value.mean, 100.0 * (value.mean - half), 100.0 * (value.mean + half)});
    }
    panel.lines.push_back(drawn);
  };
  line("general", "#0072b2", 7, &LifeGroup::general);
  line("personal", "#d55e00", 5, &LifeGroup::personal);
  line("overall", "#009e73", 9, &LifeGroup::overall);
  if (strangers) line("strangers accepted", "#cc79a7", 11, &LifeGroup::accepted);
  return {"life", {panel}};
}

}  // namespace

std::string write_life_report(const LifeSettings& settings, const std::vector<LifeRow>& rows,
                              const std::string& command, const std::function<void(const std::string&)>& say,
                              FileLog* files) {
  std::set<std::string> servers;
  for (const LifeRow& row : rows) servers.insert(row.server);
  std::string body = html_paragraph(
      "A server learns people and hands over what it knows; people whom it never saw join the device. Here " +
      std::to_string(servers.size()) + " servers, each without " + std::to_string(settings.held_back) +
      " people of the folder, who join the device: alone, then one after another, each time with what was left of the "
      "time before and no older photo; then they leave, the first first. Means and 95 % intervals over hand-overs; "
      "those of one server share its test photos, so that the interval of their change is too small.");
  const bool strangers = any_stranger(rows);
  if (strangers)
    body += html_paragraph(
        "Strangers are people whom neither server nor device knows: AUROC is the share of pairs in which a known "
        "person's "
        "test photo fits better than a stranger's; accepted are those taken for somebody known at the threshold that "
        "the device has by default. A device that was trained has no statistics, and can't tell.");
  const auto steps = steps_of(rows);
  body += html_heading("A new person") + joins_table(rows);
  body += html_heading("Many, one after another");
  if (!steps.empty()) {
    const std::string folder = settings.out + "/figures";
    if (std::filesystem::is_symlink(folder)) throw Error(folder + ": is a link, a folder expected");
    std::filesystem::create_directories(folder);
    if (draw(steps_figure(steps, strangers), folder, files)) {
      body += html_figure({inline_svg(folder + "/life_steps.svg", "life_", "accuracy step by step", files)},
                          "Accuracy step by step, mean over servers; of three and more its 95 % interval.");
    } else {
      say("warning: gnuplot is missing, so the report has no figure (Debian: apt-get install gnuplot-nox)");
      body += html_paragraph("The figure is left out: gnuplot was not there when this page was made.");
    }
  }
  body += steps_table(steps, strangers) + html_heading("Repeat it") + html_code(command);
  const std::string page = settings.out + "/index.html";
  write_own_file(page, html_document("A device's life", body), {"report", files, true});
  return page;
}

}  // namespace tsugi::tools
