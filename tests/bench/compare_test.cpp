// Comparisons of result files whose every ratio is known.
#include <nlohmann/json.hpp>

#include "bench/measure/compare.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

/// The board is 50 times slower by peak and 20 by bandwidth. conv1 is bound by arithmetic and keeps its share of the
/// roofline; conv2 is bound by memory on both and loses two thirds of its share; bn has no arithmetic.
bench::ResultFile server() {
  bench::ResultFile file = device_file("cuda", 10000.0, 500.0);
  file.entries = {point("conv1", 0.002, 1e10, 1e6), point("conv2", 0.001, 1e8, 2.5e8), point("bn", 0.001, 0.0, 5e8),
                  point("only", 1.0, 1.0, 1.0)};
  return file;
}

bench::ResultFile board() {
  bench::ResultFile file = device_file("cuda", 200.0, 25.0);
  file.entries = {point("bn", 0.02, 0.0, 5e8), point("conv1", 0.1, 1e10, 1e6), point("conv2", 0.06, 1e8, 2.5e8)};
  return file;
}

const bench::CompareRow& row_of(const bench::Comparison& comparison, const std::string& layer) {
  for (const bench::CompareRow& row : comparison.rows)
    if (row.layer == layer) return row;
  FAIL("no row of layer ", layer);
  return comparison.rows.front();
}

TEST_CASE("ratios, shares and the reason of every point come out as they were made") {
  const bench::Comparison all = bench::compare({"x/server.json", "board.json"}, {server(), board()});
  REQUIRE(all.rows.size() == 4);
  CHECK(all.sides[0].name == "server");
  CHECK(all.sides[1].name == "board");
  const bench::CompareCell& conv1 = row_of(all, "conv1").cells[1];
  CHECK(conv1.ratio == doctest::Approx(50.0));
  CHECK(conv1.bound == bench::Bound::peak);
  CHECK(conv1.peak == doctest::Approx(0.5));
  CHECK(conv1.roofline == doctest::Approx(0.5));
  CHECK(conv1.roofline_ratio == doctest::Approx(50.0));
  expect_parts(conv1.because, {"50 times by peak", "both reach about 50 %"});
  const bench::CompareCell& conv2 = row_of(all, "conv2").cells[1];
  CHECK(conv2.ratio == doctest::Approx(60.0));
  CHECK(conv2.bound == bench::Bound::bandwidth);
  CHECK(row_of(all, "conv2").cells[0].roofline == doctest::Approx(0.5));
  CHECK(conv2.roofline == doctest::Approx(1.0 / 6.0));
  CHECK(conv2.roofline_ratio == doctest::Approx(20.0));
  expect_parts(conv2.because, {"20 times by bandwidth", "3 times more because", "16.7 %", "50 %"});
  const bench::CompareCell& bn = row_of(all, "bn").cells[1];
  CHECK(bn.ratio == doctest::Approx(20.0));
  CHECK(bn.peak == 0.0);
  CHECK(bn.bandwidth == doctest::Approx(1.0));
  CHECK(!row_of(all, "only").cells[1].present);
  CHECK(row_of(all, "only").cells[1].ratio == 0.0);
  const bench::CompareSummary& summary = all.summaries[1];
  CHECK(summary.f32_ratio == doctest::Approx(50.0));
  CHECK(summary.copy_ratio == doctest::Approx(20.0));
  CHECK(summary.bf16_ratio == 0.0);
  CHECK(summary.mean_ratio == doctest::Approx(std::cbrt(50.0 * 60.0 * 20.0)));
  CHECK(summary.shared == 3);
  CHECK(summary.missing == 1);
  CHECK(summary.notes.empty());
  expect_parts(bench::summary_text(all, 1),
               {"board against server", "50 times slower by peak (f32)", "20 times slower by bandwidth",
                "39.1 times slower", "3 points", "1 points"});
}

TEST_CASE("the faster device is told so, and a device bound by something else, too") {
  const bench::Comparison all = bench::compare({"board.json", "server.json"}, {board(), server()});
  expect_parts(bench::summary_text(all, 1), {"50 times faster by peak", "20 times faster by bandwidth"});
  bench::ResultFile narrow = device_file("cpu", 10000.0, 1.0);
  narrow.entries = {point("conv1", 0.1, 1e10, 2e7)};
  bench::ResultFile wide = device_file("cpu", 1000.0, 100.0);
  wide.entries = {point("conv1", 0.02, 1e10, 2e7)};
  const bench::Comparison other = bench::compare({"wide.json", "narrow.json"}, {wide, narrow});
  const bench::CompareCell& cell = other.rows[0].cells[1];
  CHECK(other.rows[0].cells[0].bound == bench::Bound::peak);
  CHECK(cell.bound == bench::Bound::bandwidth);
  CHECK(cell.ratio == doctest::Approx(5.0));
  CHECK(cell.roofline_ratio == doctest::Approx(2.0));
  expect_parts(cell.because, {"2 times by the roofline (peak, then bandwidth)", "2.5 times more"});
}

