// Untrusted text on its way out: names, labels and messages from files, command lines and other programs, made fit for
// what reads them. One function a reader; whoever writes for that reader uses it and nothing else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tsugi {

/// Bytes of the UTF-8 character at `at`, or 0 when it is not valid (overlong forms, surrogates and a cut end included).
std::size_t utf8_length(const std::string& text, std::size_t at);

/// The same text in Unicode's form NFC, each letter one with its accents: Linux and Windows name files so, macOS takes
/// them apart (NFD). Names of people are compared in this form alone. What is not UTF-8 comes back as it is.
std::string composed(const std::string& text);

/// With everything beyond ASCII written out, Zo\u{eb}: tells apart what looks the same.
std::string spelled_out(const std::string& text);

/// `text` as one line that people see in full: what a terminal would obey, hide or reorder by is written out instead.
/// Control characters and bytes that are not UTF-8 become \n, \t or \xNN; other controls, marks of direction, invisible
/// characters and separators of lines become \u{N}. Twice is the same as once. Names stay readable in every script; the
/// four functions below begin with this one.
std::string printable(const std::string& text);

/// At most 80 bytes of it, whole characters alone, as printable() shows them; and that in quotes.
std::string clipped(const std::string& text);
std::string shown(const std::string& text);

/// Of a page or a drawing: text between tags, or in an attribute with quotes of either kind.
std::string html_text(const std::string& text);

/// A field of a CSV table (RFC 4180). A spreadsheet takes what begins with = + - @ for a formula and runs it: an
/// apostrophe in front makes it text.
std::string csv_field(const std::string& text);

/// A string of a gnuplot script: in single quotes, where gnuplot reads no backquotes, macros and escapes. The terminal
/// must be "noenhanced", or gnuplot takes ^ _ { } @ & for markup.
std::string gnuplot_text(const std::string& text);

bool contains(const std::vector<std::string>& texts, const std::string& text);

/// All of them, with `separator` in between; and the texts between separators, at least one, empty ones too.
std::string joined(const std::vector<std::string>& texts, const std::string& separator = ", ");
std::vector<std::string> separated(const std::string& text, char separator);

/// "; did you mean resnet-18?", with the word of `known` that few slips of the keys make of `word`, or "" where none is
/// near. Capitals do not matter.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

/// The shortest text that reads back as this number: "0.1", "1000000".
std::string number_text(double value);
std::string number_text(float value);

}  // namespace tsugi
