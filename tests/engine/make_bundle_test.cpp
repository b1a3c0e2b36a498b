// Bundles as the server makes them: which photos, what is known of them, and what must never leave.
#include "engine/handover/make_bundle.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/handover/handover.h"
#include "tests/engine/overrides.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr SubsetStrategy kAll[] = {SubsetStrategy::stratified, SubsetStrategy::random, SubsetStrategy::herding,
                                   SubsetStrategy::k_center, SubsetStrategy::typical};

/// A checkpoint trained on three people of six photos each: five for training.
struct Server {
  ScratchFolder folder;
  BundleSource source;

  Server() {
    write_photos(make_photos(3, 6), folder / "people");
    std::ofstream(folder / "tiny.json") << model_json(kTinyLayers, 16);
    PretrainRequest request = pretraining("server.safetensors");
    request.photos = folder / "people";
    request.model = folder / "tiny.json";
    pretrain(request, {});
    source.checkpoint = folder / "server.safetensors";
    source.photos = folder / "people";
    source.device = "cpu";
    source.threads = 1;
  }

  PretrainRequest pretraining(const std::string& output) const {
    PretrainRequest request;
    request.train.precision = "fp32";
    request.train.threads = 1;
    set_overrides(request, R"({"epochs": 2, "batch": 6, "variants": 2})");
    request.train.run.output = folder / output;
    return request;
  }

  BundleRequest request(double fraction, SubsetStrategy strategy = SubsetStrategy::stratified) const {
    BundleRequest request;
    request.output = folder / "out.tar";
    request.fraction = fraction;
    request.strategy = strategy;
    return request;
  }

  Bundle bundle(const BundleRequest& request) const {
    make_bundle(source, request, {});
    return read_bundle(request.output);
  }
};

Model model_of(const Bundle& bundle) { return parse_model(bundle.checkpoint.model, "bundle"); }

/// The bundle's training photos as the device sees them.
PhotoStore training_photos(const Bundle& bundle, const Preprocessing& preprocessing) {
  PhotoFolder folder;
  for (const BundlePhoto& photo : bundle.photos) {
    if (photo.test) continue;
    folder.photos.push_back({photo.class_name, photo.class_name + "/" + photo.file, "", photo.bytes});
    const auto& names = bundle.checkpoint.class_names;
    folder.labels.push_back(static_cast<int>(std::find(names.begin(), names.end(), photo.class_name) - names.begin()));
  }
  return load_photos(folder, preprocessing, 1, {});
}

std::vector<std::uint32_t> all_of(const PhotoStore& store) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < store.size(); ++i) all.push_back(i);
  return all;
}

std::vector<std::string> training_files(const Bundle& bundle) {
  std::vector<std::string> files;
  for (const BundlePhoto& photo : bundle.photos)
    if (!photo.test) files.push_back(photo.class_name + "/" + photo.file);
  return files;
}

TEST_CASE("inference gives logits, and variants of photos as training draws them") {
  const Server server;
  const CheckpointSession session(server.source.checkpoint, "cpu", 1, nullptr);
  const PhotoStore store = training_photos(server.bundle(server.request(1.0)), session.preprocessing);
  const PhotoSource source(*session.backend, store);
  Inference inference(*session.network, 4);  // 15 photos: the last batch is not full
  InferenceOptions options;
  options.logits = options.features = true;
  const Predictions plain = inference.run(source, all_of(store), options);
  REQUIRE(plain.logits.size() == store.size() * 3);
  for (std::size_t i = 0; i < store.size(); ++i) {
    double sum = 0.0;
    for (std::size_t c = 0; c < 3; ++c) sum += std::exp(static_cast<double>(plain.logits[i * 3 + c]));
    for (std::size_t c = 0; c < 3; ++c)
      CHECK(plain.probabilities[i * 3 + c] ==
            doctest::Approx(std::exp(static_cast<double>(plain.logits[i * 3 + c])) / sum).epsilon(1e-5));
  }
  options.variants = 4;
  CHECK(inference.run(source, all_of(store), options).features == plain.features);  // variant 0 is the photo itself
  options.variant = 2;
  const Predictions drawn = inference.run(source, all_of(store), options);
  CHECK(drawn.features != plain.features);
  CHECK(inference.run(source, all_of(store), options).features == drawn.features);
  options.seed = 9;
  CHECK(inference.run(source, all_of(store), options).features != drawn.features);
}

