// The grid of an experiment: fractions from text, who takes part, and which jobs follow in which order.
#include "tools/experiment/jobs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/core/text.h"
#include "tests/engine/support.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {
namespace {

using test::error_of;
using test::expect_parts;

using Fractions = std::vector<double>;

/// People with as many photos as `counts` says: a, b, c, ...
PhotoFolder folder_of(const std::vector<int>& counts, const std::string& prefix = "") {
  PhotoFolder folder;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string name = prefix + static_cast<char>('a' + i);
    folder.class_names.push_back(name);
    for (int photo = 0; photo < counts[i]; ++photo) {
      folder.photos.push_back({name, name + "/" + std::to_string(photo) + ".jpg", "", nullptr});
      folder.labels.push_back(static_cast<int>(i));
    }
  }
  return folder;
}

TEST_CASE("fractions are a list of numbers and ranges that include both ends") {
  CHECK(parse_fractions("0.3") == Fractions{0.3});
  CHECK(parse_fractions("1,0,0.5") == Fractions{0.0, 0.5, 1.0});
  CHECK(parse_fractions("0:1:0.1") == Fractions{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1});
  CHECK(parse_fractions("0,0.05,0.1:1:0.1") == Fractions{0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1});
  CHECK(parse_fractions("0.1:0.35:0.1") == Fractions{0.1, 0.2, 0.3});  // the stop is no step
  CHECK(parse_fractions("0.3:0.3:0.1,0.3") == Fractions{0.3});
  CHECK(parse_fractions("5e-2") == Fractions{0.05});
}

TEST_CASE("ranges are robust to rounding at every step") {
  for (int steps = 1; steps <= 200; ++steps) {
    CAPTURE(steps);
    const Fractions fractions =
        parse_fractions("0:1:" + std::to_string(1.0 / steps));  // six decimals, as printf rounds
    REQUIRE(fractions.size() >= static_cast<std::size_t>(steps));
    CHECK(fractions.front() == 0.0);
    CHECK(std::is_sorted(fractions.begin(), fractions.end()));
  }
  CHECK(parse_fractions("0:1:0.001").size() == 1001);
  CHECK(parse_fractions("0:1:0.01").back() == 1.0);
}

TEST_CASE("what is no fraction is refused with its text") {
  expect_parts(error_of([] { parse_fractions("1.2"); }), {"1.2", "0 to 1"});
  expect_parts(error_of([] { parse_fractions("-0.1"); }), {"-0.1", "0 to 1"});
  expect_parts(error_of([] { parse_fractions("0:1.5:0.1"); }), {"1.5", "0 to 1"});
  for (const std::string text :
       {"", "a", "0,", ",", "0:1", "0:1:0.1:2", "0::1", "nan", "inf", "0x1", "0.1 ", "1e", "0:1:x", "1e999"}) {
    CAPTURE(text);
    const std::string message = error_of([&] { parse_fractions(text); });
    CHECK(message.find("fractions: ") == 0);
    CHECK(message.find("is neither a number nor start:stop:step") != std::string::npos);
  }
  for (const std::string text : {"0:1:0", "0:1:-0.1", "0.5:0.1:0.1"})
    expect_parts(error_of([&] { parse_fractions(text); }), {text, "rise"});
  expect_parts(error_of([] { parse_fractions("0:1:1e-9"); }), {"0:1:1e-9", "1001"});
}

TEST_CASE("numbers are written short") {
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(0.0) == "0");
  CHECK(number_text(1.0) == "1");
  CHECK(number_text(30.0) == "30");
}

TEST_CASE("people with the most photos come first, by name among equals") {
  CHECK(people_order(folder_of({3, 5, 4, 5})) == std::vector<std::string>{"b", "d", "c", "a"});
}

ExperimentSettings settings_of(const std::vector<int>& people) {
  ExperimentSettings settings;
  settings.people = people;
  settings.fractions = {0.0, 0.5, 1.0};
  settings.seeds = 2;
  settings.methods = {find_method("default"), find_method("paper")};
  return settings;
}

TEST_CASE("a grid pretrains once for each number of people and seed, seeds outermost, most people first") {
  ExperimentSettings settings = settings_of({2, 3});
  for (const Method& method : ablation_methods({0.1})) settings.methods.push_back(method);
  const std::size_t ablations = ablation_methods({0.1}).size();
  REQUIRE(ablations > 0);
  const std::vector<Job> jobs = list_jobs(settings, folder_of({10, 20, 30}), folder_of({50}, "me-"));
  REQUIRE(jobs.size() == 2 * (2 * (1 + 6) + 1 + ablations));
  CHECK(jobs[0].people == 3);
  std::set<std::string> keys;
  int people = 0;
  for (const Job& job : jobs) {
    CHECK(keys.insert(job.key()).second);
    CHECK(job.work > 0.0);
    if (job.kind == JobKind::pretrain) people = job.people;
    if (job.kind == JobKind::handover) CHECK(job.people == people);  // after its pretraining
    if (job.method.rfind("no-", 0) == 0 || job.kind == JobKind::alone) CHECK(job.people == 3);
  }
  const auto alone = std::find_if(jobs.begin(), jobs.end(), [](const Job& job) { return job.kind == JobKind::alone; });
  CHECK(jobs.end() - alone == 2);  // at the end
  CHECK(std::is_sorted(jobs.begin(), alone, [](const Job& a, const Job& b) { return a.seed < b.seed; }));
  CHECK(keys.count("p2_s1_pretrained") + keys.count("p3_s2_device-alone") + keys.count("p3_s1_paper_f0.5") == 3);
}

