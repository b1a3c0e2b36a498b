// A page without any resource but itself: what the report is written with. Every text is escaped here (html_text,
// engine/core/text.h). The result is well-formed XML, too.
#pragma once

#include <string>
#include <vector>

namespace tsugi::tools {

/// A cell of a table: a text, with a class for its look.
struct HtmlCell {
  HtmlCell(const std::string& value) : text(value) {}  // NOLINT: a text is a cell
  HtmlCell(const char* value) : text(value) {}         // NOLINT
  std::string text;
};

using HtmlRow = std::vector<HtmlCell>;

/// A table that scrolls sideways where the screen is narrower. The first column is a heading of its row; the others are
/// aligned right, or left when `words`.
std::string html_table(const std::string& caption, const HtmlRow& heading, const std::vector<HtmlRow>& rows,
                       bool words = false);

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
