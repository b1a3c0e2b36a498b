// The hand-over: whole runs on a small bundle, in one go and interrupted.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/input_file.h"
#include "tests/engine/overrides.h"
#include "tests/engine/small_server.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

/// A small server and its bundle.
struct Handed : SmallServer {
  const std::string bundle = folder / "handover.tar";
  const Checkpoint& server = checkpoint;

  Handed() : SmallServer(kTinyLayers) { write_bundle(bundle, photos); }
  HandoverRequest request(const std::string& output) const { return SmallServer::request(bundle, output); }
};

TEST_CASE("a hand-over reports general and personal people, and marks its checkpoint as personal") {
  const Handed handed;
  HandoverRequest request = handed.request("device.safetensors");
  request.train.run.metrics = handed.folder / "metrics.jsonl";
  const RunSummary summary = resume(request, {});
  CHECK(summary.class_names == std::vector<std::string>{"p0", "p1", "p2", "p3"});
  CHECK(summary.personal == std::vector<bool>{false, false, false, true});
  CHECK(summary.evaluation.general.photos == 3);
  CHECK(summary.evaluation.personal.photos == 1);
  CHECK(summary.evaluation.overall.photos == 4);
  CHECK(summary.history.before.size() == 3);
  CHECK((summary.history.accuracy_general_before >= 0.0 && summary.history.accuracy_general_before <= 1.0));

  std::ifstream metrics(handed.folder / "metrics.jsonl");
  int rows = 0;
  double wall_s = 0.0;
  for (std::string line; std::getline(metrics, line); ++rows) {
    const nlohmann::json row = nlohmann::json::parse(line);
    for (const char* field : {"wall_s", "step", "epoch", "accuracy", "accuracy_general", "accuracy_personal"})
      CHECK(row.at(field).is_number());
    CHECK(row.at("loss").is_number() == (rows == 1 || rows == 2));  // the first is of before the first step
    CHECK(row.at("epoch") == std::min(rows, 2));
    CHECK((row.at("step") == 0) == (rows == 0));
    CHECK(row.at("wall_s") > wall_s);
    wall_s = row.at("wall_s");
  }
  CHECK(rows == 3);  // with all photos it ends with what the last step left

  const Checkpoint device = read_checkpoint(handed.folder / "device.safetensors");
  CHECK(device.personal_classes == std::vector<std::string>{"p3"});
  CHECK(nlohmann::json::parse(device.provenance).at("personal") == true);
  CHECK(nlohmann::json::parse(handed.server.provenance).at("personal") == false);
  CHECK(device.test_photos.size() == 4);
  CHECK(device.train_photos.size() == 12 + 5);
}

void expect_same_run(const std::string& a_path, const std::string& b_path) {
  const Checkpoint a = read_checkpoint(a_path), b = read_checkpoint(b_path);
  const auto same = [](const std::vector<NamedTensor>& x, const std::vector<NamedTensor>& y) {
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(x[i].name);
      CHECK(x[i].data == y[i].data);
    }
  };
  same(a.parameters, b.parameters);
  same(a.statistics, b.statistics);
  REQUIRE(a.moments.size() == b.moments.size());
  for (const auto& [name, tensors] : a.moments) same(tensors, b.moments.at(name));
  CHECK(a.progress.step == b.progress.step);
  CHECK(a.progress.epoch == b.progress.epoch);
  CHECK(a.settings == b.settings);
  CHECK(a.class_names == b.class_names);
  CHECK(a.personal_classes == b.personal_classes);
  CHECK(a.provenance == b.provenance);
  CHECK(a.metrics == b.metrics);  // no time is in them
  CHECK(read_file(a_path) == read_file(b_path));
}

/// Runs `request` to part.safetensors, stops it after `stop` steps, and goes on by `rest`, which must end as
/// whole.safetensors did.
void expect_same_when_stopped(const Handed& handed, HandoverRequest request, int stop, HandoverRequest rest) {
  int taken = 0;
  RunObserver observer;
  observer.should_stop = [&] { return ++taken == stop; };
  request.train.run.output = handed.folder / "part.safetensors";
  CHECK(resume(request, observer).stopped);
  CHECK(read_checkpoint(handed.folder / "part.safetensors").progress.step == static_cast<std::uint32_t>(stop));
  rest.train.run.output = handed.folder / "rest.safetensors";
  rest.continue_from = handed.folder / "part.safetensors";
  CHECK_FALSE(resume(rest, {}).stopped);
  expect_same_run(handed.folder / "whole.safetensors", handed.folder / "rest.safetensors");
}

