// Who takes part in a run: a choice of people, personal people after the general ones, and a cap on their training
// photos.
#include "engine/train/dataset.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/train/pretrain.h"
#include "tests/engine/overrides.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

PhotoFolder folder_of(int people, int each, int first = 0) {
  const PhotoSet set = make_photos(people, each, first);
  PhotoFolder folder;
  folder.class_names = set.class_names;
  folder.photos = set.photos;
  folder.labels = set.labels;
  return folder;
}

TEST_CASE("a choice of people keeps their photos, sorted by name, and nobody else's") {
  const PhotoFolder folder = folder_of(4, 3);
  const PhotoFolder chosen = only_people(folder, {"p3", "p1"}, "photos");
  CHECK(chosen.class_names == std::vector<std::string>{"p1", "p3"});
  REQUIRE(chosen.photos.size() == 6);
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(chosen.photos[i].class_name == chosen.class_names[static_cast<std::size_t>(chosen.labels[i])]);
  expect_parts(error_of([&] { only_people(folder, {"p1", "nobody"}, "photos"); }), {"photos", "nobody", "4"});
}

TEST_CASE("personal people come after the general ones and may not be among them") {
  const PhotoFolder both = with_personal(folder_of(2, 3), folder_of(2, 2, 2), "personal");
  CHECK(both.class_names == std::vector<std::string>{"p0", "p1", "p2", "p3"});
  CHECK(both.labels == std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 3, 3});
  CHECK(both.photos.size() == 10);
  expect_parts(error_of([] { with_personal(folder_of(3, 2), folder_of(1, 2, 1), "personal"); }),
               {"personal", "p1", "3 general"});
}

TEST_CASE("the cap counts the training photos of each class from the first capped one on") {
  const std::vector<int> labels = {0, 0, 0, 1, 1, 1, 2, 2, 2};
  Split split;
  split.train = {0, 1, 3, 4, 5, 6, 7};
  split.test = {2, 8};
  cap_training(split, labels, 1, 2);
  CHECK(split.train == std::vector<std::uint32_t>{0, 1, 3, 4, 6, 7});
  CHECK(split.test == std::vector<std::uint32_t>{2, 8});
  cap_training(split, labels, 0, 0);
  CHECK(split.train.size() == 6);
}

TEST_CASE(
    "a device alone trains on chosen general people and capped personal ones, and its checkpoint says whose photos it "
    "saw") {
  const ScratchFolder folder;
  write_photos(make_photos(4, 5), folder / "general");
  write_photos(make_photos(1, 10, 4), folder / "personal");
  PretrainRequest request;
  request.train.precision = "fp32";
  request.train.threads = 1;
  set_overrides(request, R"({"epochs": 2, "batch": 6, "variants": 1, "seed": 3})");
  request.train.run.output = folder / "alone.safetensors";
  request.photos = folder / "general";
  request.model = "faces-mobile";
  request.size = 32;
  request.people = {"p0", "p2"};
  request.personal = folder / "personal/p4";
  request.personal_photos = 6;
  const RunSummary summary = pretrain(request, {});
  CHECK(summary.class_names == std::vector<std::string>{"p0", "p2", "p4"});
  CHECK(summary.personal == std::vector<bool>{false, false, true});
  CHECK(summary.evaluation.general.photos == 2);
  CHECK(summary.evaluation.personal.photos == 2);
  REQUIRE(summary.history.rows.size() == 3);
  CHECK(summary.history.rows[0].step == 0);
  const Checkpoint alone = read_checkpoint(request.train.run.output);
  CHECK(alone.personal_classes == std::vector<std::string>{"p4"});
  CHECK(alone.train_photos.size() == 2 * 4 + 6);
  CHECK(alone.test_photos.size() == 2 * 1 + 2);

  // A person of whom no photo can be read is an error, not a class that nobody can test.
  PretrainRequest unreadable = request;
  unreadable.personal = folder / "broken";
  std::filesystem::create_directories(folder / "broken/p9");
  std::ofstream(folder / "broken/p9/1.jpg") << "no photo";
  expect_parts(error_of([&] { pretrain(unreadable, {}); }), {"broken", "p9", "0 photos"});

  // Going on keeps the photos.
  request.continue_from = request.train.run.output;
  set_overrides(request, R"({"epochs": 3})");
  const RunSummary longer = pretrain(request, {});
  CHECK(longer.progress.epoch == 3);
  CHECK(read_checkpoint(request.train.run.output).train_photos == alone.train_photos);
}

}  // namespace
}  // namespace tsugi::test
