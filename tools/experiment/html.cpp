// Markup and its one style sheet: for phones, desktops and paper.
#include "tools/experiment/html.h"

#include <algorithm>

#include "engine/core/text.h"

namespace tsugi::tools {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#1c1c1c;background:#fff}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.2rem;margin:2.2rem 0 .5rem;padding-top:.6rem;border-top:1px solid #ccc}
p{max-width:46rem;margin:.6rem 0}
.scroll{overflow-x:auto;margin:.8rem 0}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0;max-width:46rem}
th,td{padding:.22rem .55rem;border-bottom:1px solid #e2e2e2;text-align:right;vertical-align:top;white-space:nowrap}
thead th{border-bottom:2px solid #888;vertical-align:bottom;white-space:normal}
th:first-child{text-align:left;font-weight:500;padding-left:0}
small{color:#555;font-size:.84em}
.tables{display:flex;flex-wrap:wrap;gap:0 2.5rem;align-items:flex-start}
.tables .scroll{max-width:100%}
.tables caption{max-width:24rem}
.words{max-width:60rem}
.words td{text-align:left;overflow-wrap:anywhere}
.words td,.words th,.long th:first-child{white-space:normal}
.long th:first-child{min-width:5rem}
figure{margin:1rem 0}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));gap:.5rem}
.panels svg{width:100%;height:auto;max-width:34rem;display:block}
figcaption{max-width:46rem;font-size:.92rem;color:#444}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;padding:.6rem;font-size:.85rem;border-radius:4px}
@media (max-width:30rem){body{padding:.7rem}th,td{padding:.2rem .24rem}table{font-size:.82rem}}
@media print{
@page{margin:14mm}
body{max-width:none;padding:0;font-size:9.5pt}
h2{break-after:avoid}
figure,tr,.short{break-inside:avoid}
.panels{grid-template-columns:repeat(3,1fr)}
.scroll{overflow:visible}
.tables{display:block}
thead{display:table-header-group}
caption{break-after:avoid}
pre{background:none;border:1px solid #ccc}
}
)";

/// Tables of up to this many rows are not split between two printed pages.
constexpr std::size_t kShortTable = 14;

/// Names above this many bytes are wrapped where the screen is narrow.
constexpr std::size_t kLongName = 18;

/// A cell's text, an interval smaller than its mean.
std::string cell_text(const std::string& text) {
  const std::string sign = " ± ";
  const std::size_t at = text.find(sign);
  if (at == std::string::npos) return html_text(text);
  const std::size_t end = std::min(text.find_first_not_of("0123456789.", at + sign.size()), text.size());
  return html_text(text.substr(0, at)) + " <small>±\u2009" + text.substr(at + sign.size(), end - at - sign.size()) +
         "</small>" + cell_text(text.substr(end));
}

}  // namespace

std::string html_table(const std::string& caption, const HtmlRow& heading, const std::vector<HtmlRow>& rows,
                       bool words) {
  bool long_names = false;
  for (const HtmlRow& row : rows) long_names = long_names || row.front().text.size() > kLongName;
  const std::string look = words ? " class=\"words\"" : long_names ? " class=\"long\"" : "";
  std::string html =
      "<div class=\"scroll" + std::string(rows.size() <= kShortTable ? " short" : "") + "\"><table" + look + ">\n";
  if (!caption.empty()) html += "<caption>" + html_text(caption) + "</caption>\n";
  if (!heading.empty()) {
    html += "<thead><tr>";
    for (const HtmlCell& cell : heading) html += "<th scope=\"col\">" + html_text(cell.text) + "</th>";
    html += "</tr></thead>\n";
  }
  html += "<tbody>\n";
  for (const HtmlRow& row : rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html +=
          i == 0 ? "<th scope=\"row\">" + html_text(row[i].text) + "</th>" : "<td>" + cell_text(row[i].text) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
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
         html_text(title) + "</title>\n<style>" + kStyle + "</style></head>\n<body>\n<h1>" + html_text(title) +
         "</h1>\n" + body + "</body></html>\n";
}

}  // namespace tsugi::tools