TEST_CASE(
    "a bundle knows the checkpoint's logits of its photos, in their order, and the statistics of all of the server's") {
  const Server server;
  const Bundle bundle = server.bundle(server.request(0.6));
  const std::optional<PeopleStatistics> knowledge = read_people_statistics(bundle, model_of(bundle), "out.tar");
  REQUIRE(knowledge.has_value());
  REQUIRE(knowledge->width == 6);

  const CheckpointSession session(server.source.checkpoint, "cpu", 1, nullptr);
  const PhotoStore sent = training_photos(bundle, session.preprocessing);
  REQUIRE(sent.size() == 9);
  const PhotoSource sent_source(*session.backend, sent);
  Inference inference(*session.network, 5);
  InferenceOptions options;
  options.logits = true;
  const Predictions predictions = inference.run(sent_source, all_of(sent), options);
  REQUIRE(knowledge->logits.size() == predictions.logits.size());
  for (std::size_t i = 0; i < predictions.logits.size(); ++i)  // float16: 11 bits
    CHECK(std::abs(knowledge->logits[i] - predictions.logits[i]) <=
          0x1p-11f * std::max(0.1f, std::abs(predictions.logits[i])) + 1e-5f);

  // The same statistics from all training photos, photo by photo: the photo itself and three draws.
  const PhotoStore all = training_photos(server.bundle(server.request(1.0)), session.preprocessing);
  REQUIRE(all.size() == 15);
  const PhotoSource all_source(*session.backend, all);
  options.features = true;
  options.strength = session.settings.augment;
  options.seed = session.settings.seed;
  options.variants = 4;
  std::vector<double> mean(18, 0.0), products(36, 0.0);
  std::vector<std::vector<float>> looks;
  for (options.variant = 0; options.variant < 4; ++options.variant)
    looks.push_back(inference.run(all_source, all_of(all), options).features);
  for (const auto& look : looks)
    for (std::size_t i = 0; i < 15; ++i)
      for (std::size_t j = 0; j < 6; ++j)
        mean[static_cast<std::size_t>(all.label(i)) * 6 + j] += static_cast<double>(look[i * 6 + j]) / 20.0;
  for (const auto& look : looks)
    for (std::size_t i = 0; i < 15; ++i) {
      const double* m = &mean[static_cast<std::size_t>(all.label(i)) * 6];
      for (std::size_t j = 0; j < 6; ++j)
        for (std::size_t k = 0; k < 6; ++k)
          products[j * 6 + k] +=
              (static_cast<double>(look[i * 6 + j]) - m[j]) * (static_cast<double>(look[i * 6 + k]) - m[k]) / 57.0;
    }
  CHECK(knowledge->held_out_photos == 3.0f);
  const std::vector<float>& scores = knowledge->held_out_scores;
  REQUIRE(scores.size() == kScoreQuantiles);
  CHECK(std::is_sorted(scores.begin(), scores.end()));
  CHECK(knowledge->feature_count == std::vector<float>{20, 20, 20});
  for (std::size_t i = 0; i < 18; ++i) CHECK(knowledge->feature_mean[i] == doctest::Approx(mean[i]).epsilon(1e-4));
  for (std::size_t i = 0; i < 36; ++i)
    CHECK(std::abs(knowledge->feature_covariance[i] - products[i]) <= 1e-4 * (1.0 + std::abs(products[i])));
}

TEST_CASE("without a single photo a bundle knows as much of everyone's features") {
  const Server server;
  const Bundle none = server.bundle(server.request(0.0)), all = server.bundle(server.request(1.0));
  CHECK(training_files(none).empty());
  const PeopleStatistics of_none = *read_people_statistics(none, model_of(none), "out.tar"),
                         of_all = *read_people_statistics(all, model_of(all), "out.tar");
  CHECK(of_none.logits.empty());
  CHECK(of_all.logits.size() == 45);
  CHECK(of_none.feature_mean == of_all.feature_mean);
  CHECK(of_none.feature_covariance == of_all.feature_covariance);
  BundleRequest request = server.request(0.0);
  request.knowledge = false;
  CHECK(server.bundle(request).tensors.empty());
}

