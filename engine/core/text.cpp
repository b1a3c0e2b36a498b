// Source of the dangerous ranges: Unicode's categories Cc, Cf, Zl and Zp, and Unicode Technical Report 36, "Security
// considerations".
#include "engine/core/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace tsugi {
namespace {

/// Formatting signs that only some letters of Arabic and Syriac have a visible form of are no danger, and left out.
bool is_harmful(unsigned c) {
  struct Range {
    unsigned first, last;
  };
  constexpr Range kHarmful[] = {
      {0x00, 0x1F},        // C0: escape sequences begin here
      {0x7F, 0x9F},        // DEL and C1, which some terminals obey like C0
      {0xAD, 0xAD},        // soft hyphen
      {0x61C, 0x61C},      // Arabic letter mark
      {0x180E, 0x180E},    // Mongolian vowel separator
      {0x200B, 0x200F},    // zero width, marks of direction
      {0x2028, 0x202E},    // separators of lines and paragraphs, embeddings and overrides of direction
      {0x2060, 0x206F},    // invisible operators, isolates of direction
      {0xFEFF, 0xFEFF},    // byte order mark
      {0xFFF9, 0xFFFB},    // interlinear annotations
      {0x1D173, 0x1D17A},  // musical formatting
      {0xE0000, 0xE007F},  // tags
  };
  for (const Range& range : kHarmful)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

unsigned code_point(const std::string& text, std::size_t at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
  if (length == 1) return byte(at);
  unsigned value = byte(at) & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) value = value << 6 | (byte(at + i) & 0x3Fu);
  return value;
}

std::string written_out(const char* pattern, unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

/// The text between quotes, a quote in it twice.
std::string in_quotes(const std::string& text, char quote) {
  std::string all(1, quote);
  for (const char c : text) all.append(c == quote ? 2 : 1, c);
  return all + quote;
}

std::string without_capitals(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  return text;
}

/// Fewest letters put in, left out, replaced, or swapped with the next one that make `b` of `a`. Source: Damerau, "A
/// technique for computer detection and correction of spelling errors", 1964; no part is edited twice.
std::size_t slips(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last, last, row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = std::exchange(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row.back();
}

template <class Number, class Read>
std::string shortest(Number value, const Read& read) {
  constexpr int kMostDigits = 17;
  constexpr double kWhole = 1e15;
  char text[32];
  if (std::floor(value) == value && std::abs(value) < static_cast<Number>(kWhole))
    return std::to_string(static_cast<long long>(value));
  for (int digits = 1; digits <= kMostDigits; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
    if (read(text) == value) break;
  }
  return text;
}

}  // namespace

std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0u) != 0x80u) return 0;
  }
  const unsigned second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return length;
}

std::string composed(const std::string& text) {
  utf8proc_uint8_t* form = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &form, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(form, std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  return size < 0 ? text : std::string(reinterpret_cast<const char*>(form), static_cast<std::size_t>(size));
}

std::string spelled_out(const std::string& text) {
  std::string spelled;
  for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
    length = std::max<std::size_t>(utf8_length(text, at), 1);
    const unsigned c = code_point(text, at, length);
    spelled += c < 0x80 ? printable(text.substr(at, 1)) : written_out("\\u{%x}", c);
  }
  return spelled;
}

std::string printable(const std::string& text) {
  std::string shown;
  for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
    length = utf8_length(text, at);
    const unsigned c = code_point(text, at, length == 0 ? 1 : length);
    if (length > 0 && !is_harmful(c)) {
      shown.append(text, at, length);
    } else if (c == '\n' || c == '\t') {
      shown += c == '\n' ? "\\n" : "\\t";
    } else {
      shown += written_out(length <= 1 ? "\\x%02x" : "\\u{%x}", c);
    }
    if (length == 0) length = 1;
  }
  return shown;
}

std::string clipped(const std::string& text) {
  constexpr std::size_t kMost = 80;
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = end + std::max<std::size_t>(utf8_length(text, end), 1);
    if (next > kMost) break;
    end = next;
  }
  return printable(text.substr(0, end)) + (end < text.size() ? "..." : "");
}

std::string shown(const std::string& text) { return "\"" + clipped(text) + "\""; }

std::string html_text(const std::string& text) {
  constexpr const char* kEntities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  const std::string signs = "&<>\"'";
  std::string escaped;
  for (const char c : printable(text)) {
    const std::size_t sign = signs.find(c);
    escaped += sign == std::string::npos ? std::string(1, c) : kEntities[sign];
  }
  return escaped;
}

std::string csv_field(const std::string& text) {
  std::string field = printable(text);
  const std::string formulas = "=+-@";
  if (!field.empty() && formulas.find(field[0]) != std::string::npos) field.insert(0, "'");
  return field.find_first_of(",\"") == std::string::npos ? field : in_quotes(field, '"');
}

std::string gnuplot_text(const std::string& text) { return in_quotes(printable(text), '\''); }

bool contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string joined(const std::vector<std::string>& texts, const std::string& separator) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : separator) + text;
  return all;
}

std::vector<std::string> separated(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t kMostBytes = 80, kLettersASlip = 3;
  if (word.size() > kMostBytes) return "";
  std::size_t fewest = word.size() / kLettersASlip + 1;
  std::string nearest;
  for (const std::string& one : known)
    if (const std::size_t count = slips(without_capitals(word), without_capitals(one)); count < fewest) {
      fewest = count;
      nearest = one;
    }
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::string number_text(double value) {
  return shortest(value, [](const char* text) { return std::strtod(text, nullptr); });
}
std::string number_text(float value) {
  return shortest(value, [](const char* text) { return std::strtof(text, nullptr); });
}

}  // namespace tsugi