TEST_CASE("an interrupted hand-over goes on to the same weights and metrics as an uninterrupted one") {
  const Handed handed;
  const RunSummary whole = resume(handed.request("whole.safetensors"), {});
  const int steps = static_cast<int>(whole.progress.step);
  REQUIRE(steps >= 6);
  for (const int stop : {1, 2, steps / 2, steps - 1}) {
    CAPTURE(stop);
    expect_same_when_stopped(handed, handed.request("part.safetensors"), stop, handed.request("rest.safetensors"));
  }
}

TEST_CASE("a hand-over leaves frozen layers as the server sent them, interrupted or not") {
  const Handed handed;
  HandoverRequest request = handed.request("whole.safetensors");
  set_overrides(request, R"({"epochs": 2, "freeze_until": "bn1"})");
  resume(request, {});
  const Checkpoint device = read_checkpoint(handed.folder / "whole.safetensors");
  for (const char* name : {"conv1.weight", "conv1.bias", "bn1.gamma", "bn1.beta"}) {
    CAPTURE(name);
    CHECK(find_tensor(device.parameters, name)->data == find_tensor(handed.server.parameters, name)->data);
    CHECK(find_tensor(device.moments.at("momentum"), name)->data ==
          find_tensor(handed.server.moments.at("momentum"), name)->data);
  }
  for (const char* name : {"bn1.running_mean", "bn1.running_var"})
    CHECK(find_tensor(device.statistics, name)->data == find_tensor(handed.server.statistics, name)->data);
  CHECK(find_tensor(device.parameters, "head.weight")->data !=
        find_tensor(handed.server.parameters, "head.weight")->data);

  expect_same_when_stopped(handed, request, 3, handed.request("rest.safetensors"));

  set_overrides(request, R"({"freeze_until": "conv7"})");
  request.train.run.output = handed.folder / "none.safetensors";
  expect_parts(error_of([&] { resume(request, {}); }), {"freeze-until", "conv7", "conv1, bn1"});
  CHECK_FALSE(std::ifstream(handed.folder / "none.safetensors").good());
}

TEST_CASE("training that makes old people worse is not kept, interrupted or not") {
  const Handed handed;
  const auto spoilt = [&](const std::string& output) {
    HandoverRequest request = handed.request(output);
    request.keep = Keep::better;
    // No old person's photo is sent, nothing says how they do: whatever is learnt cannot be trusted.
    Bundle none = read_bundle(handed.bundle);
    none.photos.erase(
        std::remove_if(none.photos.begin(), none.photos.end(), [](const BundlePhoto& photo) { return !photo.test; }),
        none.photos.end());
    none.fraction = 0.0;
    request.bundle = handed.folder / "none.tar";
    write_bundle(request.bundle, none);
    set_overrides(request, R"({"epochs": 2, "lr": 0.5})");
    request.train.run.metrics = handed.folder / "metrics.jsonl";
    return request;
  };
  HandoverRequest request = spoilt("whole.safetensors");
  const RunSummary summary = resume(request, {});
  CHECK(summary.history.kept == "start");
  REQUIRE(summary.history.rows.size() == 4);  // before the first step, two epochs, and the start again
  CHECK(summary.history.rows[3].accuracy == summary.history.rows[0].accuracy);
  CHECK(summary.history.rows[3].accuracy_general == summary.history.rows[0].accuracy_general);
  CHECK(summary.evaluation.overall.accuracy() == summary.history.rows[0].accuracy);
  const Checkpoint device = read_checkpoint(handed.folder / "whole.safetensors");
  CHECK(device.progress.epoch == 2);
  for (const NamedTensor& tensor : device.parameters) {
    CAPTURE(tensor.name);
    const NamedTensor& old = *find_tensor(handed.server.parameters, tensor.name);
    CHECK(std::memcmp(tensor.data.data(), old.data.data(), old.data.size()) ==
          0);  // the head's new row lies behind the old ones
  }

  expect_same_when_stopped(handed, spoilt("part.safetensors"), 1,
                           spoilt("rest.safetensors"));  // metrics, and with them what was kept, included

  request.keep = Keep::trained;
  CHECK(resume(request, {}).history.kept == "trained");
  CHECK(find_tensor(read_checkpoint(handed.folder / "whole.safetensors").parameters, "head.weight")->data !=
        find_tensor(device.parameters, "head.weight")->data);
}

