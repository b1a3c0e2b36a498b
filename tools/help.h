// How --help looks: 80 columns, descriptions wrapped beside the options, ranges and defaults in words.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tsugi::tools {

/// "A sentence (0 to 1, default 0.5)"
std::string with_remarks(const std::string& description, const std::vector<std::string>& remarks);

/// A line of --help: a name on the left, what there is to say on the right, in 80 columns.
std::string help_entry(const std::string& left, const std::string& right);

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace tsugi::tools
