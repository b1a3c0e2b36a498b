// Device descriptions: what is written is read again, nothing that is not one passes for one, and what they say of a
// call is what one calculates.
#include <nlohmann/json.hpp>

#include "bench/measure/quantities.h"
#include "bench/plan/device_description.h"
#include "kernels/api/registry.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

using Json = nlohmann::ordered_json;

/// 100 GFLOP/s and 10 GB/s; a call costs a microsecond.
Json example_json() {
  return Json::parse(R"({"tsugi_device": 1, "name": "made", "kernels": "cpu", "precision": "fp32", "measured": true,
    "limits": {"f32_gflops": 100, "copy_gb_per_s": 10}, "multiprocessors": 4, "shared_memory": true, "memory_bytes": 1000000000, "process_bytes": 20000000,
    "cache": {"by_bytes": [[500000, 0], [2000000, 1]], "by_seconds": [[0, 0], [0.01, 0.5]]}, "launch_us": 1, "copy_us": 10, "upload_gb_per_s": 5,
    "efficiencies": [
      {"op": "conv2d_forward", "form": "window", "dtype": "f32", "axes": {"c": [16, 64], "k": [16, 256]}, "share": [0.1, 0.4, 0.2, 0.8], "cold": 2, "weights": 3},
      {"op": "dense_forward", "dtype": "f32", "share": 0.5, "launches": 2, "tiles": [[64, 64, 0.5], [32, 32, 0.4]]},
      {"op": "add_forward", "dtype": "f32", "share": 2}]})");
}

bench::DeviceDescription example() { return bench::parse_device(example_json().dump(), "made.json"); }

std::string error_of_json(const Json& json) {
  return error_of([&] { bench::parse_device(json.dump(), "made.json"); });
}

bench::OpFeatures conv(int c, int k, int r = 5) {
  bench::OpCase op_case;
  op_case.shape.n = 1, op_case.shape.h = op_case.shape.w = 8, op_case.shape.c = c, op_case.shape.k = k;
  op_case.shape.r = op_case.shape.s = r, op_case.shape.pad_h = op_case.shape.pad_w = r / 2;
  return bench::features_of(op_case, bench::OpPass::forward, DType::f32);
}

TEST_CASE("a device description reads back as it was written") {
  const std::string text = bench::to_json(example());
  CHECK(bench::to_json(bench::parse_device(text, "again")) == text);
  CHECK(example().launch_s == doctest::Approx(1e-6));
  CHECK(example().limits.copy == doctest::Approx(1e10));
}

TEST_CASE(
    "descriptions that ship name a source for every figure, say derived, and cover a step in every precision they "
    "list") {
  CHECK(bench::shipped_device_names() == std::vector<std::string>{"jetson-nano", "rtx-2080ti"});
  for (const std::string& name : bench::shipped_device_names()) {
    const bench::DeviceDescription device = bench::find_device(name);
    CHECK(device.name == name);
    CHECK_FALSE(device.measured);
    CHECK(device.sources.size() >= 9);
    CHECK(device.limits.f32 > 1e11);
    CHECK(device.memory_bytes > 1e9);
    CHECK(bench::to_json(bench::parse_device(bench::to_json(device), name)) == bench::to_json(device));
  }
}

TEST_CASE("an entry speaks for every op and type that it lists") {
  Json json = example_json(), apart = example_json();
  json["efficiencies"][2] = {{"op", {"add_forward", "cast"}}, {"dtype", {"f32", "f16"}}, {"share", 2}};
  apart["efficiencies"].erase(2);
  for (const char* op : {"add_forward", "cast"})
    for (const char* dtype : {"f32", "f16"})
      apart["efficiencies"].push_back({{"op", op}, {"dtype", dtype}, {"share", 2}});
  CHECK(bench::to_json(bench::parse_device(json.dump(), "a")) ==
        bench::to_json(bench::parse_device(apart.dump(), "b")));
}

