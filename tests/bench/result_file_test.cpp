// Result files: what is written is read again, and nothing that is not one passes for one.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "bench/measure/compare.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

using Json = nlohmann::ordered_json;

bench::ResultFile example_result() {
  bench::ResultFile file = device_file("cpu", 500.0, 20.0);
  file.context.threads = 2;
  file.context.tuned_calls = 7;
  file.context.limits.bf16 = 1e12;
  file.context.before.date = "2026-11-23T09:19:43+00:00";
  file.context.before.cpu_mhz = 2596.5;
  file.context.before.governor = "performance";
  file.context.after.temperature_c = 61.5;
  file.entries = {point("conv1", 0.002, 5e8, 4e6), point("conv2", 0.004, 1e9, 8e6)};
  file.entries[0].kernel = "direct", file.entries[0].peer = "onednn";
  file.entries[0].peer_seconds = 0.003, file.entries[0].peer_deviation = 1e-5;
  bench::ResultEntry failed = point("conv3", 0.0, 1.0, 1.0);
  failed.failure = "conv2d: no row computes it";
  file.entries.push_back(failed);
  return file;
}

Json result_json() { return Json::parse(bench::to_json(example_result(), false)); }

std::string error_of_result(const Json& json) {
  return error_of([&] { bench::parse_result_file(json.dump(), "a.json"); });
}

TEST_CASE("a result file reads back as it was written") {
  const bench::ResultFile before = example_result();
  for (const bool one_line : {false, true}) {
    const std::string text = bench::to_json(before, one_line);
    CHECK((text.find('\n') == std::string::npos) == one_line);
    const bench::ResultFile after = bench::parse_result_file(text, "a.json");
    CHECK(after.context.version == before.context.version);
    CHECK(after.context.commit == before.context.commit);
    CHECK(after.context.device == "cpu");
    CHECK(after.context.threads == 2);
    CHECK(after.context.tuned_calls == 7);
    CHECK(after.context.before.date == before.context.before.date);
    CHECK(after.context.before.cpu_mhz == 2596.5);
    CHECK(after.context.before.cpu_max_mhz == -1.0);  // unknown stays unknown
    CHECK(after.context.before.governor == "performance");
    CHECK(after.context.after.temperature_c == 61.5);
    CHECK(after.context.limits.f32 == doctest::Approx(5e11));
    CHECK(after.context.limits.bf16 == doctest::Approx(1e12));
    CHECK(after.context.limits.f16 == 0.0);
    REQUIRE(after.entries.size() == 3);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(after.entries[i].name == before.entries[i].name);
      CHECK(after.entries[i].seconds == doctest::Approx(before.entries[i].seconds).epsilon(1e-12));
      CHECK(after.entries[i].deviation == doctest::Approx(before.entries[i].deviation).epsilon(1e-12));
      CHECK(after.entries[i].flops == before.entries[i].flops);
      CHECK(after.entries[i].bytes == before.entries[i].bytes);
      CHECK(after.entries[i].samples == 5);
      CHECK(after.entries[i].kernel == before.entries[i].kernel);
      CHECK(after.entries[i].peer == before.entries[i].peer);
      CHECK(after.entries[i].peer_seconds == doctest::Approx(before.entries[i].peer_seconds).epsilon(1e-12));
      CHECK(after.entries[i].peer_deviation == doctest::Approx(before.entries[i].peer_deviation).epsilon(1e-12));
    }
    CHECK(after.entries[2].failure == "conv2d: no row computes it");
  }
}

TEST_CASE("a result file has what Google Benchmark's tools read") {
  const Json json = result_json();
  for (const char* key : {"date", "executable", "num_cpus", "library_build_type"}) CHECK(json["context"].contains(key));
  const Json& entry = json["benchmarks"][0];
  CHECK(entry["name"] == "made/b16/conv1/conv2d_forward/f32/cold_median");
  CHECK(entry["run_type"] == "aggregate");
  CHECK(entry["aggregate_name"] == "median");
  CHECK(entry["time_unit"] == "ns");
  CHECK(entry["real_time"].get<double>() == doctest::Approx(2e6));
  CHECK(entry["GFLOP/s"].get<double>() == doctest::Approx(250.0));
  CHECK(entry["peak_%"].get<double>() == doctest::Approx(50.0));
  CHECK(entry["GB/s"].get<double>() == doctest::Approx(2.0));
  CHECK(entry["bandwidth_%"].get<double>() == doctest::Approx(10.0));
  CHECK(entry["roofline_%"].get<double>() == doctest::Approx(50.0));  // the larger of both: bound by arithmetic
}

