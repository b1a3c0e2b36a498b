#include "tools/compare_page.h"

#include <cstdio>
#include <set>

#include "engine/core/text.h"
#include "tools/bench.h"
#include "tools/compare_page_assets.h"

namespace tsugi::tools {
namespace {

using bench::CompareCell;
using bench::CompareRow;
using bench::Comparison;

std::string element(const char* tag, const std::string& text) {
  return std::string("<") + tag + ">" + html_text(text) + "</" + tag + ">";
}

/// A cell of the table: `value` is what it sorts by; below 0 it goes to the end.
std::string number_cell(double value, const std::string& shown) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value > 0.0 ? value : -1.0);
  return std::string("<td class=\"n\" data-v=\"") + text + "\">" + html_text(shown) + "</td>";
}

std::string share_cell(double share) {
  char bar[120];
  std::snprintf(bar, sizeof bar, "<td class=\"n bar\" data-v=\"%.9g\" style=\"--share:%.1f%%\">",
                share > 0.0 ? share : -1.0, 100.0 * std::min(share, 1.0));
  return bar + html_text(figure_text(100.0 * share)) + "</td>";
}

std::string header_cell(const std::string& text, bool number) {
  return std::string("<th data-n=\"") + (number ? "1" : "0") + "\"><button type=\"button\">" + html_text(text) +
         "</button></th>";
}

std::string table_head(const Comparison& all) {
  std::string head = "<tr>";
  for (const char* column : {"model", "layer", "op", "type", "cache"}) head += header_cell(column, false);
  head += header_cell("batch", true);
  for (std::size_t i = 0; i < all.sides.size(); ++i) {
    const std::string& name = all.sides[i].name;
    head += header_cell(name + ": time", true);
    if (i > 0) head += header_cell("times " + all.sides[0].name, true);
    head += header_cell(name + ": % of peak", true) + header_cell(name + ": % of bandwidth", true) +
            header_cell(name + ": % of roofline", true);
    head += header_cell(name + ": kernel", false) + header_cell(name + ": times as fast as its peer", true);
    if (i > 0) head += header_cell("because", false);
  }
  return head + "</tr>";
}

std::string table_row(const CompareRow& row) {
  std::string html = "<tr>";
  for (const std::string& text : {row.model, row.layer, row.op, row.dtype, row.cache}) html += element("td", text);
  html += number_cell(row.batch, std::to_string(row.batch));
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    const CompareCell& c = row.cells[i];
    html += number_cell(c.entry.seconds, c.entry.failure.empty() ? time_text(c.entry.seconds) : "failed");
    if (i > 0) html += number_cell(c.ratio, figure_text(c.ratio));
    html += share_cell(c.peak) + share_cell(c.bandwidth) + share_cell(c.roofline);
    html += element("td", c.entry.kernel) + number_cell(bench::peer_ratio(c.entry), peer_text(c.entry));
    if (i > 0)
      html += "<td class=\"because\">" + html_text(c.entry.failure.empty() ? c.because : c.entry.failure) + "</td>";
  }
  return html + "</tr>\n";
}

/// A choice of the values that column `column` has.
std::string choice(const Comparison& all, const char* label, int column, std::string CompareRow::*field) {
  std::set<std::string> values;
  for (const CompareRow& row : all.rows) values.insert(row.*field);
  std::string html = std::string("<label>") + label + " <select data-column=\"" + std::to_string(column) +
                     "\"><option value=\"\">all</option>";
  for (const std::string& value : values)
    html += "<option value=\"" + html_text(value) + "\">" + html_text(value) + "</option>";
  return html + "</select></label>\n";
}

/// What each side is.
std::string side_table(const Comparison& all) {
  std::string html =
      "<table "
      "class=\"sides\"><tr><th>file</th><th>device</th><th>measured</th><th>limits</th><th>tsugi</th><th>mind</th></"
      "tr>\n";
  for (std::size_t i = 0; i < all.sides.size(); ++i) {
    const bench::ResultContext& c = all.sides[i].file.context;
    std::string notes;
    for (const std::string& note : all.summaries[i].notes) notes += (notes.empty() ? "" : "; ") + note;
    const std::string device =
        c.device + ": " + c.device_description + (c.before.board.empty() ? "" : ", " + c.before.board) +
        (c.before.power_mode.empty() ? "" : ", power mode " + c.before.power_mode) +
        (c.before.cpu_mhz > 0.0 ? ", CPU at " + figure_text(c.before.cpu_mhz) + " MHz" : "") +
        (c.before.gpu_mhz > 0.0 ? ", GPU at " + figure_text(c.before.gpu_mhz) + " MHz" : "") +
        (c.before.temperature_c > 0.0 ? ", " + figure_text(c.before.temperature_c) + " degrees C" : "");
    html += "<tr>" + element("td", all.sides[i].name) + element("td", device) + element("td", c.before.date) +
            element("td", bench::text(c.limits)) + element("td", c.version + ", " + c.commit + ", " + c.build) +
            std::string("<td class=\"warn\">") + html_text(notes) + "</td></tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace

std::string compare_page(const Comparison& all, const std::string& svg, const std::string& no_plot) {
  std::string title;
  for (const bench::CompareSide& side : all.sides) title += (title.empty() ? "" : " / ") + side.name;
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>" +
                     element("title", "tsugi bench: " + title) +
                     "<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>" + kCompareStyle +
                     "</style></head><body>\n" + element("h1", title) + "\n";
  for (std::size_t i = 1; i < all.sides.size(); ++i) html += element("p", bench::summary_text(all, i)) + "\n";
  html += side_table(all);
  html += svg.empty() ? element("p", "No roofline plot: " + no_plot)
                      : "<figure>" + svg.substr(std::min(svg.find("<svg"), svg.size())) + "</figure>\n";
  html +=
      "<div class=\"filters\"><label>filter <input type=\"search\" id=\"text\" placeholder=\"conv1 "
      "backward\"/></label>\n" +
      choice(all, "model", 0, &CompareRow::model) + choice(all, "op", 2, &CompareRow::op) +
      choice(all, "cache", 4, &CompareRow::cache) + "<span id=\"count\"></span></div>\n";
  html +=
      "<p class=\"hint\">A heading sorts, a second click turns the order. Shares are of each device's own limits, "
      "measured in the same run; "
      "points from warm caches can exceed the bandwidth of memory.</p>\n";
  html += "<div class=\"wide\"><table id=\"points\"><thead>" + table_head(all) + "</thead><tbody>\n";
  for (const CompareRow& row : all.rows) html += table_row(row);
  return html + "</tbody></table></div>\n<script>" + kCompareScript + "</script></body></html>\n";
}

}  // namespace tsugi::tools