TEST_CASE("two runs on one device agree where their deviations reach each other") {
  bench::ResultFile first = device_file("cpu", 500.0, 20.0), second = first;
  first.entries = {point("a", 0.100, 1e9, 1e6), point("b", 0.100, 1e9, 1e6), point("c", 0.100, 1e9, 1e6)};
  second.entries = {point("a", 0.103, 1e9, 1e6), point("b", 0.104, 1e9, 1e6), point("c", 0.097, 1e9, 1e6)};
  for (bench::ResultEntry& e : first.entries) e.deviation = 0.002;
  for (bench::ResultEntry& e : second.entries) e.deviation = 0.0015;
  const bench::Comparison all = bench::compare({"a.json", "b.json"}, {first, second});
  CHECK(row_of(all, "a").cells[1].within_spread);
  CHECK(!row_of(all, "b").cells[1].within_spread);
  CHECK(row_of(all, "c").cells[1].within_spread);
  CHECK(all.summaries[1].within_spread == 2);
  expect_parts(bench::summary_text(all, 1), {"2 of 3 differ by no more than their deviations"});
}

TEST_CASE("files of other versions, commits or builds are compared, and marked") {
  bench::ResultFile other = board();
  other.context.version = "0.2.0";
  other.context.commit = "ba9876543210-dirty";
  other.context.before.governor = "powersave";
  other.context.tuned_calls = 7;
  const bench::Comparison all = bench::compare({"a.json", "b.json"}, {server(), other});
  std::string notes;
  for (const std::string& note : all.summaries[1].notes) notes += note + "; ";
  expect_parts(notes, {"0.2.0", "0.1.0", "ba9876543210", "0123456789ab", "no commit has", "powersave",
                       "tuned kernels for 7 calls"});
  bench::ResultFile smoke = board();
  smoke.context.brief = true;
  smoke.context.commit = "unknown";
  smoke.context.build = "Clang";
  notes.clear();
  const bench::Comparison other_way = bench::compare({"a.json", "b.json"}, {smoke, board()});
  for (const std::string& note : other_way.summaries[0].notes) notes += note + "; ";
  expect_parts(notes, {"smoke", "unknown commit"});
}

TEST_CASE("names are told apart, and what cannot be compared is refused") {
  const bench::Comparison all =
      bench::compare({"a/nano.json", "b/nano.json", "c/nano.json"}, {server(), board(), board()});
  CHECK(all.sides[1].name == "nano (2)");
  CHECK(all.sides[2].name == "nano (3)");
  CHECK(all.rows[0].cells.size() == 3);
  CHECK(all.rows[0].cells[2].ratio == doctest::Approx(all.rows[0].cells[1].ratio));
  expect_parts(error_of([] { bench::compare({"a.json"}, {server()}); }), {"1 result files", "at least 2"});
  bench::ResultFile strange = board();
  strange.entries = {point("elsewhere", 1.0, 1.0, 1.0)};
  expect_parts(error_of([&] {
                 bench::compare({"a.json", "b.json"}, {server(), strange});
               }),
               {"a.json", "0 of its 4 points"});
}

TEST_CASE("a point that failed on one device has no ratio") {
  bench::ResultFile failing = board();
  failing.entries[1].failure = "no row covers it";
  failing.entries[1].seconds = 0.0;
  const bench::Comparison all = bench::compare({"a.json", "b.json"}, {server(), failing});
  CHECK(row_of(all, "conv1").cells[1].ratio == 0.0);
  CHECK(all.summaries[1].shared == 2);
}

TEST_CASE("CSV has a line a point, and quotes what needs it") {
  bench::ResultFile odd = board();
  odd.entries[1].layer = "conv \"one\", first";
  bench::ResultFile first = server();
  first.entries[0].layer = odd.entries[1].layer;
  const std::string csv = bench::to_csv(bench::compare({"a.json", "b.json"}, {first, odd}));
  std::size_t lines = 0;
  for (const char c : csv) lines += c == '\n';
  CHECK(lines == 5);
  expect_parts(csv, {"model,batch,layer,op", ",\"conv \"\"one\"\", first\",", "b ratio", "a seconds"});
}

}  // namespace
}  // namespace tsugi::test