TEST_CASE(
    "a hand-over ends with the average of the start's and the trained weights, new people's rows scaled and less the "
    "margin") {
  const Handed handed;
  const auto device_of = [&](const std::string& overrides) {
    HandoverRequest request = handed.request("device.safetensors");
    set_overrides(request, overrides);
    resume(request, {});
    return read_checkpoint(handed.folder / "device.safetensors");
  };
  const Checkpoint start = device_of(R"({"epochs": 1, "lr": 0, "new_class_scale": 1})");
  const Checkpoint trained = device_of(R"({"epochs": 2, "weight_interpolation": 1, "new_class_scale": 1})");
  const Checkpoint end =
      device_of(R"({"epochs": 2, "weight_interpolation": 0.25, "new_class_scale": 0.5, "new_class_bias_shift": 1.5})");
  double moved = 0.0;
  for (const NamedTensor& tensor : end.parameters) {
    CAPTURE(tensor.name);
    const std::vector<float> a = values_of(*find_tensor(start.parameters, tensor.name)),
                             b = values_of(*find_tensor(trained.parameters, tensor.name));
    const std::vector<float> found = values_of(tensor);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double margin = tensor.name == "head.bias" && i == 3 ? 1.5 : 0.0;
      const double scale = tensor.name.rfind("head.", 0) == 0 && i >= 3 * found.size() / 4 ? 0.5 : 1.0;
      CHECK(found[i] ==
            doctest::Approx(scale * (0.75 * static_cast<double>(a[i]) + 0.25 * static_cast<double>(b[i])) - margin)
                .epsilon(1e-5));
      moved = std::max(moved, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
  }
  CHECK(moved > 1e-3);
}

TEST_CASE("how much of the trained weights a hand-over ends with goes by the fraction that came along") {
  CHECK(default_weight_interpolation(0.0) == doctest::Approx(0.3));
  CHECK(default_weight_interpolation(0.02) == doctest::Approx(0.3));
  CHECK(default_weight_interpolation(0.125) == doctest::Approx(0.5));
  CHECK(default_weight_interpolation(1.0) == doctest::Approx(1.0));
  const Handed handed;
  HandoverRequest request = handed.request("device.safetensors");
  request.bundle = handed.folder / "eighth.tar";
  Bundle bundle = handed.photos;
  bundle.fraction = 0.125;
  write_bundle(request.bundle, bundle);
  const auto average_of = [&](const std::string& overrides) {
    set_overrides(request, overrides);
    resume(request, {});
    return nlohmann::json::parse(read_checkpoint(handed.folder / "device.safetensors").settings)
        .at("weight_interpolation")
        .get<double>();
  };
  CHECK(average_of(R"({"epochs": 1})") == doctest::Approx(0.5));
  CHECK(average_of(R"({"epochs": 1, "weight_interpolation": 0.75})") == 0.75);
}

TEST_CASE("a device does not obey the hand-over's settings that a server sends, and says so") {
  const Handed handed;
  const auto resumed = [&](const std::string& settings, const std::string& output) {
    Bundle bundle = handed.photos;
    bundle.checkpoint.settings = settings;
    HandoverRequest request = handed.request(output);
    request.bundle = handed.folder / "sent.tar";
    write_bundle(request.bundle, bundle);
    std::string said;
    RunObserver observer;
    observer.say = [&](const std::string& line) { said += line + "\n"; };
    resume(request, observer);
    return said;
  };
  nlohmann::json settings = nlohmann::json::parse(handed.server.settings);
  CHECK(resumed(settings.dump(), "plain.safetensors").find("left aside") == std::string::npos);
  settings.update(
      {{"margin", 5}, {"average", 0.01}, {"new_row_scale", 0.1}, {"distillation", 1}, {"distil_personal", true}});
  expect_parts(resumed(settings.dump(), "spoilt.safetensors"), {"sent.tar", "new_class_bias_shift 5", "left aside"});
  expect_same_run(handed.folder / "plain.safetensors", handed.folder / "spoilt.safetensors");

  // A model that such a setting stood in once stays readable, and its training can go on.
  Checkpoint old = handed.server;
  nlohmann::json model = nlohmann::json::parse(old.model);
  model["training"]["margin"] = 5;
  old.model = model.dump();
  write_checkpoint(handed.folder / "old.safetensors", old, CheckpointKind::full);
  PretrainRequest on = handed.pretraining("on.safetensors");
  on.continue_from = handed.folder / "old.safetensors";
  set_overrides(on, R"({"epochs": 4})");
  pretrain(on, {});
  const nlohmann::json now = nlohmann::json::parse(read_checkpoint(handed.folder / "on.safetensors").settings);
  for (const char* name : {"margin", "new_class_bias_shift"}) CHECK_FALSE(now.contains(name));
}

TEST_CASE("a finished hand-over that trains on gets its scale and margin once") {
  const Handed handed;
  HandoverRequest request = handed.request("one.safetensors");
  set_overrides(request, R"({"epochs": 1, "lr": 0, "new_class_scale": 0.5, "new_class_bias_shift": 1.5})");
  resume(request, {});
  set_overrides(request, R"({"epochs": 2})");
  request.train.run.output = handed.folder / "two.safetensors";
  request.continue_from = handed.folder / "one.safetensors";
  resume(request, {});
  const auto bias = [&](const char* file) {
    return values_of(*find_tensor(read_checkpoint(handed.folder / file).parameters, "head.bias"));
  };
  CHECK(bias("two.safetensors")[3] == doctest::Approx(bias("one.safetensors")[3]).epsilon(1e-5));
  request.continue_from = handed.folder / "two.safetensors";
  request.train.run.output = handed.folder / "same.safetensors";  // nothing left to train
  resume(request, {});
  CHECK(bias("same.safetensors") == bias("two.safetensors"));
  set_overrides(request,
                R"({"epochs": 3, "new_class_bias_shift": 0.5})");  // the old one is given back, the new one taken
  request.train.run.output = handed.folder / "three.safetensors";
  resume(request, {});
  CHECK(bias("three.safetensors")[3] == doctest::Approx(bias("two.safetensors")[3] + 1.0f).epsilon(1e-5));
}

/// Mean KL(received || device) over the server's people, of the training photos in the bundle.
double forgotten(const Handed& handed, const Checkpoint& device) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const PhotoSet set = make_photos(3, 5);
  PhotoStoreOptions options;
  options.preprocessing = default_preprocessing(16);
  const PhotoStore store(set.photos, set.labels, options);
  const PhotoSource source(*backend, store);
  std::vector<std::uint32_t> photos;
  for (std::uint32_t i = 0; i < store.size(); ++i)
    if (std::count(handed.server.train_photos.begin(), handed.server.train_photos.end(), store.photo(i).file) != 0)
      photos.push_back(i);
  const auto logits_of = [&](const Checkpoint& checkpoint) {
    Network network(*backend, tiny_model(), checkpoint.class_names);
    network.load(checkpoint, "test");
    InferenceOptions with_logits;
    with_logits.logits = true;
    return Inference(network, 8).run(source, photos, with_logits).logits;
  };
  const std::vector<float> before = logits_of(handed.server), after = logits_of(device);
  double sum = 0.0;
  for (std::size_t i = 0; i < photos.size(); ++i) {
    double p[3], q[3], p_sum = 0.0, q_sum = 0.0;
    for (std::size_t j = 0; j < 3; ++j) {
      p_sum += p[j] = std::exp(static_cast<double>(before[i * 3 + j]));
      q_sum += q[j] = std::exp(static_cast<double>(after[i * 4 + j]));
    }
    for (std::size_t j = 0; j < 3; ++j) sum += p[j] / p_sum * std::log(p[j] / p_sum / (q[j] / q_sum));
  }
  return sum / static_cast<double>(photos.size());
}

