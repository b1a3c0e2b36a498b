// Cells of an experiment come from files, maybe from somebody else's: only what an experiment can have written is
// taken.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/engine/support.h"
#include "tools/experiment/cells.h"
#include "tools/experiment/plot.h"

namespace tsugi::tools {
namespace {

using test::error_of;
using test::expect_parts;

Json good_cell() {
  Cell cell;
  cell.job = {JobKind::handover, 3, 1, "no-average", 0.1, 0.0};
  cell.people.push_back({"Ann", false, 4, 3, 2});
  cell.accuracy = 0.5;
  cell.settings = {{"seed", 1}, {"optimizer", "sgd"}, {"mean", {0.5, 0.5}}};
  return to_json(cell);
}

std::string refusal(const std::string& field, const Json& value) {
  Json cell = good_cell();
  cell[Json::json_pointer(field)] = value;
  return error_of([&] { cell_from_json(cell, "cells/x.json"); });
}

TEST_CASE("a cell is what was written, and anything else is refused with its field and value") {
  CHECK(to_json(cell_from_json(good_cell(), "cells/x.json")) == good_cell());
  for (const char* name : {"`touch pwned`", "a\"b", "../../up", "a b", "Default", "", "a\nb", "é"})
    expect_parts(refusal("/method", name), {"cells/x.json", "method", "a-z"});
  expect_parts(refusal("/method", std::string(65, 'a')), {"cells/x.json", "method"});
  expect_parts(refusal("/people", 0), {"people", "0", "from 1"});
  expect_parts(refusal("/people", 1e300), {"people", "1e+300"});
  expect_parts(refusal("/people", -3), {"people", "-3"});
  expect_parts(refusal("/seed", 1.5), {"seed", "1.5"});
  expect_parts(refusal("/fraction", 1.5), {"fraction", "1.5", "from 0 to 1"});
  expect_parts(refusal("/accuracy", -0.5), {"accuracy", "-0.5"});
  expect_parts(refusal("/accuracy_general", 7), {"accuracy_general", "7", "from 0 to 1"});
  expect_parts(refusal("/wall_s", 1e300), {"wall_s", "1e+300"});
  expect_parts(refusal("/wall_s", "soon"), {"wall_s", "soon"});
  expect_parts(refusal("/device", 5), {"device", "5", "text"});
  expect_parts(refusal("/bundle_bytes", -1), {"bundle_bytes", "-1"});
  expect_parts(refusal("/persons", "nobody"), {"persons", "nobody", "list"});
  expect_parts(refusal("/persons/0/correct", 5), {"correct", "5", "from 0 to 4"});
  expect_parts(refusal("/persons/0/name", "../Ann"), {"persons", "../Ann"});
  expect_parts(refusal("/settings", 7), {"settings", "7", "object"});
  expect_parts(refusal("/settings/lr", Json::object()), {"lr", "{}"});
}

TEST_CASE("a cell lies in the file that is named after it") {
  namespace fs = std::filesystem;
  const std::string folder =
      (fs::temp_directory_path() / ("tsugi-cells-" + std::to_string(test::fresh_seed()))).string();
  fs::create_directories(folder + "/cells");
  std::ofstream(folder + "/cells/p3_s1_no-average_f0.1.json") << good_cell();
  CHECK(read_cells(folder).size() == 1);
  std::ofstream(folder + "/cells/p3_s2_no-average_f0.1.json") << good_cell();
  expect_parts(error_of([&] { read_cells(folder); }), {"p3_s2_no-average_f0.1.json", "p3_s1_no-average_f0.1.json"});
  fs::remove_all(folder);
}

TEST_CASE("no text of a figure leaves its quotes in the script for gnuplot") {
  const std::string evil = "`touch pwned` \"; system('touch pwned') ' @a \\\n!touch pwned",
                    quoted = "'`touch pwned` \"; system(''touch pwned'') '' @a \\\\n!touch pwned'";
  Figure figure{"figure3", {}};
  figure.panels.push_back({"overall", evil, evil, evil, 0, 1, {{evil, {}, {{0, 1, 1, 1}}}}});
  const std::string script = gnuplot_script(figure);
  expect_parts(script, {"set title " + quoted + "\n", "set xlabel " + quoted + "\n", "set ylabel " + quoted + "\n",
                        " title " + quoted + "\n"});
  std::string rest = script;  // what is outside of strings
  while (rest.find(quoted) != std::string::npos) rest.erase(rest.find(quoted), quoted.size());
  CHECK(rest.find("touch") == std::string::npos);
  CHECK(rest.find('`') == std::string::npos);
  CHECK(rest.find('"') == std::string::npos);
  for (std::size_t at = script.find("set terminal"); at != std::string::npos; at = script.find("set terminal", at + 1))
    CHECK(script.substr(at, script.find('\n', at) - at).find(" noenhanced ") != std::string::npos);
}

}  // namespace
}  // namespace tsugi::tools
