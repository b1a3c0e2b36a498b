// Watching a run changes nothing but the time, and the trace has everything in it.
#include <nlohmann/json.hpp>

#include "engine/core/input_file.h"
#include "engine/train/profile.h"
#include "kernels/api/registry.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

using Json = nlohmann::ordered_json;

const char* kLayers =
    R"({"type": "conv2d", "name": "conv", "filters": 4, "kernel": 3}, {"type": "batch_norm", "name": "bn"}, {"type": "relu"},
  {"type": "dropout", "rate": 0.2}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"})";

Json trace_of(const Profile& profile) {
  const ScratchFolder folder;
  profile.write(folder / "trace.json");
  const std::vector<std::uint8_t> bytes = read_file(folder / "trace.json");
  return Json::parse(bytes.begin(), bytes.end());
}

TEST_CASE("watched steps compute the same bits, with and without a recorded graph") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = parse_model(model_json(kLayers), "test");
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  if (auto simt = emulator(75)) backends.push_back(std::move(simt));
  for (const auto& backend : backends) {
    CAPTURE(backend->name());
    Training plain(*backend, model, set, short_settings()), watched(*backend, model, set, short_settings());
    StepRecorder recorder(*backend, model);
    watched.trainer.watch(&recorder);
    plain.steps(4);
    watched.steps(2);
    watched.trainer.watch(nullptr);  // and goes on unwatched
    watched.steps(2);
    CHECK(plain.saved() == watched.saved());
  }
}

TEST_CASE("slices follow each other without gaps, forward in order and backward in reverse, once a micro-batch") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = parse_model(model_json(kLayers), "test");
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  TrainSettings settings = short_settings();
  settings.batch = 8;
  Training training(*backend, model, set, settings);
  StepRecorder recorder(*backend, model);
  training.trainer.watch(&recorder);
  training.steps(1);
  const std::vector<StepSlice>& slices = recorder.slices();
  std::string order;
  double end = 0.0;
  for (const StepSlice& slice : slices) {
    CHECK(slice.begin == end);
    CHECK(slice.seconds >= 0.0);
    end = slice.begin + slice.seconds;
    order += std::string(order.empty() ? "" : " ") + name_of(slice.part) +
             (slice.layer < 0 ? "" : ":" + model.layers[static_cast<std::size_t>(slice.layer)].name);
  }
  CHECK(end == recorder.seconds());
  CHECK(order ==
        "data augment forward:conv forward:bn forward:dropout4 forward:head loss backward:head backward:dropout4 "
        "backward:bn "
        "backward:conv update data results");
}

TEST_CASE("a trace has every step, its parts, evaluations and checkpoints, in microseconds") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = parse_model(model_json(kLayers), "test");
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  Training training(*backend, model, set, short_settings());
  Profile profile(*backend, model);
  training.trainer.watch(profile.probe());
  for (std::uint32_t step = 1; step <= 2; ++step) {
    profile.begin_step();
    training.steps(1);
    profile.end_step(step);
  }
  { const Profile::Span span(&profile, "checkpoint"); }
  { const Profile::Span nobody(nullptr, "checkpoint"); }
  const Json trace = trace_of(profile);
  CHECK(trace["otherData"]["steps_left_out"] == 0);
  std::map<std::string, int> names;
  double step_begin = 0.0, step_end = 0.0;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    ++names[event["cat"].get<std::string>() + "/" + event["name"].get<std::string>()];
    const double begin = event["ts"], duration = event["dur"];
    CHECK(duration >= 0.0);
    if (event["cat"] == "step") {
      CHECK(begin >= step_end);
      step_begin = begin, step_end = begin + duration;
    } else if (event["cat"] != "checkpoint") {  // a part lies within its step (1e-3: the file's rounding, microseconds)
      CHECK(begin >= step_begin - 1e-3);
      CHECK(begin + duration <= step_end + 1e-3);
    }
  }
  CHECK(names["step/step 1"] == 1);
  CHECK(names["step/step 2"] == 1);
  CHECK(names["forward/conv"] == 2);
  CHECK(names["backward/head"] == 2);
  CHECK(names["update/update"] == 2);
  CHECK(names["data/data"] == 4);
  CHECK(names["checkpoint/checkpoint"] == 1);
  std::uint64_t conv = 0;
  double previous = 1e9;
  for (const ProfileLine& line : profile.lines()) {
    CHECK(line.seconds <= previous);
    previous = line.seconds;
    if (line.layer == "conv") conv += line.times;
  }
  CHECK(conv == 4);
}

TEST_CASE("a trace that is full leaves whole steps out, says how many, and the sums go on") {
  const PhotoSet set = make_photos(3, 4);
  const Model model = parse_model(model_json(kLayers), "test");
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  Training training(*backend, model, set, short_settings());
  Profile profile(*backend, model, 20);
  training.trainer.watch(profile.probe());
  for (std::uint32_t step = 1; step <= 3; ++step) {
    profile.begin_step();
    training.steps(1);
    profile.end_step(step);
  }
  const Json trace = trace_of(profile);
  CHECK(trace["otherData"]["steps_left_out"] == 2);
  for (const Json& event : trace["traceEvents"])
    if (event["ph"] == "X")
      CHECK(event["ts"].get<double>() <=
            trace["traceEvents"][1]["ts"].get<double>() + trace["traceEvents"][1]["dur"].get<double>());
  for (const ProfileLine& line : profile.lines())
    if (line.part == "update") CHECK(line.times == 3);
}

}  // namespace
}  // namespace tsugi::test
