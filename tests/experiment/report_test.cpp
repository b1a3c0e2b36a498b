// What the report is made of: means and their intervals against tables, markup, scripts for gnuplot.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/core/text.h"
#include "tests/engine/support.h"
#include "tools/experiment/plot.h"
#include "tools/experiment/sections.h"
#include "tools/experiment/statistics.h"
#include "tools/experiment/store.h"
#include "tools/html.h"

namespace tsugi::tools {
namespace {

using test::expect_parts;

const double kNan = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("Student's t is what the tables say") {
  // NIST/SEMATECH e-Handbook, table of upper critical values, 0.975.
  CHECK(student_t(1) == doctest::Approx(12.706));
  CHECK(student_t(4) == doctest::Approx(2.776));
  CHECK(student_t(29) == doctest::Approx(2.045));
  CHECK(student_t(30) == doctest::Approx(2.042));
  // Beyond the table: by formula, to the table's three decimals.
  CHECK(std::abs(student_t(31) - 2.040) < 0.001);
  CHECK(std::abs(student_t(40) - 2.021) < 0.001);
  CHECK(std::abs(student_t(60) - 2.000) < 0.001);
  CHECK(std::abs(student_t(100) - 1.984) < 0.001);
  CHECK(std::abs(student_t(1000000) - 1.960) < 0.001);
  for (int degrees = 1; degrees < 200; ++degrees) CHECK(student_t(degrees) > student_t(degrees + 1));
}

TEST_CASE("a mean's interval is t s / sqrt(n)") {
  const Estimate five = estimate({1, 2, 3, 4, 5});
  CHECK(five.n == 5);
  CHECK(five.mean == doctest::Approx(3.0));
  CHECK(five.half == doctest::Approx(2.776 * std::sqrt(2.5 / 5.0)));
  CHECK(estimate({0.5, 0.5, 0.5}).half == 0.0);
  CHECK(std::isnan(estimate({0.4, 0.6}).half));  // t of one degree of freedom is 12.7
  CHECK(percent_text(estimate({0.4, 0.6})) == "50.0 (2 seeds)");
  CHECK(percent_text(estimate({0.4, 0.6}), true, "servers") == "+50.0 (2 servers)");
  CHECK(percent_text(estimate({0.4})) == "40.0");
  CHECK(interval_text(estimate({0.4, 0.6}), 0) == " (2 seeds)");
  CHECK(interval_text({0.5, 0.126, 5}, 0) == " ± 13");
}

TEST_CASE("one value has no interval, none has no mean, and what is not finite does not count") {
  CHECK(std::isnan(estimate({0.7}).half));
  CHECK(estimate({0.7}).mean == 0.7);
  CHECK(std::isnan(estimate({}).mean));
  CHECK(estimate({}).n == 0);
  const Estimate some = estimate({kNan, 1, std::numeric_limits<double>::infinity(), 3});
  CHECK(some.n == 2);
  CHECK(some.mean == 2.0);
}

TEST_CASE("shares are written in percent, to a tenth, with signs where they are changes") {
  CHECK(percent_text({0.8812, 0.0231, 5}) == "88.1 ± 2.3");
  CHECK(percent_text({0.8812, kNan, 1}) == "88.1");
  CHECK(percent_text({kNan, kNan, 0}) == "–");
  CHECK(percent_text({-0.012, 0.004, 5}, true) == "−1.2 ± 0.4");
  CHECK(percent_text({0.012, kNan, 1}, true) == "+1.2");
  CHECK(percent_text({-0.0001, kNan, 1}, true) == "0.0");  // no sign on what is written as zero
  CHECK(percent_text({0.0001, kNan, 1}, true) == "0.0");
}

TEST_CASE("every text of a page is escaped") {
  const std::string nasty = "<script>\"a\" & b</script>";
  const std::string escaped = "&lt;script&gt;&quot;a&quot; &amp; b&lt;/script&gt;";
  CHECK(html_text(nasty) == escaped);
  for (const std::string& html : {html_paragraph(nasty), html_heading(nasty), html_code(nasty), html_figure({}, nasty),
                                  html_document(nasty, ""), html_table(nasty, {nasty}, {{nasty, nasty}})}) {
    CHECK(html.find(escaped) != std::string::npos);
    CHECK(html.find("<script>") == std::string::npos);
  }
}

TEST_CASE("an interval in a table is set smaller, whatever follows it") {
  expect_parts(html_table("", {}, {{"a", "88.1 ± 2.3"}, {"b", "26 ± 3 %, of <2> seeds"}}),
               {"88.1 <small>±", "2.3</small></td>", "3</small> %, of &lt;2&gt; seeds"});
  expect_parts(html_table("", {}, {{"a", "1.0 ± 2.0 and 3.0 ± 4.0"}}),
               {"2.0</small> and 3.0 <small>±", "4.0</small></td>"});
}

TEST_CASE("a script for gnuplot holds its data and draws every panel by itself and all together") {
  Figure figure{"figure9", {}};
  for (const char* name : {"left", "right"})
    figure.panels.push_back({name,
                             "Title",
                             "x (s)",
                             "y (%)",
                             0,
                             10,
                             {{"line", {"#0072b2", 7, 1}, {{1, 50, 40, 60}, {2, 70, 70, 70}}},
                              {"level", {"#404040", 0, 3}, {{0, 5, 5, 5}}}}});
  const std::string script = gnuplot_script(figure);
  expect_parts(script, {"$p0l0 << EOD\n1 50 40 60\n2 70 70 70\nEOD\n", "$p1l1 << EOD\n0 5 5 5\nEOD\n",
                        "'figure9_left.svg'", "'figure9_right.svg'", "'figure9.svg'", "'figure9.png'",
                        "set xlabel 'x (s)'", "'#0072b2'", "multiplot layout 1,2"});
  // Two lines of the key side by side; below each other where one is long, with room below the axes for both.
  expect_parts(script, {"maxcols 2", "set bmargin 5.7\n"});
  figure.panels[1].lines[0].title = "a title of many letters";
  expect_parts(gnuplot_script(figure), {"maxcols 1", "set bmargin 7\n"});
}

TEST_CASE("drawings that stand on one page do not share identifiers") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("tsugi-svg-" + std::to_string(test::fresh_seed()) + ".svg")).string();
  std::ofstream(path) << "<?xml version=\"1.0\"?>\n<svg \n width=\"420\" height=\"350\" viewBox=\"0 0 420 "
                         "350\"><title>Gnuplot</title><defs><circle id='gpDot' r='1'/>"
                         "</defs><use xlink:href='#gpDot'/><g id=\"gnuplot_plot_1\" clip-path=\"url(#clip)\"/></svg>";
  const std::string svg = inline_svg(path, "f3_", "a label");
  std::filesystem::remove(path);
  CHECK(svg.find("<svg") == 0);
  expect_parts(svg, {"id='f3_gpDot'", "href='#f3_gpDot'", "id=\"f3_gnuplot_plot_1\"", "url(#f3_clip)",
                     "viewBox=\"0 0 420 350\"", "aria-label=\"a label\"", "r='1'"});
  CHECK(svg.find("width=\"420\"") == std::string::npos);
  CHECK(svg.find("height=\"350\"") == std::string::npos);
  expect_parts(test::error_of([&] { inline_svg(path, "", ""); }), {path});
}

TEST_CASE("the people that a hand-over forgot most come first, whom nobody measured last") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("tsugi-cells-" + std::to_string(test::fresh_seed()))).string();
  {
    ExperimentStore store(path, Json::object(), {}, nullptr);
    Cell cell;
    cell.job = {JobKind::handover, 4, 1, "default", 0.1};
    cell.people = {{"Ann", false, 10, 9, 4},
                   {"Bob", false, 0, 0, 0},
                   {"Eve", false, 10, 4, 9},
                   {"New", true, 10, 9, 0}};  // changes: 0.5, none, -0.5
    store.write(cell.job, to_json(cell));
    const std::string page = forgetting_section(Results(path));
    CHECK(page.find("Eve") < page.find("Ann"));
    CHECK(page.find("Ann") < page.find("Bob"));
    CHECK(page.find("Bob") < page.find("New"));
    CHECK(page.find("New") != std::string::npos);
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace tsugi::tools