TEST_CASE("photos are chosen by the checkpoint's own features of the training photos") {
  const Server server;
  const CheckpointSession session(server.source.checkpoint, "cpu", 1, nullptr);
  const PhotoStore all = training_photos(server.bundle(server.request(1.0)), session.preprocessing);
  const PhotoSource source(*session.backend, all);
  Inference inference(*session.network, 64);
  InferenceOptions with_features;
  with_features.features = true;
  const std::vector<float> features = inference.run(source, all_of(all), with_features).features;
  std::vector<std::vector<std::string>> choices;
  for (const SubsetStrategy strategy : kAll) {
    CAPTURE(name_of(strategy));
    BundleRequest request = server.request(0.4, strategy);
    request.knowledge = strategy != SubsetStrategy::herding;  // features are there without knowledge, too
    const Bundle bundle = server.bundle(request);
    CHECK(bundle.strategy == name_of(strategy));
    std::vector<std::string> expected;
    for (const std::size_t i : choose_subset(all.labels(), 0.4, strategy, 1, features))
      expected.push_back(all.photo(i).file);
    CHECK(training_files(bundle) == expected);
    choices.push_back(expected);
  }
  CHECK(choices[2] != choices[4]);  // on these photos herding and typical differ: the test can tell them apart
  CHECK(choices[3] != choices[4]);
}

TEST_CASE("many bundles of one maker are those of as many makers, byte for byte") {
  const Server server;
  BundleMaker maker(server.source, {});
  for (const SubsetStrategy strategy : kAll)
    for (const double fraction : {0.0, 0.2, 1.0}) {
      BundleRequest one = server.request(fraction, strategy), other = one;
      one.output = server.folder / "one.tar";
      const MadeBundle made = maker.make(one);
      make_bundle(server.source, other, {});
      CHECK(read_file(one.output) == read_file(other.output));
      CHECK(made.training_photos == 15);
      CHECK(made.written.photos == static_cast<std::size_t>(std::lround(fraction * 15)));
      CHECK(made.written.test_photos == 3);
      CHECK(made.knowledge_bytes > 0);
      CHECK(made.written.bytes == std::filesystem::file_size(one.output));
    }
}

TEST_CASE("a photo that cannot be read is reported and not sent") {
  const Server server;
  const std::string victim = training_files(server.bundle(server.request(1.0))).front();
  for (int i = 0; i < 30; ++i)  // one of more than 20: fewer broken ones than 5 % are put up with
    std::filesystem::copy_file(server.folder / "people/p1/1.png",
                               server.folder / ("people/p1/more" + std::to_string(i) + ".png"));
  std::ofstream(server.folder / ("people/" + victim)) << "no photo";
  for (const bool knowledge : {true, false}) {
    std::string said;
    RunObserver observer;
    observer.say = [&](const std::string& line) { said += line + "\n"; };
    BundleRequest request = server.request(1.0);
    request.knowledge = knowledge;
    make_bundle(server.source, request, observer);
    expect_parts(said, {"skipped broken photo " + victim});
    const std::vector<std::string> files = training_files(read_bundle(request.output));
    CHECK(std::count(files.begin(), files.end(), victim) == 0);
    CHECK(files.size() > 20);
  }
}

TEST_CASE("what a bundle cannot be made of is refused before a file is written") {
  const Server server;
  BundleRequest request = server.request(1.5);
  expect_parts(error_of([&] { make_bundle(server.source, request, {}); }), {"fraction is 1.5"});
  request = server.request(0.5);
  RunObserver stopping;
  stopping.should_stop = [] { return true; };
  expect_parts(error_of([&] { make_bundle(server.source, request, stopping); }), {"stopped"});
  request.output = server.folder / "missing/out.tar";
  expect_parts(error_of([&] { make_bundle(server.source, request, {}); }), {"missing/out.tar"});
  BundleSource strangers = server.source;
  strangers.photos = server.folder / "strangers";
  write_photos(make_photos(1, 3, 8), strangers.photos);
  expect_parts(error_of([&] { make_bundle(strangers, server.request(0.5), {}); }), {"strangers", "p8", "3 people"});
  CHECK_FALSE(std::filesystem::exists(server.folder / "out.tar"));
}

