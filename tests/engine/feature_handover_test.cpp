// Hand-overs with activations instead of photos: the arrays and what must not pass for them, and whole runs whose
// result is an ordinary checkpoint with its lower part as it was.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "engine/core/device.h"
#include "engine/handover/pack_features.h"
#include "engine/train/inference.h"
#include "tests/engine/limited_backend.h"
#include "tests/engine/overrides.h"
#include "tests/engine/small_server.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr const char* kLayers =
    R"({"type": "conv2d", "name": "conv1", "filters": 6, "kernel": 3, "stride": 2}, {"type": "batch_norm", "name": "bn1"},
    {"type": "relu", "name": "out1"}, {"type": "dropout", "rate": 0.2}, {"type": "conv2d", "name": "conv2", "filters": 5, "kernel": 3},
    {"type": "batch_norm", "name": "bn2"}, {"type": "relu", "name": "out2"}, {"type": "global_average_pool", "name": "gap"}, {"type": "flatten"},
    {"type": "dense", "name": "head", "units": "classes"})";
constexpr std::uint32_t kVariants = 3;

/// A small server that cuts its model.
struct Server : SmallServer {
  Model model;

  Server() : SmallServer(kLayers), model(parse_model(checkpoint.model, "server")) {}

  Bundle features(const std::string& layer = "out1", CheckpointKind kind = CheckpointKind::full) const {
    const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
    Bundle bundle = photos;
    bundle.kind = kind;
    pack_features(bundle, *backend, {layer, kVariants, 1}, "server", {});
    return bundle;
  }

  /// A request to resume from `bundle`, written as a file.
  HandoverRequest request(const Bundle& bundle, const std::string& output) const {
    write_bundle(folder / "handover.tar", bundle);
    HandoverRequest request = SmallServer::request(folder / "handover.tar", output);
    set_overrides(request, R"({"epochs": 2, "frozen_batch_norm": false})");
    return request;
  }
};

const NamedTensor& tensor_of(const std::vector<NamedTensor>& tensors, const std::string& name) {
  const NamedTensor* found = find_tensor(tensors, name);
  REQUIRE(found != nullptr);
  return *found;
}

TEST_CASE("activations stand in for photos: as many, named, a quarter of a float each, off by half a level") {
  const Server server;
  const Bundle bundle = server.features();
  CHECK(bundle.photos.empty());
  const std::unique_ptr<CutBundle> cut = cut_bundle(bundle, server.model, "bundle");
  REQUIRE(cut != nullptr);
  const BundledFeatures& f = cut->features;
  CHECK(f.train_files.size() == 12);
  CHECK(f.test_files.size() == 3);
  CHECK(std::vector<std::string>(f.test_files) == server.checkpoint.test_photos);
  CHECK(f.extents == std::vector<std::int64_t>{7, 7, 6});
  CHECK(f.train.size() == 12 * kVariants * 7 * 7 * 6);
  CHECK(f.test.size() == 3 * 7 * 7 * 6);

  // Test photos through the whole network, and their activations through the upper part: the same predictions, and
  // losses that the error of a level moves by little.
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  Network whole(*backend, server.model, server.checkpoint.class_names);
  whole.load(server.checkpoint, "server");
  Network upper(*backend, cut->cut.upper, server.checkpoint.class_names);
  upper.load(cut->upper, "server");
  std::vector<Photo> photos;
  for (const BundlePhoto& photo : server.photos.photos)
    if (photo.test) photos.push_back({photo.class_name, photo.class_name + "/" + photo.file, "", photo.bytes});
  PhotoStoreOptions options;
  options.preprocessing = default_preprocessing(16);
  const PhotoStore store(photos, {0, 1, 2}, options);
  const PhotoSource photo_source(*backend, store);
  const FeatureSet set = feature_set(f, server.checkpoint.class_names);
  const FeatureSource feature_source(*backend, set);
  const Predictions wanted = Inference(whole, 2).run(photo_source, {0, 1, 2});
  const Predictions got = Inference(upper, 2).run(feature_source, {12, 13, 14});
  for (std::size_t i = 0; i < wanted.probabilities.size(); ++i)
    CHECK(got.probabilities[i] == doctest::Approx(wanted.probabilities[i]).epsilon(0.02));
  CHECK(got.predicted == wanted.predicted);
}

