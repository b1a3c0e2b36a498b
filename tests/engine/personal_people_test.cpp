// A checkpoint that lives without its bundle: people join and leave, and no trace of the way is left.
#include "engine/handover/personal_people.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/core/input_file.h"
#include "engine/core/text.h"
#include "engine/handover/known_people.h"
#include "engine/handover/make_bundle.h"
#include "tests/engine/overrides.h"
#include "tests/engine/small_server.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

/// A small server, its bundle without a training photo, and folders of people p3, p4, p5 of 6, 5, 4 photos.
struct Alive : SmallServer {
  const std::string bundle = folder / "handover.tar";

  Alive() : SmallServer(kTinyLayers) {
    BundleRequest request;
    request.output = bundle;
    request.fraction = 0.0;
    BundleSource source;
    source.checkpoint = folder / "server.safetensors";
    source.photos = folder / "general";
    source.device = "cpu";
    source.threads = 1;
    make_bundle(source, request, {});
    write_photos(make_photos(1, 5, 4), folder / "personal");
    write_photos(make_photos(1, 4, 5), folder / "personal");
  }

  /// Hands `from`, a bundle or a checkpoint, over to what is written as `to`.
  RunSummary add(const std::string& from, const std::string& people, const std::string& to,
                 const std::string& overrides = "{}", RunObserver observer = {}) const {
    HandoverRequest request = SmallServer::request(folder / from, to);
    request.keep = Keep::better;
    request.personal = folder / people;
    request.train.overrides = {};
    set_overrides(request, overrides);
    return resume(request, observer);
  }

  void forget(const std::string& from, const std::vector<std::string>& people, const std::string& to) const {
    Checkpoint left = read_checkpoint(folder / from);
    forget_people(left, people, from);
    write_checkpoint(folder / to, left, left.kind);
  }

  void expect_same(const std::string& a, const std::string& b) const {
    CAPTURE(a);
    CAPTURE(b);
    const Checkpoint one = read_checkpoint(folder / a), other = read_checkpoint(folder / b);
    CHECK(one.class_names == other.class_names);
    CHECK(one.personal_classes == other.personal_classes);
    CHECK(one.people_photos == other.people_photos);
    CHECK(one.train_photos == other.train_photos);
    CHECK(one.test_photos == other.test_photos);
    CHECK(one.settings == other.settings);
    CHECK(one.provenance == other.provenance);
    CHECK(read_file(folder / a) == read_file(folder / b));
  }
};

TEST_CASE("with no photo of the old people nothing is trained, and the checkpoint keeps everybody's statistics") {
  const Alive alive;
  std::string said;
  RunObserver observer;
  observer.say = [&](const std::string& line) { said += line + "\n"; };
  const RunSummary summary = alive.add("handover.tar", "personal/p3", "device", "{}", observer);
  CHECK(summary.progress.step == 0);
  expect_parts(said, {"each left out", "recognised", "--general-loss"});
  const Checkpoint device = read_checkpoint(alive.folder / "device"), server = alive.checkpoint;
  CHECK(device.class_names == std::vector<std::string>{"p0", "p1", "p2", "p3"});
  for (const NamedTensor& tensor : device.parameters)
    if (tensor.name.rfind("head.", 0) != 0) CHECK(tensor.data == find_tensor(server.parameters, tensor.name)->data);
  const std::optional<PeopleStatistics> known = read_people(device, parse_model(device.model, "device"), "device");
  REQUIRE(known.has_value());
  CHECK(known->classes == 3);
  CHECK(known->held_out_photos == 3.0f);
  REQUIRE(known->personal.size() == 1);
  CHECK(known->personal[0].digests.size() == 5);
  CHECK(device.moments.empty());
}

TEST_CASE("people who come one by one, in any order and without the bundle, leave what all at once leave") {
  const Alive alive;
  alive.add("handover.tar", "personal", "all");
  alive.add("handover.tar", "personal/p4", "one");
  std::filesystem::remove(alive.folder / "handover.tar");
  alive.add("one", "personal/p5", "two");
  alive.add("two", "personal/p3", "three");
  alive.expect_same("all", "three");
  alive.add("three", "personal/p4", "again");  // photos that it knows
  alive.expect_same("all", "again");
  CHECK(read_checkpoint(alive.folder / "all").class_names ==
        std::vector<std::string>{"p0", "p1", "p2", "p3", "p4", "p5"});
}