TEST_CASE("a share between the points of a table is interpolated in logarithms, and held outside") {
  const bench::DeviceDescription device = example();
  const bench::Efficiency e = bench::efficiency_of(device, conv(16, 16));
  const auto at = [&](int c, int k) { return bench::share_at(e, conv(c, k)); };
  CHECK(at(16, 16) == doctest::Approx(0.1));
  CHECK(at(64, 256) == doctest::Approx(0.8));
  CHECK(at(32, 16) == doctest::Approx(std::sqrt(0.1 * 0.2)));  // half of the way in logarithms
  CHECK(at(16, 64) == doctest::Approx(0.2));
  CHECK(at(32, 64) == doctest::Approx(std::sqrt(0.2 * 0.4)));
  CHECK(at(8, 1024) == doctest::Approx(0.4));
  CHECK(at(4096, 8) == doctest::Approx(0.2));
}

TEST_CASE("a call takes its roofline over its share, its launches, and what its bytes and weights cost beside") {
  const bench::DeviceDescription device = example();
  const bench::OpFeatures f = conv(64, 256);
  CHECK(f.flops == 2.0 * 64 * 256 * 64 * 25);
  CHECK(f.weight_bytes == 4.0 * 64 * 256 * 25);
  const double work = f.flops / 1e11 / 0.8 + 1e-6;
  CHECK(bench::seconds_of(device, f) == doctest::Approx(work + (2.0 * f.bytes + 3.0 * f.weight_bytes) / 1e10));
  bench::OpFeatures add;
  add.op = "add_forward", add.bytes = 1e6;
  CHECK(bench::seconds_of(device, add) == doctest::Approx(1e6 / 1e10 / 2.0 + 1e-6));
}

TEST_CASE("a product in tiles pays for ragged edges and idle multiprocessors, and takes the best tile") {
  const bench::DeviceDescription device = example();
  bench::OpFeatures f;
  f.op = "dense_forward";
  f.bytes = 1.0;
  const auto seconds = [&](double rows, double columns) {
    f.product = {rows, columns, 1000.0};
    f.flops = 2.0 * rows * columns * 1000.0;
    return bench::seconds_of(device, f) - 2e-6;
  };
  CHECK(seconds(128, 128) == doctest::Approx(2.0 * 128 * 128 * 1000 / 1e11 / 0.5));  // four full blocks, one wave
  CHECK(seconds(128, 192) ==
        doctest::Approx(2.0 * 128 * 192 * 1000 / 1e11 / 0.4));  // 24 small ones; of the large ones 6 take two waves
  CHECK(seconds(100, 100) == doctest::Approx(2.0 * 128 * 128 * 1000 / 1e11 / 0.5));  // as much as if it were full
  CHECK(seconds(20, 20) == doctest::Approx(2.0 * 32 * 32 * 1000 / 1e11 / 0.4));      // one small block, its depth split
}

TEST_CASE("tiles that name an algorithm are the rows and shares of the chip's speed table, which dispatch reads") {
  Json json = example_json();
  json["kernels"] = "simt:53";
  const auto tiles = [&](const char* op, const char* dtype, const Json& names) {
    json["limits"]["f16_gflops"] = 200;
    json["efficiencies"] = Json::array({{{"op", op}, {"dtype", dtype}, {"share", 0.5}, {"tiles", names}}});
    return bench::parse_device(json.dump(), "made.json").efficiencies.front().tiles;
  };
  const std::vector<bench::TileShare> found = tiles("dense_forward", "f32", {"gemm_1x1", Json::array({8, 4, 0.3})});
  std::size_t rows = 0;
  for (const KernelSpeed& speed : kernel_speeds(53)) {
    if (speed.op != KernelOp::conv2d_forward || std::string(speed.algorithm) != "gemm_1x1" || speed.dtype != DType::f32)
      continue;
    CHECK(found.at(rows).rows == speed.tile.m);
    CHECK(found.at(rows).columns == speed.tile.n);
    CHECK(found.at(rows).share == speed.share);
    ++rows;
  }
  CHECK(rows > 1);
  CHECK(found.size() == rows + 1);
  CHECK(found.back().share == 0.3);
  const std::vector<bench::TileShare> depthwise = tiles("conv2d_forward", "f16", {"depthwise DepthwiseFilter(3, 2)"});
  REQUIRE(depthwise.size() == 1);
  CHECK(depthwise.front().rows == 1);  // takes pixels as they come
  for (const char* unknown : {"gem", "gemm by 1", "mma", ""})
    expect_parts(error_of([&] { tiles("conv2d_forward", "f32", {unknown}); }),
                 {"efficiencies[0]", unknown, "conv2d_forward", "f32", "simt:53"});
  json["kernels"] = "cpu";
  expect_parts(error_of([&] { tiles("conv2d_forward", "f32", {"gemm"}); }), {"efficiencies[0]", "gemm", "cpu"});
}