TEST_CASE(
    "a hand-over with features makes an ordinary checkpoint: the lower part as received, the upper part trained") {
  const Server server;
  for (const CheckpointKind kind : {CheckpointKind::full, CheckpointKind::int8}) {
    CAPTURE(static_cast<int>(kind));
    const Bundle bundle = server.features("out1", kind);
    const RunSummary summary = resume(server.request(bundle, "device.safetensors"), {});
    CHECK(summary.class_names == std::vector<std::string>{"p0", "p1", "p2", "p3"});
    CHECK(summary.evaluation.general.photos == 3);
    CHECK(summary.evaluation.personal.photos == 1);
    CHECK(summary.history.before.size() == 3);
    const Checkpoint device = read_checkpoint(server.folder / "device.safetensors");
    const Checkpoint received = read_bundle(server.folder / "handover.tar").checkpoint;
    CHECK(device.model == received.model);
    CHECK(device.personal_classes == std::vector<std::string>{"p3"});
    CHECK(device.train_photos.size() == 12 + 5);
    CHECK(device.test_photos.size() == 4);
    for (const char* name : {"conv1.weight", "conv1.bias", "bn1.gamma", "bn1.beta"})
      CHECK(tensor_of(device.parameters, name).data == tensor_of(received.parameters, name).data);
    for (const char* name : {"bn1.running_mean", "bn1.running_var"})
      CHECK(tensor_of(device.statistics, name).data == tensor_of(received.statistics, name).data);
    for (const char* name : {"conv2.weight", "bn2.gamma", "head.weight"})
      CHECK(tensor_of(device.parameters, name).data != tensor_of(received.parameters, name).data);
    CHECK(tensor_of(device.statistics, "bn2.running_mean").data !=
          tensor_of(received.statistics, "bn2.running_mean").data);
    CHECK(device.moments.at("momentum").size() == device.parameters.size());

    // It loads into the whole model.
    const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
    Network network(*backend, parse_model(device.model, "device"), device.class_names);
    network.load(device, "device");
  }
}

TEST_CASE("an interrupted hand-over with features goes on to the same weights") {
  const Server server;
  const Bundle bundle = server.features();
  const RunSummary whole = resume(server.request(bundle, "whole.safetensors"), {});
  const int steps = static_cast<int>(whole.progress.step);
  REQUIRE(steps >= 4);
  for (const int stop : {1, steps - 1}) {
    CAPTURE(stop);
    int taken = 0;
    RunObserver observer;
    observer.step = [&](const RunStatus&) { ++taken; };
    observer.should_stop = [&] { return taken == stop; };
    CHECK(resume(server.request(bundle, "part.safetensors"), observer).stopped);
    HandoverRequest rest = server.request(bundle, "rest.safetensors");
    rest.continue_from = server.folder / "part.safetensors";
    resume(rest, {});
    const Checkpoint a = read_checkpoint(server.folder / "whole.safetensors"),
                     b = read_checkpoint(server.folder / "rest.safetensors");
    REQUIRE(a.parameters.size() == b.parameters.size());
    for (std::size_t i = 0; i < a.parameters.size(); ++i) CHECK(a.parameters[i].data == b.parameters[i].data);
    for (std::size_t i = 0; i < a.moments.at("momentum").size(); ++i)
      CHECK(a.moments.at("momentum")[i].data == b.moments.at("momentum")[i].data);
    for (std::size_t i = 0; i < a.statistics.size(); ++i) CHECK(a.statistics[i].data == b.statistics[i].data);
  }
}