TEST_CASE("distillation keeps what the received network said, and goes on after an interruption") {
  const Handed handed;
  const auto device_of = [&](const std::string& overrides) {
    HandoverRequest request = handed.request("device.safetensors");
    set_overrides(request, overrides);
    resume(request, {});
    return read_checkpoint(handed.folder / "device.safetensors");
  };
  const Checkpoint plain = device_of(R"({"epochs": 6, "lr": 0.05, "weight_interpolation": 1})");
  const Checkpoint kept = device_of(R"({"epochs": 6, "lr": 0.05, "weight_interpolation": 1, "distillation": 0.9})");
  CHECK(forgotten(handed, kept) < 0.5 * forgotten(handed, plain));
  const Checkpoint personal = device_of(
      R"({"epochs": 6, "lr": 0.05, "weight_interpolation": 1, "distillation": 0.9, "distillation_personal": true})");
  CHECK(find_tensor(personal.parameters, "head.weight")->data != find_tensor(kept.parameters, "head.weight")->data);

  HandoverRequest request = handed.request("whole.safetensors");
  set_overrides(request, R"({"epochs": 2, "distillation": 0.5, "distillation_temperature": 3})");
  std::string said;
  RunObserver observer;
  observer.say = [&](const std::string& line) { said += line + "\n"; };
  resume(request, observer);
  expect_parts(said, {"distilling", "12 of 17 training photos"});
  expect_same_when_stopped(handed, request, 3, handed.request("rest.safetensors"));
}

