// What every command has: --json, --quiet, its example, and its result as the last line.
#include "tools/command.h"

#include "tools/console.h"

namespace tsugi::tools {

void add_common(CLI::App& command, Common& common, const std::string& example) {
  command.add_flag("--json", common.json, "End stdout with one JSON object");
  command.add_flag("-q,--quiet", common.quiet, "Print errors only, and what --json asks for");
  command.footer("Example:\n  " + example);
}

void add_json_lines(CLI::App& command, Common& common) {
  command.add_flag("--json-lines", common.json_lines, "Print one JSON object a photo, a line each, as they come")
      ->excludes(command.get_option("--json"));
}

std::string json_line(const Json& result) { return result.dump(-1, ' ', true, Json::error_handler_t::replace); }

void finish(const Common& common, const Json& result) {
  if (common.json) print_line(json_line(result));
}

}  // namespace tsugi::tools
