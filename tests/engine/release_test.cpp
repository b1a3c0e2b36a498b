// A server's next release: the map between features, and personal people who are carried over by it or by their photos.
#include "engine/handover/release.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "engine/core/input_file.h"
#include "engine/core/text.h"
#include "engine/handover/make_bundle.h"
#include "engine/handover/personal_people.h"
#include "tests/engine/overrides.h"
#include "tests/engine/small_server.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

TEST_CASE("a map of features is the linear one where there is one, and as near as lines come where not") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  constexpr std::size_t kFrom = 5, kTo = 3, kSamples = 400;
  std::vector<float> old(kSamples * kFrom), weights(kTo * kFrom), now;
  fill_normal(seed, 0, 1.0f, old.data(), old.size());
  fill_normal(seed, 1, 1.0f, weights.data(), weights.size());
  for (std::size_t sample = 0; sample < kSamples; ++sample)
    for (std::size_t i = 0; i < kTo; ++i) {
      float value = 2.0f + static_cast<float>(i);
      for (std::size_t j = 0; j < kFrom; ++j) value += weights[i * kFrom + j] * old[sample * kFrom + j];
      now.push_back(value);
    }
  const FeatureMap map = fit_feature_map(old, kFrom, now, kTo);
  const std::vector<float> mapped = map.apply(old);
  REQUIRE(mapped.size() == now.size());
  double squares = 0.0, all = 0.0, mean = 0.0;
  for (std::size_t i = 0; i < now.size(); ++i) mean += static_cast<double>(now[i]) / static_cast<double>(now.size());
  for (std::size_t i = 0; i < now.size(); ++i) {
    squares += std::pow(static_cast<double>(now[i] - mapped[i]), 2.0);
    all += std::pow(static_cast<double>(now[i]) - mean, 2.0);
  }
  CHECK(squares < 1e-3 * all);  // what the ridge takes: its hundredth, squared
  // Of what does not depend on the old features the mean is left.
  std::vector<float> noise(kSamples);
  fill_normal(seed, 2, 1.0f, noise.data(), noise.size());
  const FeatureMap none = fit_feature_map(old, kFrom, noise, 1);
  for (const float weight : none.matrix) CHECK(std::abs(weight) < 0.3f);  // six standard errors
  CHECK_THROWS_AS(fit_feature_map({}, kFrom, {}, kTo), Error);
  CHECK_THROWS_AS(fit_feature_map({1, 2, 3}, 2, {1}, 1), Error);
  CHECK_THROWS_AS(fit_feature_map({1, NAN}, 2, {1}, 1), Error);
  for (const float value : fit_feature_map({1, 1}, 1, {2, 2}, 1).matrix) CHECK(std::isfinite(value));  // no variance
}

/// A server's first release and its device with p3, p4; a second release, which trained on, whose bundle knows the way.
struct TwoReleases : SmallServer {
  TwoReleases() : SmallServer(kTinyLayers) {
    write_photos(make_photos(1, 5, 4), folder / "personal");
    PretrainRequest more = pretraining("second.safetensors");
    more.continue_from = folder / "server.safetensors";
    set_overrides(more, R"({"epochs": 5})");
    pretrain(more, {});
    pack("server.safetensors", "", "first.tar");
    pack("second.safetensors", "server.safetensors", "second.tar");
    hand_over("first.tar", "personal", "", "device");
  }

  void pack(const std::string& of, const std::string& previous, const std::string& to) const {
    BundleRequest request;
    request.output = folder / to;
    request.fraction = 0.0;
    if (!previous.empty()) request.previous = folder / previous;
    BundleSource source;
    source.checkpoint = folder / of;
    source.photos = folder / "general";
    source.device = "cpu";
    source.threads = 1;
    make_bundle(source, request, {});
  }

  RunSummary hand_over(const std::string& bundle, const std::string& people, const std::string& from,
                       const std::string& to, const std::string& overrides = "{}") const {
    HandoverRequest request = SmallServer::request(folder / bundle, to);
    request.keep = Keep::better;
    request.personal = people.empty() ? "" : folder / people;
    request.from = from.empty() ? "" : folder / from;
    request.train.overrides = {};
    set_overrides(request, overrides);
    return resume(request, {});
  }

  PeopleStatistics known(const std::string& file) const {
    const Checkpoint read = read_checkpoint(folder / file);
    return *read_people(read, parse_model(read.model, file), file);
  }
};

TEST_CASE("people with their photos are carried over as if the release were the first") {
  const TwoReleases server;
  server.hand_over("second.tar", "personal", "", "anew");
  server.hand_over("second.tar", "personal", "device", "carried");
  CHECK(read_file(server.folder / "anew") == read_file(server.folder / "carried"));
}