TEST_CASE("an interrupted pretraining goes on to the same weights and metrics") {
  const Handed handed;  // its server trained three epochs in one go
  PretrainRequest request = handed.pretraining("part.safetensors");
  for (const int stop : {1, 4, 6}) {
    CAPTURE(stop);
    request.continue_from.clear();
    int taken = 0;
    RunObserver observer;
    observer.should_stop = [&] { return ++taken == stop; };
    CHECK(pretrain(request, observer).stopped);
    request.continue_from = handed.folder / "part.safetensors";
    pretrain(request, {});
    expect_same_run(handed.folder / "server.safetensors", handed.folder / "part.safetensors");
  }
}

TEST_CASE("the hand-over takes a number of personal photos, and starts random rows too") {
  const Handed handed;
  HandoverRequest request = handed.request("few.safetensors");
  request.personal_photos = 2;
  request.new_row = NewRow::random;
  std::string said;
  RunObserver observer;
  observer.say = [&](const std::string& line) { said += line + "\n"; };
  resume(request, observer);
  expect_parts(said, {"p3: 2 training photos", "5 at least"});
  const Checkpoint device = read_checkpoint(handed.folder / "few.safetensors");
  CHECK(std::count_if(device.train_photos.begin(), device.train_photos.end(),
                      [](const std::string& file) { return file.rfind("p3/", 0) == 0; }) == 2);
}

TEST_CASE("a personal person none of whose photos can be read is refused by name") {
  const Handed handed;
  std::filesystem::create_directories(handed.folder / "broken/p9");
  std::ofstream(handed.folder / "broken/p9/1.jpg") << "no photo";
  HandoverRequest request = handed.request("out.safetensors");
  request.personal = handed.folder / "broken/p9";
  expect_parts(error_of([&] { resume(request, {}); }), {"broken/p9", "p9", "0 photos"});
  CHECK_FALSE(std::ifstream(handed.folder / "out.safetensors").good());
}

TEST_CASE("a hand-over refuses a person it has, another run's checkpoint, another seed, and leaves no file behind") {
  const Handed handed;
  HandoverRequest request = handed.request("out.safetensors");
  request.personal = handed.folder / "general/p1";
  expect_parts(error_of([&] { resume(request, {}); }), {"p1", "3 people"});
  request = handed.request("out.safetensors");
  request.continue_from = handed.folder / "server.safetensors";
  expect_parts(error_of([&] { resume(request, {}); }), {"server.safetensors", "handover.tar"});
  resume(handed.request("device.safetensors"), {});
  request.continue_from = handed.folder / "device.safetensors";
  set_overrides(request, R"({"seed": 77})");
  expect_parts(error_of([&] { resume(request, {}); }), {"77", "1", "device.safetensors"});
  CHECK_FALSE(std::ifstream(handed.folder / "out.safetensors").good());
}

TEST_CASE("a hand-over goes on with the bundle that it began with, not with one of other weights and the same people") {
  const Handed handed;
  resume(handed.request("device.safetensors"), {});
  Bundle other = handed.photos;
  other.checkpoint.parameters.front().data.front() ^= 1;
  write_bundle(handed.folder / "other.tar", other);
  HandoverRequest request = handed.request("out.safetensors");
  request.bundle = handed.folder / "other.tar";
  request.continue_from = handed.folder / "device.safetensors";
  expect_parts(error_of([&] { resume(request, {}); }), {"device.safetensors", "other.tar", "digest"});
  CHECK_FALSE(std::ifstream(handed.folder / "out.safetensors").good());

  // An older version's checkpoint does not know.
  Checkpoint old = read_checkpoint(handed.folder / "device.safetensors");
  nlohmann::json provenance = nlohmann::json::parse(old.provenance);
  provenance.erase("received");
  old.provenance = provenance.dump();
  write_checkpoint(handed.folder / "old.safetensors", old, CheckpointKind::full);
  request = handed.request("out.safetensors");
  request.continue_from = handed.folder / "old.safetensors";
  std::string said;
  RunObserver observer;
  observer.say = [&](const std::string& line) { said += line + "\n"; };
  resume(request, observer);
  expect_parts(said, {"old.safetensors", "handover.tar", "not checked"});
}

}  // namespace
}  // namespace tsugi::test
