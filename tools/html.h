// The one maker of pages without any resource but themselves: the experiment's report and the comparison of result
// files. Every text is escaped here (html_text, engine/core/text.h). The result is well-formed XML, too.
#pragma once

#include <cmath>
#include <string>
#include <vector>

namespace tsugi::tools {

/// A cell of a table that is sorted can say what it sorts by. look: a class; "bar" draws that value, a share, behind
/// it.
struct HtmlCell {
  HtmlCell(const std::string& shown, const std::string& css = "",
           double sorts_by = std::nan(""))  // NOLINT: a text is one
      : text(shown), look(css), value(sorts_by) {}
  HtmlCell(const char* shown) : text(shown) {}  // NOLINT
  std::string text, look;
  double value = std::nan("");
};

using HtmlRow = std::vector<HtmlCell>;

/// A table that scrolls sideways where the screen is narrower. The first column is a heading of its row; the others are
/// aligned right, or left when `words`.
std::string html_table(const std::string& caption, const HtmlRow& heading, const std::vector<HtmlRow>& rows,
                       bool words = false);

/// The one table of a page that its reader sorts and filters. choices: columns with a choice of their values, "0 2";
/// example: of words to filter by.
std::string html_points(const HtmlRow& heading, const std::vector<HtmlRow>& rows, const std::string& choices,
                        const std::string& example);

/// Tables beside each other where there is room.
std::string html_side_by_side(const std::string& tables);

std::string html_paragraph(const std::string& text);
std::string html_heading(const std::string& text);

/// `drawings`: markup of one or more <svg>, side by side where there is room.
std::string html_figure(const std::vector<std::string>& drawings, const std::string& caption);

/// A block of text as it is, wrapped.
std::string html_code(const std::string& text);

/// The whole document. body: markup.
std::string html_document(const std::string& title, const std::string& body);

}  // namespace tsugi::tools
