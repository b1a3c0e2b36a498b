// The words of PTX text, one after the other, with the line that each stands on.
#pragma once

#include <cctype>
#include <cstring>
#include <string>

#include "kernels/api/error.h"

namespace tsugi {
namespace ptx {

/// Reads `text` from `begin` to `end`; comments and .loc lines (where in the source an instruction comes from) are
/// skipped.
class Tokens {
 public:
  Tokens(const std::string& module, const std::string& text, std::size_t begin, std::size_t end, int line)
      : module_(module), text_(text), at_(begin), end_(end), line_(line) {
    next();
  }

  const std::string& word() const { return word_; }  ///< empty at the end
  bool done() const { return word_.empty(); }
  bool is(const char* word) const { return word_ == word; }
  int line() const { return word_line_; }
  std::size_t position() const { return word_at_; }  ///< of word() in the text

  std::string take() {
    std::string taken = word_;
    next();
    return taken;
  }
  bool skip(const char* word) {
    if (!is(word)) return false;
    next();
    return true;
  }
  void expect(const char* word) {
    if (!skip(word)) fail(std::string("expected ") + word + ", found " + (done() ? "the end" : word_));
  }
  std::uint64_t number() {
    char* rest = nullptr;
    const std::string text = take();
    const std::uint64_t value = std::strtoull(text.c_str(), &rest, 0);
    if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0])) ||
        (*rest != 0 && std::strcmp(rest, "U") != 0))
      fail("expected a number, found " + text);
    return value;
  }
  /// From an opening brace to behind the one that closes it; what lies between is not taken apart.
  void skip_block() {
    if (!is("{")) fail("expected {, found " + (done() ? "the end" : word_));
    for (int depth = 1; depth > 0; ++at_) {
      if (at_ >= end_) fail("a block does not end");
      if (starts("//")) skip_line();
      const char c = at_ < end_ ? text_[at_] : ' ';
      line_ += c == '\n';
      depth += (c == '{') - (c == '}');
    }
    next();
  }
  /// A number, or the bits of a literal 0f3F800000 or 0d3FF0000000000000.
  std::uint64_t literal() {
    const bool is_float = word_.size() == 10 && word_.compare(0, 2, "0f") == 0;
    const bool is_double = word_.size() == 18 && word_.compare(0, 2, "0d") == 0;
    return is_float || is_double ? std::strtoull(take().c_str() + 2, nullptr, 16) : number();
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("ptx: " + module_ + " line " + std::to_string(word_line_) + ": " + what);
  }

 private:
  static bool in_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' || c == '%';
  }
  bool starts(const char* what) const { return text_.compare(at_, std::strlen(what), what) == 0; }
  void skip_line() {
    while (at_ < end_ && text_[at_] != '\n') ++at_;
  }

  void next() {
    for (;; ++at_) {
      while (at_ < end_ && (starts("//") || starts(".loc\t") || starts(".loc "))) skip_line();
      if (at_ >= end_ || !std::isspace(static_cast<unsigned char>(text_[at_]))) break;
      line_ += text_[at_] == '\n';
    }
    const std::size_t begin = word_at_ = at_;
    word_line_ = line_;
    if (at_ < end_ && text_[at_] == '"') {
      for (++at_; at_ < end_ && text_[at_] != '"'; ++at_) line_ += text_[at_] == '\n';
      at_ += at_ < end_;
    } else if (at_ < end_ && in_word(text_[at_])) {
      while (at_ < end_ && in_word(text_[at_])) ++at_;
    } else if (at_ < end_) {
      ++at_;
    }
    word_.assign(text_, begin, at_ - begin);
  }

  const std::string& module_;
  const std::string& text_;
  std::size_t at_, end_, word_at_ = 0;
  int line_, word_line_ = 0;
  std::string word_;
};

}  // namespace ptx
}  // namespace tsugi
