// What every command has: --json, --quiet, its example, and its result as the last line.
#include "tools/command.h"

#include "tools/console.h"

namespace tsugi::tools {

void add_common(CLI::App& command, Common& common, const std::string& example) {
  command.add_flag("--json", common.json, "End stdout with one JSON object");
  command.add_flag("-q,--quiet", common.quiet, "Print errors only, and what --json asks for");
  command.footer("Example:\n  " + example);
}

void finish(const Common& common, const Json& result) {
  // ASCII alone: nothing in it that a terminal obeys, and no name of a file that is not UTF-8 (U+FFFD stands for its
  // bytes) makes it fail.
  if (common.json) print_line(result.dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace tsugi::tools