TEST_CASE("descriptions of earlier versions say variant where it is form") {
  Json json = example_json();
  const std::string today = json.dump();
  json["efficiencies"][0]["variant"] = json["efficiencies"][0]["form"];
  json["efficiencies"][0].erase("form");
  CHECK(bench::to_json(bench::parse_device(json.dump(), "a")) == bench::to_json(bench::parse_device(today, "b")));
}

TEST_CASE("an op whose own form is missing takes the one that stands in, and what nobody described is an error") {
  const bench::DeviceDescription device = example();
  CHECK(bench::efficiency_of(device, conv(16, 16, 3)).form == "window");
  CHECK(bench::efficiency_of(device, conv(16, 16, 1)).form == "window");
  bench::OpFeatures f = conv(16, 16);
  f.dtype = DType::bf16;
  expect_parts(error_of([&] { bench::efficiency_of(device, f); }), {"made", "conv2d_forward", "window", "bf16"});
  f = conv(16, 16);
  f.op = "pool_forward";
  expect_parts(error_of([&] { bench::efficiency_of(device, f); }), {"made", "pool_forward", "f32"});
  for (const auto& [form, instead] : {std::pair{"residual_ragged", "residual"}, {"ragged", ""}, {"residual", ""}})
    CHECK(bench::stand_in("batch_norm_forward", form) == instead);
  for (const auto& [form, instead] :
       {std::pair{"average_overlapping", "average"}, {"average", "max"}, {"max_ragged", "max"}, {"max", ""}})
    CHECK(bench::stand_in("pool_backward", form) == instead);
}

