// Markup: the style sheet and the script are in html_assets.h.
#include "tools/html.h"

#include <algorithm>

#include "engine/core/text.h"
#include "tools/console.h"
#include "tools/html_assets.h"

namespace tsugi::tools {
namespace {

/// Tables of up to this many rows are not split between two printed pages.
constexpr std::size_t kShortTable = 14;

/// Names above this many bytes are wrapped where the screen is narrow.
constexpr std::size_t kLongName = 18;

/// A cell's text, an interval smaller than its mean.
std::string cell_text(const std::string& text) {
  const std::string sign = " ± ";
  std::string html;
  std::size_t begin = 0;
  for (std::size_t at; (at = text.find(sign, begin)) != std::string::npos;) {
    const std::size_t number = at + sign.size();
    const std::size_t end = std::min(text.find_first_not_of("0123456789.", number), text.size());
    html +=
        html_text(text.substr(begin, at - begin)) + " <small>±\u2009" + text.substr(number, end - number) + "</small>";
    begin = end;
  }
  return html + html_text(text.substr(begin));
}

std::string heads(const HtmlRow& heading) {
  std::string html = "<thead><tr>";
  for (const HtmlCell& cell : heading) html += "<th scope=\"col\">" + html_text(cell.text) + "</th>";
  return html + "</tr></thead>\n";
}

/// Unknown values, 0 and below, go to the end.
std::string opening(const HtmlCell& cell) {
  const std::string value = format(" data-v=\"%.9g\" style=\"--share:%.1f%%\"", cell.value > 0.0 ? cell.value : -1.0,
                                   100.0 * std::min(cell.value, 1.0));
  return "<td" + (cell.look.empty() ? "" : " class=\"" + cell.look + "\"") + (std::isnan(cell.value) ? "" : value) +
         ">";
}

/// `first`: what the first cell of each row is.
std::string body_of(const std::vector<HtmlRow>& rows, const std::string& first) {
  std::string html = "<tbody>\n";
  for (const HtmlRow& row : rows) {
    html += "<tr><" + first + ">" + html_text(row.front().text) + "</" + first.substr(0, 2) + ">";
    for (auto cell = row.begin() + 1; cell != row.end(); ++cell)
      html += opening(*cell) + cell_text(cell->text) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::string html_table(const std::string& caption, const HtmlRow& heading, const std::vector<HtmlRow>& rows,
                       bool words) {
  const bool long_names =
      std::any_of(rows.begin(), rows.end(), [](const HtmlRow& row) { return row.front().text.size() > kLongName; });
  const std::string look = words ? " class=\"words\"" : long_names ? " class=\"long\"" : "";
  std::string html =
      "<div class=\"scroll" + std::string(rows.size() <= kShortTable ? " short" : "") + "\"><table" + look + ">\n";
  if (!caption.empty()) html += "<caption>" + html_text(caption) + "</caption>\n";
  return html + (heading.empty() ? "" : heads(heading)) + body_of(rows, "th scope=\"row\"");
}

std::string html_points(const HtmlRow& heading, const std::vector<HtmlRow>& rows, const std::string& choices,
                        const std::string& example) {
  return "<div class=\"scroll\"><table id=\"points\" data-choices=\"" + html_text(choices) + "\" data-example=\"" +
         html_text(example) + "\">\n" + heads(heading) + body_of(rows, "td") + "<script>" + kHtmlScript + "</script>\n";
}

std::string html_side_by_side(const std::string& tables) { return "<div class=\"tables\">\n" + tables + "</div>\n"; }

std::string html_paragraph(const std::string& text) { return "<p>" + html_text(text) + "</p>\n"; }

std::string html_heading(const std::string& text) { return "<h2>" + html_text(text) + "</h2>\n"; }

std::string html_figure(const std::vector<std::string>& drawings, const std::string& caption) {
  std::string html = "<figure><div class=\"panels\">\n";
  for (const std::string& drawing : drawings) html += "<div>" + drawing + "</div>\n";
  return html + "</div><figcaption>" + html_text(caption) + "</figcaption></figure>\n";
}

std::string html_code(const std::string& text) { return "<pre>" + html_text(text) + "</pre>\n"; }

std::string html_document(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n<title>" +
         html_text(title) + "</title>\n<style>" + kHtmlStyle + "</style></head>\n<body>\n<h1>" + html_text(title) +
         "</h1>\n" + body + "</body></html>\n";
}

}  // namespace tsugi::tools