TEST_CASE("activations that are still being computed can be stopped, and nothing is written") {
  const Server server;
  const Bundle bundle = server.features();
  RunObserver observer;
  observer.should_stop = [] { return true; };
  expect_parts(error_of([&] { resume(server.request(bundle, "out.safetensors"), observer); }),
               {"stopped before the first step"});
  Bundle photos = server.photos;
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  expect_parts(error_of([&] {
                 pack_features(photos, *backend, {"out1", 1, 1}, "server", observer);
               }),
               {"stopped", "nothing was written"});
  CHECK_FALSE(std::ifstream(server.folder / "out.safetensors").good());
}

TEST_CASE("features can be of no photo at all, of any layer, and of the layer before the head") {
  const Server server;
  for (const char* layer : {"conv1", "bn1", "out2", "gap"}) {
    CAPTURE(layer);
    CHECK(resume(server.request(server.features(layer), "device.safetensors"), {}).evaluation.overall.photos == 4);
  }
  Server empty;
  empty.photos.photos.clear();
  const RunSummary summary = resume(empty.request(empty.features(), "device.safetensors"), {});
  CHECK(summary.evaluation.general.photos == 0);
  CHECK(summary.evaluation.personal.photos == 1);
}

TEST_CASE("a device that does not hold all activations trains to the same weights") {
  const Server server;
  const std::unique_ptr<CutBundle> cut = cut_bundle(server.features(), server.model, "bundle");
  const FeatureSet set = feature_set(cut->features, server.checkpoint.class_names);
  std::vector<std::uint32_t> items(12);
  for (std::uint32_t i = 0; i < 12; ++i) items[i] = i;
  TrainSettings settings = short_settings();
  settings.variants = kVariants;
  std::vector<std::vector<float>> results;
  std::size_t all = 0;
  for (const bool resident : {true, false}) {
    const std::size_t memory = resident ? std::size_t{1} << 30 : all;
    LimitedBackend backend(make_backend("cpu", 1), std::size_t{1} << 30);
    Network network(backend, cut->cut.upper, server.checkpoint.class_names);
    network.load(cut->upper, "server");
    FeatureSource source(backend, set);
    TrainerOptions options;
    options.memory_budget = memory;
    Trainer trainer(network, source, items, settings, options);
    CHECK(trainer.memory().photos_resident == resident);
    all = trainer.memory().total() - 1;
    for (int i = 0; i < 5; ++i) trainer.step();
    results.emplace_back(network.layout().count());
    backend.copy_to_host(results.back().data(), network.parameters(), results.back().size() * sizeof(float));
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("the emulated GPU trains on features as the CPU does, recorded or op by op") {
  const Server server;
  const std::unique_ptr<CutBundle> cut = cut_bundle(server.features(), server.model, "bundle");
  const FeatureSet set = feature_set(cut->features, server.checkpoint.class_names);
  std::unique_ptr<Backend> simt;
  try {
    simt = make_backend("simt", 1);
  } catch (const Error& error) {
    MESSAGE("skipped: " << error.what());
    return;
  }
  const std::unique_ptr<Backend> cpu = make_backend("cpu", 1);
  TrainSettings settings = short_settings();
  settings.variants = kVariants;
  settings.optimizer.lr = 0.002f;  // as in simt_training_test.cpp: small enough that rounding flips no ReLU
  const auto losses = [&](Backend& backend, bool graph) {
    Network network(backend, cut->cut.upper, server.checkpoint.class_names);
    network.load(cut->upper, "server");
    FeatureSource source(backend, set);
    Trainer trainer(network, source, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, settings, {DType::f32, 0, graph});
    std::vector<double> result;
    for (int i = 0; i < 5; ++i) result.push_back(trainer.step().loss);
    return result;
  };
  const std::vector<double> wanted = losses(*cpu, true), recorded = losses(*simt, true);
  CHECK(recorded == losses(*simt, false));
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(std::fabs(recorded[i] - wanted[i]) <= 1e-4 * wanted[i]);
}

TEST_CASE("samples of another shape than the model reads are refused before anything is computed") {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  const PhotoSet photos = make_photos(2, 3);
  PhotoStoreOptions options;
  options.preprocessing = default_preprocessing(32);
  const PhotoStore store(photos.photos, photos.labels, options);
  PhotoSource source(*backend, store);
  Network network(*backend, parse_model(model_json(kLayers, 16), "tiny"), photos.class_names);
  network.initialise(1);
  expect_parts(error_of([&] {
                 Trainer(network, source, {0, 1}, short_settings(), {});
               }),
               {"training", "32x32x3", "16x16x3"});
  expect_parts(error_of([&] { Inference(network, 1).run(source, {0}); }), {"inference", "32x32x3", "16x16x3"});
}

/// What resume says to a bundle whose features `change` has spoilt.
template <typename Change>
std::string refusal(const Server& server, Change&& change) {
  Bundle bundle = server.features();
  change(bundle, bundle.tensors.at(kActivationsName));
  return error_of([&] { resume(server.request(bundle, "out.safetensors"), {}); });
}

NamedTensor& array(SafetensorsFile& file, const std::string& name) {
  for (NamedTensor& tensor : file.tensors)
    if (tensor.name == name) return tensor;
  FAIL("no array ", name);
  return file.tensors[0];
}

void set_float(NamedTensor& tensor, std::size_t index, float value) {
  std::memcpy(tensor.data.data() + index * sizeof value, &value, sizeof value);
}

TEST_CASE("features of another model or of other weights are refused with both digests") {
  const Server server;
  expect_parts(
      refusal(server, [](Bundle&, SafetensorsFile& file) { file.metadata["model_sha256"] = std::string(64, 'a'); }),
      {"handover.tar: activations", "model", "aaaa", "checkpoint's"});
  expect_parts(
      refusal(server, [](Bundle& bundle, SafetensorsFile&) { set_float(bundle.checkpoint.parameters[0], 0, 7.0f); }),
      {"weights below out1", "digest"});
  // Other weights above the cut are fine: the activations do not depend on them.
  Bundle bundle = server.features();
  for (NamedTensor& tensor : bundle.checkpoint.parameters)
    if (tensor.name == "head.bias") set_float(tensor, 0, 0.1f);
  CHECK_FALSE(resume(server.request(bundle, "ok.safetensors"), {}).stopped);
}

TEST_CASE("hostile arrays of features are refused by name, and leave no file behind") {
  const Server server;
  using File = SafetensorsFile;
  const auto expect = [&](const std::vector<std::string>& parts, auto&& change) {
    expect_parts(refusal(server, [&](Bundle&, File& file) { change(file); }), parts);
  };
  expect({"no such layer", "nowhere"}, [](File& f) { f.metadata["layer"] = "nowhere"; });
  expect({"head", "nothing would be left"}, [](File& f) { f.metadata["layer"] = "head"; });
  expect({"7x7x6", "out2", "5x5x5"}, [](File& f) { f.metadata["layer"] = "out2"; });
  for (const char* variants : {"0", "-1", "4", "10001", "99999999999999999999", "", "x", "3.0"}) {
    CAPTURE(variants);
    expect_parts(refusal(server, [&](Bundle&, File& f) { f.metadata["variants"] = variants; }),
                 {"activations", "expected"});
  }
  for (const char* missing : {"layer", "variants", "model_sha256", "lower_sha256", "train_files", "test_files"})
    expect({"has no", missing}, [&](File& f) { f.metadata.erase(missing); });
  for (const char* missing : {"train", "test", "scale", "offset"})
    expect({"has no array", missing}, [&](File& f) { array(f, missing).name = "other"; });
  expect({"5 arrays"}, [](File& f) { f.tensors.push_back(make_tensor("more", {0}, nullptr)); });
}

TEST_CASE("features with bad numbers, names or extents are refused by name") {
  const Server server;
  using File = SafetensorsFile;
  const auto expect = [&](const std::vector<std::string>& parts, auto&& change) {
    expect_parts(refusal(server, [&](Bundle&, File& file) { change(file); }), parts);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, infinity, -1.0f, 3e38f}) {
    CAPTURE(bad);
    expect({"channel 2", "scale", "finite"}, [&](File& f) { set_float(array(f, "scale"), 2, bad); });
  }
  for (const float bad : {nan, infinity, -infinity})
    expect({"channel 5", "offset", "finite"}, [&](File& f) { set_float(array(f, "offset"), 5, bad); });
  expect({"array scale", "f32 of 1"}, [](File& f) {
    array(f, "scale").dtype = DType::u8;
    array(f, "scale").data.resize(6);
  });
  expect({"scale", "5 entries", "6 expected"}, [](File& f) {
    array(f, "scale").shape = {5};
    array(f, "scale").data.resize(20);
  });
  expect({"array test", "u8 of 4"}, [](File& f) { array(f, "test").shape = {3, 7 * 7 * 6}; });
  expect({"array train", "12x3x7x6x7", "7x7x6"}, [](File& f) { array(f, "train").shape = {12, 3, 7, 6, 7}; });
  expect({"train_files", "12 names", "11 photos"}, [](File& f) {
    array(f, "train").shape[0] = 11;
    array(f, "train").data.resize(11 * 3 * 7 * 7 * 6);
  });
  expect({"train_files", "invalid JSON"}, [](File& f) { f.metadata["train_files"] = "{"; });
  expect({"test_files", "is 1, a text expected"}, [](File& f) { f.metadata["test_files"] = "[1, 2, 3]"; });
  expect({"stranger", "3 people"},
         [](File& f) { f.metadata["test_files"] = R"(["p0/x.png", "p1/y.png", "stranger/1.png"])"; });
  expect({"p1/x.png", "twice"}, [](File& f) { f.metadata["test_files"] = R"(["p0/y.png", "p1/x.png", "p1/x.png"])"; });
  for (const char* name : {"p0", "p0/", "/x", "p0/../x", "p0/a/b", "p0/\\n", "../x"}) {
    CAPTURE(name);
    expect_parts(refusal(server,
                         [&](Bundle&, File& f) {
                           f.metadata["test_files"] = std::string("[\"p0/x.png\", \"p1/y.png\", \"") + name + "\"]";
                         }),
                 {"test_files"});
  }
  CHECK_FALSE(std::ifstream(server.folder / "out.safetensors").good());
}

TEST_CASE("photos beside features, another number of variants and another bundle's interrupted run are refused") {
  const Server server;
  expect_parts(refusal(server, [&](Bundle& bundle, SafetensorsFile&) { bundle.photos = server.photos.photos; }),
               {"15 photos", "one of both"});
  const Bundle bundle = server.features();
  HandoverRequest request = server.request(bundle, "out.safetensors");
  set_overrides(request, R"({"epochs": 1, "variants": 5})");
  expect_parts(error_of([&] { resume(request, {}); }), {"3 variants", "5", "--augment"});
  request = server.request(server.photos, "photos.safetensors");
  set_overrides(request, R"({"epochs": 1, "freeze_until": ""})");  // trains below the cut, too
  resume(request, {});
  request = server.request(bundle, "out.safetensors");
  request.continue_from = server.folder / "photos.safetensors";
  expect_parts(error_of([&] { resume(request, {}); }), {"photos.safetensors", "below out1"});
  for (const std::uint32_t variants : {0u, 10001u}) {
    Bundle photos = server.photos;
    const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
    expect_parts(error_of([&] {
                   pack_features(photos, *backend, {"out1", variants, 1}, "server", {});
                 }),
                 {"variants", "1 to 10000"});
  }
  CHECK_FALSE(std::ifstream(server.folder / "out.safetensors").good());
}

}  // namespace
}  // namespace tsugi::test