TEST_CASE("what is no device description is refused by place, field and both values") {
  const std::string text = example_json().dump();
  expect_parts(error_of([&] { bench::parse_device(text.substr(0, text.size() / 2), "made.json"); }),
               {"made.json", "JSON"});
  expect_parts(error_of([&] { bench::parse_device("", "made.json"); }), {"made.json", "JSON"});
  expect_parts(error_of([&] { bench::parse_device("[]", "made.json"); }), {"made.json", "object"});
  expect_parts(error_of([&] { bench::parse_device("{}", "made.json"); }), {"made.json", "tsugi_device"});
  const auto changed = [&](const char* pointer, const Json& value) {
    Json json = example_json();
    json[Json::json_pointer(pointer)] = value;
    return error_of_json(json);
  };
  expect_parts(changed("/tsugi_device", 2), {"tsugi_device", "2", "1"});
  expect_parts(changed("/colour", "red"), {"unknown field", "colour"});
  expect_parts(changed("/limits/f32_gflops", 0), {"limits", "f32_gflops", "0"});
  expect_parts(changed("/limits/f32_gflops", -5), {"limits", "f32_gflops", "-5"});
  expect_parts(changed("/limits/copy_gb_per_s", "fast"), {"limits", "copy_gb_per_s", "fast"});
  expect_parts(changed("/limits/f64_gflops", 1), {"unknown field", "f64_gflops"});
  expect_parts(changed("/multiprocessors", 0), {"multiprocessors", "0"});
  expect_parts(changed("/memory_bytes", 1e20), {"memory_bytes", "1e+20"});
  expect_parts(changed("/precision", "fp8"), {"fp8"});
  expect_parts(changed("/shared_memory", 1), {"shared_memory", "true or false"});
  expect_parts(changed("/measured", "yes"), {"measured", "true or false"});
  expect_parts(changed("/measured", false), {"sources", "limits"});  // a derived figure without a source
  expect_parts(changed("/efficiencies", 3), {"efficiencies", "list"});
  expect_parts(changed("/efficiencies/0/share", Json::array({0.1, 0.2})),
               {"efficiencies[0]", "[0.1,0.2]", "a list of 4"});
  expect_parts(changed("/efficiencies/0/share/1", 0), {"efficiencies[0]", "share", "0"});
  expect_parts(changed("/efficiencies/0/axes/c", Json::array({64, 16})), {"efficiencies[0]", "c", "ascend"});
  expect_parts(changed("/efficiencies/0/axes/depth", Json::array({1})), {"efficiencies[0]", "depth", "width"});
  expect_parts(changed("/efficiencies/1/tiles/0", Json::array({64, 64})), {"efficiencies[1]", "tiles", "[64,64]"});
  expect_parts(changed("/efficiencies/1/dtype", "bf16"), {"efficiencies[1]", "bf16", "peak"});
  expect_parts(changed("/efficiencies/2/dtype", "f8"), {"f8"});
  expect_parts(changed("/efficiencies/2/op", Json::array()), {"efficiencies[2]", "op", "[]", "one at least"});
  expect_parts(changed("/efficiencies/2/op", Json::array({"cast", 3})), {"efficiencies[2]", "op", "3"});
  expect_parts(changed("/efficiencies/2/op", Json::array({"cast", "cast"})), {"efficiencies[2]", "second", "cast"});
  Json many = Json::array();
  for (int i = 0; i < 1000; ++i) many.push_back("op" + std::to_string(i));
  expect_parts(changed("/efficiencies/2/op", many), {"efficiencies[2]", "1000"});
  expect_parts(changed("/efficiencies/2", example_json()["efficiencies"][0]),
               {"efficiencies[2]", "second", "conv2d_forward"});
  const Json step = {{"model", "made"}, {"precision", "fp32"}, {"batch", 2}, {"step_s", 0.5}, {"peak_memory_bytes", 1}};
  Json with_step = example_json();
  with_step["steps"] = Json::array({step});
  CHECK(bench::parse_device(with_step.dump(), "made.json").measured_steps.front().step_s == 0.5);
  expect_parts(changed("/steps", Json::array({step, 3})), {"steps[1]", "3", "object"});
  expect_parts(changed("/steps", Json::array({Json::object()})), {"steps[0]", "model"});
  expect_parts(error_of([] { bench::find_device("toaster"); }), {"toaster", "jetson-nano", "rtx-2080ti", "this"});
}

TEST_CASE("speeds, times and budgets as people type them") {
  CHECK(bench::parse_link("10Mbit/s", "--link") == doctest::Approx(1.25e6));
  CHECK(bench::parse_link("1.5MB/s", "--link") == doctest::Approx(1.5e6));
  CHECK(bench::parse_link("8bit/s", "--link") == doctest::Approx(1.0));
  CHECK(bench::parse_duration("90", "--max-time") == 90.0);
  CHECK(bench::parse_duration("1.5h", "--max-time") == 5400.0);
  CHECK(bench::parse_duration("30min", "--max-time") == 1800.0);
  CHECK(bench::parse_transfer("20M", "--max-transfer").bytes == 20.0 * 1048576.0);
  CHECK(bench::parse_transfer("20000", "--max-transfer").bytes == 20000.0);
  CHECK(bench::parse_transfer("20s", "--max-transfer").seconds == 20.0);
  for (const char* bad : {"", "fast", "0Mbit/s", "-1MB/s", "10", "10 Mbit/s", "nanMB/s", "1e30GB/s", "10mbit/s"})
    expect_parts(error_of([&] { bench::parse_link(bad, "--link"); }), {"--link", "Mbit/s"});
  for (const char* bad : {"", "soon", "0", "-3s", "5 min", "inf", "1e20h", "3M"})
    expect_parts(error_of([&] { bench::parse_duration(bad, "--max-time"); }), {"--max-time", "30min"});
  for (const char* bad : {"", "much", "0", "-3M", "nan", "3x"})
    expect_parts(error_of([&] { bench::parse_transfer(bad, "--max-transfer"); }), {"--max-transfer", "20M"});
}

}  // namespace
}  // namespace tsugi::test