TEST_CASE("a file of a Google Benchmark program is read by its names, medians first") {
  Json json = result_json();
  for (auto& [key, value] : json["context"].items())
    if (!value.is_string()) value = value.dump();  // its custom context is text
  const Json plain{{"run_type", "iteration"}, {"time_unit", "us"}, {"cpu_time", 1.0}, {"flops", 4e6}, {"bytes", 100.0}};
  json["benchmarks"] = Json::array();
  const auto add = [&](const std::string& name, double time, const char* aggregate) {
    Json entry = plain;
    entry["name"] = entry["run_name"] = name;
    entry["real_time"] = time;
    if (aggregate != nullptr) entry["run_type"] = "aggregate", entry["aggregate_name"] = aggregate;
    json["benchmarks"].push_back(entry);
  };
  for (const double time : {30.0, 10.0, 20.0}) add("net/b64/conv1/conv2d_forward/f32/warm/real_time", time, nullptr);
  for (const double time : {1.0, 2.0})
    add("net/b64/conv2/conv2d_forward/bf16/warm/process_time/real_time", time, nullptr);
  add("net/b64/conv2/conv2d_forward/bf16/warm/process_time/real_time", 1000.0, "mean");
  add("net/b64/conv2/conv2d_forward/bf16/warm/process_time/real_time", 7.0, "median");
  add("just a name", 5.0, nullptr);
  const bench::ResultFile file = bench::parse_result_file(json.dump(), "gb.json");
  REQUIRE(file.entries.size() == 3);
  CHECK(file.context.limits.f32 == doctest::Approx(5e11));
  const bench::ResultEntry& first = file.entries[0];
  CHECK(first.name == "net/b64/conv1/conv2d_forward/f32/warm");
  CHECK(first.seconds == doctest::Approx(20e-6));
  CHECK(first.deviation == doctest::Approx(10e-6));
  CHECK(first.model == "net");
  CHECK(first.batch == 64);
  CHECK(first.layer == "conv1");
  CHECK(first.op == "conv2d_forward");
  CHECK(first.dtype == "f32");
  CHECK(first.cache == "warm");
  CHECK(file.entries[1].seconds == doctest::Approx(7e-6));
  CHECK(file.entries[2].name == "just a name");
  CHECK(file.entries[2].model.empty());
}

TEST_CASE("what is no result file is refused by name and place") {
  Json json = result_json();
  json["context"]["tsugi_schema"] = bench::kResultSchema + 1;
  expect_parts(error_of_result(json), {"a.json", "tsugi_schema", std::to_string(bench::kResultSchema + 1),
                                       std::to_string(bench::kResultSchema)});
  json["context"].erase("tsugi_schema");
  expect_parts(error_of_result(json), {"a.json", "context", "tsugi_schema", "not a result file"});

  const auto broken = [&](const char* where, const char* key, const Json& value,
                          const std::vector<std::string>& parts) {
    Json changed = result_json();
    Json& object = where == std::string("context") ? changed["context"] : changed["benchmarks"][1];
    object[key] = value;
    expect_parts(error_of_result(changed), parts);
  };
  broken("context", "tsugi_version", 3, {"a.json", "context", "tsugi_version", "3", "text"});
  broken("context", "device", "", {"a.json", "context", "device", "empty"});
  broken("context", "peak_f32_gflops", "many", {"a.json", "peak_f32_gflops", "many", "number"});
  broken("context", "copy_gb_per_s", -1.0, {"a.json", "copy_gb_per_s", "-1", "number"});
  broken("context", "threads", 1.5, {"a.json", "threads", "1.5", "whole number"});
  broken("entry", "real_time", 0.0, {"a.json", "benchmarks[1]", "real_time", "0"});
  broken("entry", "real_time", "soon", {"a.json", "benchmarks[1]", "real_time", "soon"});
  broken("entry", "time_unit", "h", {"a.json", "benchmarks[1]", "time_unit", "\"h\"", "ns, us, ms, s"});
  broken("entry", "dtype", "f8", {"a.json", "benchmarks[1]", "dtype", "f8", "f32, f16, bf16"});
  broken("entry", "flops", Json::array(), {"a.json", "benchmarks[1]", "flops", "[]"});
  broken("entry", "run_name", "made/b16/conv1/conv2d_forward/f32/cold", {"a.json", "benchmarks[1]", "conv1", "twice"});

  Json no_list = result_json();
  no_list["benchmarks"] = "none";
  expect_parts(error_of_result(no_list), {"a.json", "benchmarks", "list"});
  no_list["benchmarks"] = {1};
  expect_parts(error_of_result(no_list), {"a.json", "benchmarks[0]", "is 1", "object"});
  no_list.erase("benchmarks");
  expect_parts(error_of_result(no_list), {"a.json", "benchmarks", "not a result file"});
}