TEST_CASE("people whom the checkpoint does not know can be left out, but none that it knows") {
  const Server server;
  BundleSource source = server.source;
  make_bundle(source, server.request(1.0), {});
  const std::vector<std::uint8_t> before = read_file(server.folder / "out.tar");
  write_photos(make_photos(2, 3, 8), server.folder / "people");
  source.only_known_people = true;
  make_bundle(source, server.request(1.0), {});
  CHECK(read_file(server.folder / "out.tar") == before);
  std::filesystem::remove_all(server.folder / "people/p1");
  expect_parts(error_of([&] { make_bundle(source, server.request(1.0), {}); }), {"people", "p1"});
}

/// Every way in which a checkpoint that knows a person goes on, each from the one before it.
TEST_CASE("no checkpoint that personal photos taught is bundled, whatever became of it since") {
  const Server server;
  make_bundle(server.source, server.request(1.0), {});
  write_photos(make_photos(2, 4, 3), server.folder / "personal");
  HandoverRequest handover;
  handover.train = server.pretraining("device.safetensors").train;
  handover.bundle = server.folder / "out.tar";
  handover.personal = server.folder / "personal/p3";
  int taken = 0;
  RunObserver twice;
  twice.should_stop = [&] { return ++taken == 2; };
  CHECK(resume(handover, twice).stopped);
  write_photos(make_photos(1, 4, 3), server.folder / "people");  // bundle must not fail for want of photos

  const auto refused = [&](const std::string& name, const std::vector<std::string>& people) {
    CAPTURE(name);
    CHECK(read_checkpoint(server.folder / name).personal_classes == people);
    BundleSource source = server.source;
    source.checkpoint = server.folder / name;
    for (const bool knowledge : {true, false}) {
      BundleRequest request = server.request(0.0);
      request.output = server.folder / "leak.tar";
      request.test_photos = request.knowledge = knowledge;
      std::vector<std::string> parts = people;
      parts.push_back(name);
      parts.push_back("personal");
      expect_parts(error_of([&] { make_bundle(source, request, {}); }), parts);
    }
    CHECK_FALSE(std::filesystem::exists(server.folder / "leak.tar"));
  };
  refused("device.safetensors", {"p3"});  // stopped in the middle

  handover.continue_from = server.folder / "device.safetensors";
  handover.train.run.output = server.folder / "continued.safetensors";
  CHECK_FALSE(resume(handover, {}).stopped);
  refused("continued.safetensors", {"p3"});

  for (const auto kind : {CheckpointKind::fp16, CheckpointKind::int8}) {
    write_checkpoint(server.folder / "compact.safetensors", read_checkpoint(server.folder / "continued.safetensors"),
                     kind);
    refused("compact.safetensors", {"p3"});
    write_checkpoint(server.folder / "full.safetensors", read_checkpoint(server.folder / "compact.safetensors"),
                     CheckpointKind::full);
    refused("full.safetensors", {"p3"});
  }

  PretrainRequest on = server.pretraining("trained.safetensors");  // on general people only
  on.photos = server.folder / "people";
  std::filesystem::remove_all(server.folder / "people/p3");
  on.continue_from = server.folder / "compact.safetensors";
  on.allow_missing_people = true;
  set_overrides(on, R"({"epochs": 3, "batch": 6, "variants": 2})");
  pretrain(on, {});
  refused("trained.safetensors", {"p3"});

  // A second device takes over from the first: no command packs such a bundle, but a hand-made one must not wash
  // anything off.
  Bundle passed_on;
  passed_on.checkpoint = read_checkpoint(server.folder / "trained.safetensors");
  passed_on.strategy = "stratified";
  write_bundle(server.folder / "passed.tar", passed_on);
  handover.continue_from.clear();
  handover.bundle = server.folder / "passed.tar";
  handover.personal = server.folder / "personal/p4";
  handover.train.run.output = server.folder / "second.safetensors";
  resume(handover, {});
  refused("second.safetensors", {"p3", "p4"});
}

