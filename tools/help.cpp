// Lays out one option or command: its name on the left, everything about it on the right.
#include "tools/help.h"

#include <sstream>

namespace tsugi::tools {
namespace {

constexpr std::size_t kColumns = 80, kIndent = 30;

/// CLI11 says "INT:INT in [0 - 1024]", "TEXT:{none,fp16}" or "TEXT": the type comes first.
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

/// "0 to 1024", or "" where no range is checked. Choices are named by the descriptions.
std::string range_of(const CLI::Option& option) {
  const std::string type = option.get_type_name(), before = " in [", between = " - ";
  const std::size_t begin = type.find(before);
  if (begin == std::string::npos) return "";
  std::string range = type.substr(begin + before.size());
  range.erase(range.find(']'));
  const std::size_t dash = range.find(between);
  return dash == std::string::npos ? range : range.substr(0, dash) + " to " + range.substr(dash + between.size());
}

std::string left_of(const CLI::Option& option, bool is_positional) {
  std::string name = option.get_name(is_positional, !is_positional);
  if (const std::size_t value = name.find('{'); value != std::string::npos)
    name.erase(value);  // of flags that switch off
  if (const std::size_t second = name.find(",--", name.find("--")); second != std::string::npos)
    name.erase(second);  // former names, which are still understood
  const bool takes_value = option.get_type_size() != 0;
  if (takes_value && !is_positional) name += " " + type_of(option);
  if (option.get_expected_max() == CLI::detail::expected_max_vector_size) name += " ...";
  return "  " + name;
}

std::string right_of(const CLI::Option& option) {
  std::vector<std::string> remarks;
  if (option.get_required()) remarks.push_back("required");
  if (const std::string range = range_of(option); !range.empty()) remarks.push_back(range);
  if (!option.get_default_str().empty()) remarks.push_back("default " + option.get_default_str());
  return with_remarks(option.get_description(), remarks);
}

/// The words of `text` from column kIndent on, in lines of at most kColumns.
std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string word, lines;
  std::size_t column = kIndent;
  while (words >> word) {
    const bool first = column == kIndent;
    if (!first && column + 1 + word.size() > kColumns) {
      lines += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    } else if (!first) {
      lines += " ";
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

}  // namespace

std::string with_remarks(const std::string& description, const std::vector<std::string>& remarks) {
  std::string text = description;
  for (std::size_t i = 0; i < remarks.size(); ++i) text += (i == 0 ? " (" : ", ") + remarks[i];
  return remarks.empty() ? text : text + ")";
}

// A left side that is too long gets a line of its own.
std::string help_entry(const std::string& left, const std::string& right) {
  const std::string gap =
      left.size() + 1 < kIndent ? std::string(kIndent - left.size(), ' ') : "\n" + std::string(kIndent, ' ');
  return left + gap + wrapped(right) + "\n";
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  return help_entry(left_of(*option, is_positional), right_of(*option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return help_entry("  " + command->get_name(), command->get_description());
}

}  // namespace tsugi::tools
