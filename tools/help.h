// How --help looks: 80 columns, descriptions wrapped beside the options, ranges and defaults in words.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tsugi::tools {

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace tsugi::tools