TEST_CASE("people without photos are carried over by the map, and live on as all do") {
  const TwoReleases server;
  const RunSummary summary = server.hand_over("second.tar", "", "device", "carried");
  CHECK(summary.progress.step == 0);
  CHECK(summary.evaluation.general.photos == 3);
  CHECK(summary.evaluation.personal.photos == 0);
  const Checkpoint carried = read_checkpoint(server.folder / "carried"),
                   device = read_checkpoint(server.folder / "device");
  CHECK(carried.class_names == device.class_names);
  CHECK(carried.personal_classes == device.personal_classes);
  CHECK(carried.people_photos == device.people_photos);
  for (const std::string& photo : device.train_photos) CHECK(contains(carried.train_photos, photo));
  const PeopleStatistics before = server.known("device"), after = server.known("carried");
  REQUIRE(after.personal.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(after.personal[i].digests == before.personal[i].digests);
    CHECK(after.personal[i].features != before.personal[i].features);
  }
  // One with photos and one without: the former as with photos alone, the latter as without.
  server.hand_over("second.tar", "personal/p4", "device", "mixed");
  server.hand_over("second.tar", "personal/p4", "", "p4");
  const PeopleStatistics mixed = server.known("mixed"), p4 = server.known("p4");
  CHECK(mixed.personal[0].features == after.personal[0].features);
  CHECK(mixed.personal[1].features == p4.personal[0].features);
  // Who is forgotten before or after leaves the same.
  Checkpoint left = read_checkpoint(server.folder / "carried");
  forget_people(left, {"p3"}, "carried");
  write_checkpoint(server.folder / "left", left, left.kind);
  Checkpoint one = device;
  forget_people(one, {"p3"}, "device");
  write_checkpoint(server.folder / "one", one, one.kind);
  server.hand_over("second.tar", "", "one", "carried-one");
  CHECK(read_file(server.folder / "left") == read_file(server.folder / "carried-one"));
}

TEST_CASE("what cannot be carried over is refused with both names") {
  const TwoReleases server;
  const auto refusal = [&](const std::string& bundle, const std::string& people, const std::string& from) {
    return error_of([&] { server.hand_over(bundle, people, from, "out"); });
  };
  expect_parts(refusal("first.tar", "", "device"), {"first.tar", "--previous", "p3", "device"});
  expect_parts(refusal("second.tar", "", "server.safetensors"), {"server.safetensors", "no statistics", "second.tar"});
  expect_parts(refusal("device", "", "device"), {"device", "no release"});
  server.hand_over("second.tar", "", "device", "carried");
  expect_parts(refusal("second.tar", "", "carried"), {"carried", "digest", "second.tar", "the same release"});
  Bundle knows = read_bundle(server.folder / "second.tar");
  knows.checkpoint.class_names[1] = "p3";
  const Checkpoint device = read_checkpoint(server.folder / "device");
  expect_parts(error_of([&] { carried_people(device, "device", knows, 6, "second.tar", {}); }),
               {"device", "p3", "among the 3 people of second.tar"});
  server.hand_over("first.tar", "personal/p4", "", "p4");
  Checkpoint none = read_checkpoint(server.folder / "p4");
  forget_people(none, {"p4"}, "p4");
  write_checkpoint(server.folder / "none", none, none.kind);
  expect_parts(refusal("second.tar", "", "none"), {"none", "no personal people"});
  CHECK_FALSE(std::filesystem::exists(server.folder / "out"));
}

TEST_CASE("a map of a strange file is refused by name") {
  const TwoReleases server;
  const Bundle bundle = read_bundle(server.folder / "second.tar");
  const std::size_t width = server.known("device").width;
  REQUIRE(read_feature_map(bundle, width, "b.tar").has_value());
  const auto refusal = [&](const auto& change) {
    Bundle changed = bundle;
    change(changed.tensors.at(kPreviousName));
    return error_of([&] { read_feature_map(changed, width, "b.tar"); });
  };
  expect_parts(refusal([](SafetensorsFile& f) { f.tensors.pop_back(); }), {"b.tar: previous", "no array"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 f.tensors.push_back(f.tensors[0]);
                 f.tensors.back().name = "more";
               }),
               {"3 arrays", "2 expected"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 for (NamedTensor& t : f.tensors) std::swap(t.shape.front(), t.shape.back());
                 for (NamedTensor& t : f.tensors) t.shape.push_back(1);
               }),
               {"dimensions"});
  expect_parts(refusal([](SafetensorsFile& f) {
                 const float nan = NAN;
                 std::memcpy(f.tensors[0].data.data(), &nan, sizeof nan);
               }),
               {"b.tar: previous", "nan"});
  expect_parts(refusal([](SafetensorsFile& f) { f.metadata["weights"] = "x"; }), {"digest", "64 hex"});
}

}  // namespace
}  // namespace tsugi::test