TEST_CASE("a file that was cut off anywhere is an error, never a shorter file") {
  const std::string text = bench::to_json(example_result(), false);
  for (std::size_t length = 0; length < text.size(); length += 7) {
    CAPTURE(length);
    expect_parts(error_of([&] { bench::parse_result_file(text.substr(0, length), "cut.json"); }), {"cut.json"});
  }
}

TEST_CASE("a damaged file is read or refused, never more, and what was read can be written and read again") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::string original = bench::to_json(example_result(), false);
  const std::string telling = "\"{}[],:.-0918eE\\x";
  int refused = 0;
  constexpr int kMutants = 3000;
  for (int i = 0; i < kMutants; ++i) {
    CAPTURE(i);
    std::string mutant = original;
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes)
      mutant[random() % mutant.size()] = telling[random() % telling.size()];
    try {
      const bench::ResultFile file = bench::parse_result_file(mutant, "mutant.json");
      const bench::ResultFile again = bench::parse_result_file(bench::to_json(file, true), "again.json");
      CHECK(again.entries.size() == file.entries.size());
      bench::compare({"a.json", "b.json"}, {example_result(), file});
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > kMutants / 10);  // the mutations do damage
}

TEST_CASE("the state of a machine is read from where the system keeps it") {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / ("tsugi-environment-" + std::to_string(fresh_seed()));
  const auto put = [&](const std::string& path, const std::string& text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  };
  put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Cortex-A57\n");
  put("proc/device-tree/model", std::string("NVIDIA Jetson Nano Developer Kit\0", 33));
  put("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1428000\n");
  put("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1479000\n");
  put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n");
  put("var/lib/nvpmodel/status", "pmode:0000");
  put("sys/class/thermal/thermal_zone0/temp", "41500\n");
  put("sys/class/thermal/thermal_zone1/temp", "-256000\n");
  put("sys/class/devfreq/57000000.gpu/cur_freq", "921600000\n");
  const bench::Environment e = bench::read_environment(root.string());
  CHECK(e.cpu == "Cortex-A57");
  CHECK(e.board == "NVIDIA Jetson Nano Developer Kit");
  CHECK(e.cpu_mhz == doctest::Approx(1428.0));
  CHECK(e.cpu_max_mhz == doctest::Approx(1479.0));
  CHECK(e.governor == "schedutil");
  CHECK(e.power_mode == "pmode:0000");
  CHECK(e.temperature_c == doctest::Approx(41.5));
  CHECK(e.gpu_mhz == doctest::Approx(921.6));
  CHECK(e.gpu_max_mhz == -1.0);
  fs::remove_all(root);

  bench::Environment gpu;
  bench::read_smi("NVIDIA GeForce RTX 2080 Ti, 470.82, 1545, 2100, 7000, 43, [N/A]", gpu);
  CHECK(gpu.gpu == "NVIDIA GeForce RTX 2080 Ti");
  CHECK(gpu.driver == "470.82");
  CHECK(gpu.gpu_mhz == 1545.0);
  CHECK(gpu.gpu_temperature_c == 43.0);
  CHECK(gpu.gpu_power_limit_w == -1.0);
  bench::Environment none;
  bench::read_smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver", none);
  CHECK(none.gpu.empty());
}

}  // namespace
}  // namespace tsugi::test