TEST_CASE("a device that trained alone on personal photos keeps every one of its personal people when it goes on") {
  const Server server;
  write_photos(make_photos(2, 4, 3), server.folder / "personal");
  PretrainRequest alone = server.pretraining("alone.safetensors");
  alone.photos = server.folder / "people";
  alone.model = server.folder / "tiny.json";
  alone.personal = server.folder / "personal";
  pretrain(alone, {});
  CHECK(read_checkpoint(server.folder / "alone.safetensors").personal_classes == std::vector<std::string>{"p3", "p4"});
  write_photos(make_photos(1, 4, 3), server.folder / "people");  // p3 passes for a general person now
  PretrainRequest on = server.pretraining("on.safetensors");
  on.photos = server.folder / "people";
  on.personal = server.folder / "personal/p4";
  on.continue_from = server.folder / "alone.safetensors";
  set_overrides(on, R"({"epochs": 3, "batch": 6, "variants": 2})");
  pretrain(on, {});
  BundleSource source = server.source;
  source.checkpoint = server.folder / "on.safetensors";
  expect_parts(error_of([&] { make_bundle(source, server.request(0.5), {}); }), {"on.safetensors", "p3", "p4"});
}

TEST_CASE("going on from a checkpoint that calls nobody personal does not make the personal people general") {
  const Server server;
  make_bundle(server.source, server.request(1.0), {});
  write_photos(make_photos(1, 4, 3), server.folder / "personal");
  HandoverRequest handover;
  handover.train = server.pretraining("device.safetensors").train;
  handover.bundle = server.folder / "out.tar";
  handover.personal = server.folder / "personal/p3";
  resume(handover, {});
  Checkpoint washed = read_checkpoint(server.folder / "device.safetensors");
  washed.personal_classes.clear();
  write_checkpoint(server.folder / "washed.safetensors", washed, CheckpointKind::full);
  handover.continue_from = server.folder / "washed.safetensors";
  set_overrides(handover, R"({"epochs": 3})");
  handover.train.run.output = server.folder / "again.safetensors";
  const RunSummary summary = resume(handover, {});
  CHECK(summary.personal == std::vector<bool>{false, false, false, true});
  CHECK(read_checkpoint(server.folder / "again.safetensors").personal_classes == std::vector<std::string>{"p3"});
}

TEST_CASE("a checkpoint whose list of personal people was edited is refused as damaged") {
  const Server server;
  make_bundle(server.source, server.request(1.0), {});
  write_photos(make_photos(1, 4, 3), server.folder / "personal");
  HandoverRequest handover;
  handover.train = server.pretraining("device.safetensors").train;
  handover.bundle = server.folder / "out.tar";
  handover.personal = server.folder / "personal/p3";
  resume(handover, {});
  const std::vector<std::uint8_t> bytes = read_file(server.folder / "device.safetensors");
  const std::string content(bytes.begin(), bytes.end());
  const std::string key = R"("personal_classes":"[\"p3\"]")";
  REQUIRE(content.find(key) != std::string::npos);
  // Of the same length: nobody, another person, and another key.
  for (const std::string& edited :
       {std::string(R"("personal_classes":"[]")") + std::string(6, ' '),
        std::string(R"("personal_classes":"[\"p1\"]")"), std::string(R"("personal_classez":"[\"p3\"]")")}) {
    REQUIRE(edited.size() == key.size());
    std::string changed = content;
    changed.replace(changed.find(key), key.size(), edited);
    write_file_atomically(server.folder / "edited.safetensors", changed);
    BundleSource source = server.source;
    source.checkpoint = server.folder / "edited.safetensors";
    expect_parts(error_of([&] { make_bundle(source, server.request(0.5), {}); }), {"edited.safetensors", "digest"});
  }
}

}  // namespace
}  // namespace tsugi::test