TEST_CASE("the estimate of work follows photos, variants and epochs") {
  ExperimentSettings settings = settings_of({2});
  const auto work = [&](std::size_t job) {
    return list_jobs(settings, folder_of({10, 20, 30}), folder_of({50}, "me-"))[job].work;
  };
  const double base = work(0), none = work(1), all = work(3);
  CHECK(all > none);
  settings.epochs = 100;
  CHECK(work(0) > base);
  CHECK(work(1) == none);
  settings.variants = 90;
  CHECK(work(1) > none);
}

TEST_CASE("an unknown method is refused with the known ones") {
  expect_parts(error_of([] { find_method("magic"); }), {"magic", "default", "paper"});
}

TEST_CASE("a method answers to its former name, and an experiment that began under that goes on under it") {
  namespace fs = std::filesystem;
  const std::string out =
      (fs::temp_directory_path() / ("tsugi-methods-" + std::to_string(test::fresh_seed()))).string();
  fs::create_directories(out + "/cells");
  const std::pair<const char*, const char*> renamed[] = {{"no-average", "no-weight-interpolation"},
                                                         {"no-judge", "no-keep-best"}};
  for (const auto& [former, name] : renamed) {
    CHECK(find_method(former).name == name);
    std::vector<Method> methods = {find_method("default"), find_method(former)};
    keep_former_names(out, methods);
    CHECK(methods[1].name == name);
    std::ofstream(out + "/cells/p3_s1_" + former + "_f0.1.json") << "{}";
    keep_former_names(out, methods);
    CHECK(methods[0].name == "default");
    CHECK(methods[1].name == former);
  }
  CHECK_THROWS_AS(find_method(""), Error);
  fs::remove_all(out);
}

TEST_CASE("a method's options reach the requests") {
  HandoverRequest request;
  request.train.overrides.set(&TrainSettings::seed, 7);
  request.train.overrides.set(&TrainSettings::balanced, true);
  find_method("paper").resume(request);
  CHECK(request.new_row == NewRow::random);
  CHECK(request.train.overrides.values.seed == 7);
  CHECK(request.train.overrides.values.balanced == false);
  BundleRequest bundle;
  find_method("paper").bundle(bundle);
  CHECK(bundle.strategy == SubsetStrategy::random);
  CHECK_FALSE(bundle.knowledge);
  CHECK(resolved_options(find_method("default"))["bundle"]["strategy"] == name_of(BundleRequest().strategy));
  BundleRequest features;
  find_method("features").bundle(features);
  REQUIRE(features.features.has_value());
  CHECK(resolved_options(find_method("features"))["bundle"]["variants"] == features.features->variants);
  CHECK_FALSE(bundle.features.has_value());
  // Every option of every method is one that a run knows.
  for (const Method& method : known_methods()) {
    CAPTURE(method.name);
    HandoverRequest any;
    CHECK_NOTHROW(method.resume(any));
    TrainSettings settings;
    HandoverSettings own;
    CHECK_NOTHROW(any.train.overrides.apply(settings, method.name));
    CHECK_NOTHROW(any.overrides.apply(own, method.name));
    const Json resume = resolved_options(method)["resume"];
    CHECK(in_todays_names(resume, method.name).dump() == resume.dump());
  }
  // As the first version wrote the paper's way.
  const Json written =
      Json::parse(R"({"balanced": false, "frozen_batch_norm": false, "freeze_until": "", "clip_norm": 0,
    "distillation": 0, "average": 1, "new_row_scale": 1, "margin": 0, "new_row": "random", "keep": "trained"})");
  CHECK(in_todays_names(written, "experiment.json").dump() == resolved_options(find_method("paper"))["resume"].dump());
  expect_parts(error_of([] {
                 in_todays_names(Json{{"margn", 1}}, "experiment.json: method x");
               }),
               {"experiment.json: method x", "margn"});
  expect_parts(error_of([] { in_todays_names(Json(3), "experiment.json"); }), {"experiment.json", "3", "object"});
}

}  // namespace
}  // namespace tsugi::tools
