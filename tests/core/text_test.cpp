// Escaping: nothing harmful gets through, and nothing else is changed.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/core/text.h"

namespace tsugi {
namespace {

/// Of one code point.
std::string utf8(unsigned c) {
  const auto byte = [](unsigned value) { return static_cast<char>(value); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
}

const std::vector<std::string> kPlain = {"",        "Tony Blair", "l'été \\ 100 %", "山田太郎", "Ольга", "علي", "नेहा",
                                         "e\u0301", "😀",          "a\u00A0b",       "\u3000"};

TEST_CASE("names in every script stay as they are") {
  for (const std::string& text : kPlain) CHECK(printable(text) == text);
}

TEST_CASE("every control, invisible character and mark of direction is written out") {
  for (unsigned c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const bool harmful = c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C || c == 0x180E ||
                         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
                         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0x1D173 && c <= 0x1D17A) ||
                         (c >= 0xE0000 && c <= 0xE007F);
    const std::string text = "a" + utf8(c) + "b", shown = printable(text);
    if ((shown == text) == harmful) FAIL("U+", c, " became ", shown);
    if (printable(shown) != shown) FAIL("U+", c, " changes a second time");
  }
  CHECK(printable("\x1b[31m") == "\\x1b[31m");
  CHECK(printable("\u009b31m") == "\\u{9b}31m");
  CHECK(printable("a\u202eb\u2066") == "a\\u{202e}b\\u{2066}");
  CHECK(printable("one\ntwo\tthree\r") == "one\\ntwo\\tthree\\x0d");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\U000E0041") == "\\u{e0041}");
}

TEST_CASE("bytes that are not UTF-8 are written out one by one") {
  CHECK(printable("\x9b"
                  "31m") == "\\x9b31m");                  // C1 as a byte
  CHECK(printable("\xC0\x9b") == "\\xc0\\x9b");           // overlong ESC
  CHECK(printable("\xED\xA0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(printable("\xF4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(printable("ab\xE5\xB1") == "ab\\xe5\\xb1");  // cut off
  CHECK(printable("\xFFok") == "\\xffok");
}

TEST_CASE("the nearest known word is suggested, and none where none is near") {
  const std::vector<std::string> known = {"pretrain", "predict", "plan", "--epochs", "resnet-18"};
  for (const auto& [word, meant] :
       std::vector<std::pair<std::string, std::string>>{{"pretarin", "pretrain"},  // two letters swapped are one slip
                                                        {"PREDICT", "predict"},
                                                        {"pln", "plan"},
                                                        {"planet", "plan"},
                                                        {"-epochs", "--epochs"},
                                                        {"resnet18", "resnet-18"}})
    CHECK(tsugi::did_you_mean(word, known) == "; did you mean " + meant + "?");
  for (const std::string& word :
       {std::string(), std::string("x"), std::string("zebra"), std::string("trainings"), std::string(1000, 'p')})
    CHECK(tsugi::did_you_mean(word, known).empty());
  CHECK(tsugi::did_you_mean("plan", {}).empty());
}

TEST_CASE("text that looks the same is the same once composed, and what is not UTF-8 stays") {
  const std::vector<std::pair<std::string, std::string>> forms = {{"Zoe\u0308", "Zo\u00eb"},
                                                                  {"A\u030angstro\u0308m", "\u00c5ngstr\u00f6m"},
                                                                  {"\u212b", "\u00c5"},
                                                                  {"\u304b\u3099", "\u304c"},
                                                                  {"\u1112\u1161\u11ab", "\ud55c"},
                                                                  {"a\u0323\u0302", "\u1ead"},
                                                                  {"a\u0302\u0323", "\u1ead"}};
  for (const auto& [apart, together] : forms) {
    CHECK(tsugi::composed(apart) == together);
    CHECK(tsugi::composed(together) == together);
  }
  for (const std::string& same : {std::string(), std::string("Zoe"), std::string("\xcc"), std::string("Zoe\u0308\xff"),
                                  std::string("\uff21"), std::string("a\0b", 3)})
    CHECK(tsugi::composed(same) == same);
}

TEST_CASE("what looks the same differs when it is spelled out") {
  CHECK(tsugi::spelled_out("Zoe\u0308") == "Zoe\\u{308}");
  CHECK(tsugi::spelled_out("Zo\u00eb") == "Zo\\u{eb}");
  CHECK(tsugi::spelled_out("a\n\xff") == "a\\n\\u{ff}");
}

TEST_CASE("no text leaves the place that a page gives it") {
  CHECK(html_text("<b title=\"x\" id='y'>&amp;") == "&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;");
  CHECK(html_text("a\u202e\x1b\n") == "a\\u{202e}\\x1b\\n");
}

TEST_CASE("no text leaves its field of a table, and none is a formula") {
  CHECK(csv_field("plain") == "plain");
  CHECK(csv_field("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(csv_field("a\r\nb") == "a\\x0d\\nb");
  for (const char* formula : {"=1+1", "+1", "-1", "@SUM(A1)"}) CHECK(csv_field(formula) == std::string("'") + formula);
  CHECK(csv_field("=HYPERLINK(\"x\",1)") == "\"'=HYPERLINK(\"\"x\"\",1)\"");
  CHECK(csv_field("\t=1") == "\\t=1");
  CHECK(csv_field("a=1") == "a=1");
}

TEST_CASE("a text of a gnuplot script is one string in single quotes") {
  CHECK(gnuplot_text("a `id` \"b\" $(c) @d \\") == "'a `id` \"b\" $(c) @d \\'");
  CHECK(gnuplot_text("it's'") == "'it''s'''");
  CHECK(gnuplot_text("a\n`id`\r") == "'a\\n`id`\\x0d'");
}

}  // namespace
}  // namespace tsugi