TEST_CASE("photos of a known person that come later leave what all of them at once leave") {
  const Alive alive;
  const std::string all = R"({"test_fraction": 0})";
  alive.add("handover.tar", "personal/p3", "whole", all);
  std::filesystem::create_directories(alive.folder / "later/p3");
  for (const char* name : {"1.png", "4.png"})
    std::filesystem::rename(alive.folder / ("personal/p3/" + std::string(name)),
                            alive.folder / ("later/p3/" + std::string(name)));
  alive.add("handover.tar", "personal/p3", "first", all);
  CHECK(read_file(alive.folder / "first") != read_file(alive.folder / "whole"));
  alive.add("first", "later/p3", "second");
  alive.expect_same("whole", "second");
}

TEST_CASE("who is forgotten leaves the checkpoint that never saw them, byte for byte") {
  const Alive alive;
  alive.add("handover.tar", "personal", "all");
  alive.add("handover.tar", "personal/p4", "p4");
  alive.forget("all", {"p3", "p5"}, "left");
  alive.expect_same("p4", "left");
  alive.forget("left", {"p4"}, "none");
  CHECK(read_checkpoint(alive.folder / "none").personal_classes.empty());
  alive.add("none", "personal/p4", "back");
  alive.expect_same("p4", "back");
}

TEST_CASE("a compact checkpoint lives on, too, and forgets as if it never had seen") {
  const Alive alive;
  alive.add("handover.tar", "personal/p4", "device");
  alive.add("device", "personal/p5", "two");
  for (const char* name : {"device", "two"})
    write_checkpoint(alive.folder / ("small-" + std::string(name)), read_checkpoint(alive.folder / name),
                     CheckpointKind::int8);
  alive.forget("small-two", {"p5"}, "left");
  alive.expect_same("small-device", "left");
  alive.add("small-device", "personal/p3", "both");
  CHECK(read_checkpoint(alive.folder / "both").class_names == std::vector<std::string>{"p0", "p1", "p2", "p3", "p4"});
}

TEST_CASE("photos that join move no other from training to test, nor back") {
  const Alive alive;
  const std::string half = R"({"test_fraction": 0.5})";
  alive.add("handover.tar", "personal/p3", "device", half);
  const Checkpoint before = read_checkpoint(alive.folder / "device");
  for (int more = 6; more < 10; ++more) {
    write_photos(make_photos(1, more + 1, 3), alive.folder / "more");
    std::filesystem::copy(alive.folder / ("more/p3/" + std::to_string(more) + ".png"), alive.folder / "personal/p3");
    alive.add("device", "personal/p3", "after", half);
    const Checkpoint after = read_checkpoint(alive.folder / "after");
    CHECK(after.train_photos.size() + after.test_photos.size() ==
          before.train_photos.size() + before.test_photos.size() + static_cast<std::size_t>(more) - 5);
    for (const std::string& photo : before.train_photos) CHECK(contains(after.train_photos, photo));
    for (const std::string& photo : before.test_photos) CHECK(contains(after.test_photos, photo));
  }
}

TEST_CASE("a hand-over that trains a living checkpoint goes on after a stop as if nothing had happened") {
  const Alive alive;
  const std::string trained = R"({"epochs": 2, "test_fraction": 0.3})";
  alive.add("handover.tar", "personal/p4", "device");
  alive.add("device", "personal/p3", "whole", trained);
  const Checkpoint whole = read_checkpoint(alive.folder / "whole");
  CHECK(whole.progress.step > 1);
  HandoverRequest request = alive.SmallServer::request(alive.folder / "device", "part");
  request.keep = Keep::better;
  request.personal = alive.folder / "personal/p3";
  set_overrides(request, trained);
  RunObserver observer;
  int taken = 0;
  observer.should_stop = [&] { return ++taken == 1; };
  resume(request, observer);
  CHECK(read_checkpoint(alive.folder / "part").progress.step == 1);
  request.continue_from = alive.folder / "part";
  request.train.run.output = alive.folder / "rest";
  resume(request, {});
  alive.expect_same("whole", "rest");
}

TEST_CASE("whatever epochs a living checkpoint's settings name, without old photos none is trained unless asked for") {
  const Alive alive;
  alive.add("handover.tar", "personal/p4", "device");
  Checkpoint edited = read_checkpoint(alive.folder / "device");
  nlohmann::json settings = nlohmann::json::parse(edited.settings);
  settings["epochs"] = 4;
  settings["freeze_until"] = "";
  edited.settings = settings.dump();
  write_checkpoint(alive.folder / "edited", edited, edited.kind);
  CHECK(alive.add("edited", "personal/p3", "both").progress.step == 0);
  CHECK_FALSE(read_checkpoint(alive.folder / "both").people.empty());
}

TEST_CASE("rows that were drawn leave no statistics, which would not hold everybody") {
  const Alive alive;
  HandoverRequest request = alive.SmallServer::request(alive.folder / "handover.tar", "drawn");
  request.personal = alive.folder / "personal/p3";
  request.new_row = NewRow::random;
  set_overrides(request, R"({"epochs": 0})");
  resume(request, {});
  const Checkpoint drawn = read_checkpoint(alive.folder / "drawn");
  CHECK(drawn.people.empty());
  CHECK(drawn.class_names.size() == 4);
}

TEST_CASE("who is known is told by a threshold that the setting moves, that is kept, and that older files lack") {
  const Alive alive;
  const auto threshold = [&](const Checkpoint& checkpoint, std::optional<double> accept = std::nullopt) {
    return known_people(checkpoint, parse_model(checkpoint.model, "c"), "c", accept).value().threshold();
  };
  alive.add("handover.tar", "personal", "usual");
  const Checkpoint usual = read_checkpoint(alive.folder / "usual");
  alive.add("handover.tar", "personal", "strict", R"({"accept": 0.5})");
  const Checkpoint strict = read_checkpoint(alive.folder / "strict");
  CHECK(threshold(strict).value() > threshold(usual).value());
  CHECK(threshold(usual, 0.5) == threshold(strict));
  alive.forget("strict", {"p3"}, "left");
  alive.add("left", "personal/p3", "again");
  alive.expect_same("strict", "again");
  write_checkpoint(alive.folder / "small", strict, CheckpointKind::int8);
  CHECK(threshold(read_checkpoint(alive.folder / "small")) == threshold(strict));

  Checkpoint older = strict;
  older.people.erase(older.people.begin() + 4);
  CHECK_FALSE(threshold(older).has_value());
  CHECK_FALSE(known_people(alive.checkpoint, parse_model(alive.checkpoint.model, "c"), "c").has_value());
  Checkpoint edited = strict;
  edited.settings = R"({"accept": 1.5})";
  expect_parts(error_of([&] { threshold(edited); }), {"accept", "1.5"});
}

TEST_CASE("what cannot be added to or forgotten is refused with the reason") {
  const Alive alive;
  alive.add("handover.tar", "personal/p4", "device");
  expect_parts(error_of([&] { alive.forget("device", {"p9"}, "out"); }), {"device", "p9", "p4"});
  expect_parts(error_of([&] { alive.forget("device", {"p0"}, "out"); }), {"device", "p0", "personal"});
  expect_parts(error_of([&] { alive.add("device", "general/p1", "out"); }), {"p1", "4 people"});
  expect_parts(error_of([&] { alive.add("server.safetensors", "personal/p3", "out"); }),
               {"server.safetensors", "no hand-over"});
  // Weights that learnt of photos hold what no statistics say.
  write_bundle(alive.folder / "photos.tar", alive.photos);
  HandoverRequest request = alive.request(alive.folder / "photos.tar", "trained");
  resume(request, {});
  CHECK(read_checkpoint(alive.folder / "trained").people.empty());
  expect_parts(error_of([&] { alive.forget("trained", {"p3"}, "out"); }), {"trained", "p3", "learnt"});
  expect_parts(error_of([&] { alive.add("trained", "personal/p4", "out"); }), {"trained", "learnt"});
  CHECK_FALSE(std::filesystem::exists(alive.folder / "out"));
}

TEST_CASE("statistics that do not fit their checkpoint are refused with both values") {
  const Alive alive;
  alive.add("handover.tar", "personal", "device");
  const Checkpoint device = read_checkpoint(alive.folder / "device");
  const Model model = parse_model(device.model, "device");
  const auto refusal = [&](const auto& change) {
    Checkpoint changed = device;
    change(changed);
    return error_of([&] { read_people(changed, model, "device"); });
  };
  expect_parts(refusal([](Checkpoint& c) { c.people.pop_back(); }), {"device", "has no array photo_features"});
  expect_parts(refusal([](Checkpoint& c) {
                 c.people[0].shape = {6, 3};
               }),
               {"feature_mean has shape [6, 3], [3, 6] expected"});
  expect_parts(refusal([](Checkpoint& c) {
                 c.people[3] = make_tensor("held_out", {2}, std::vector<float>{3, 2}.data());
               }),
               {"held_out says 3", "of 2"});
  expect_parts(
      refusal([](Checkpoint& c) { c.people.push_back(make_tensor("more", {1}, std::vector<float>{3}.data())); }),
      {"7 arrays", "6 expected"});
  expect_parts(refusal([](Checkpoint& c) { c.people_photos = R"({"p4": []})"; }), {"lists 1 people", "3 personal"});
  expect_parts(refusal([](Checkpoint& c) { c.people_photos = R"({"p3": ["x"], "p4": [], "p5": []})"; }),
               {"\"p3\"", "\"x\"", "64"});
  expect_parts(refusal([](Checkpoint& c) { std::swap(c.class_names[3], c.class_names[4]); }), {"by name"});
}

}  // namespace
}  // namespace tsugi::test
