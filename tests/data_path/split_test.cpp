// The split into training and test photos.
#include "engine/data/split.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::Photo;
using tsugi::Split;
using tsugi::split_by_person;

namespace {

struct People {
  std::vector<Photo> photos;
  std::vector<int> labels;
  void add(const std::string& name, int count) {
    const int label = labels.empty() ? 0 : labels.back() + 1;
    for (int i = 0; i < count; ++i) {
      photos.push_back({name, name + "/" + std::to_string(i) + ".jpg", "", nullptr});
      labels.push_back(label);
    }
  }
  void remove(std::size_t i) {
    photos.erase(photos.begin() + static_cast<std::ptrdiff_t>(i));
    labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(i));
  }
};

std::set<std::string> test_files(const People& people, double fraction, std::uint64_t seed) {
  std::set<std::string> files;
  for (const std::uint32_t i : split_by_person(people.photos, people.labels, fraction, seed).test) {
    files.insert(people.photos[i].file);
  }
  return files;
}

}  // namespace

TEST_CASE("the photo key is FNV-1a of the file, the same for ever") {
  // Published test vectors: http://www.isthe.com/chongo/src/fnv/test_fnv.c
  CHECK(tsugi::photo_key({"", "", "", nullptr}) == 0xcbf29ce484222325ull);
  CHECK(tsugi::photo_key({"", "a", "", nullptr}) == 0xaf63dc4c8601ec8cull);
  CHECK(tsugi::photo_key({"", "foobar", "", nullptr}) == 0x85944171f73967e8ull);
}

TEST_CASE("each person gives the rounded fraction to the test set, at least one, never all") {
  for (const double fraction : {0.001, 0.2, 0.5, 0.9, 0.999}) {
    for (const int count : {2, 3, 5, 7, 10, 40}) {
      People people;
      people.add("Ann", count);
      people.add("Bob", 10);
      const Split split = split_by_person(people.photos, people.labels, fraction, 1);
      int tests = 0;
      for (const std::uint32_t i : split.test) tests += people.labels[i] == 0;
      CAPTURE(fraction);
      CAPTURE(count);
      CHECK(tests == std::min(std::max(1, static_cast<int>(std::lround(fraction * count))), count - 1));
      std::vector<std::uint32_t> all = split.train;
      all.insert(all.end(), split.test.begin(), split.test.end());
      CHECK(std::is_sorted(split.train.begin(), split.train.end()));
      CHECK(std::is_sorted(split.test.begin(), split.test.end()));
      std::sort(all.begin(), all.end());
      for (std::size_t i = 0; i < people.photos.size(); ++i) CHECK(all[i] == i);
    }
  }
}

TEST_CASE("the split depends on seed and names only: not on where the photos lie or who else is there") {
  People people;
  people.add("Ann", 30);
  people.add("Bob", 31);
  people.add("Cid", 32);
  const std::set<std::string> tests = test_files(people, 0.2, 7);
  CHECK(test_files(people, 0.2, 7) == tests);
  CHECK(test_files(people, 0.2, 8) != tests);

  People moved = people;
  for (Photo& photo : moved.photos) photo.path = "/elsewhere/" + photo.file;
  std::reverse(moved.photos.begin(), moved.photos.end());
  std::reverse(moved.labels.begin(), moved.labels.end());
  CHECK(test_files(moved, 0.2, 7) == tests);

  People without_ann = people;
  for (int i = 0; i < 30; ++i) without_ann.remove(0);
  std::set<std::string> rest;
  for (const std::string& file : tests) {
    if (file.find("Ann/") != 0) rest.insert(file);
  }
  CHECK(test_files(without_ann, 0.2, 7) == rest);
}

TEST_CASE("removing a training photo leaves the person's test photos as they are") {
  People people;
  people.add("Ann", 20);
  people.add("Bob", 20);
  const std::set<std::string> tests = test_files(people, 0.2, 3);  // 4 of 20, and 4 of 19 are still 4
  int checked = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    if (tests.count(people.photos[i].file)) continue;
    People fewer = people;
    fewer.remove(i);
    CHECK(test_files(fewer, 0.2, 3) == tests);
    ++checked;
  }
  CHECK(checked == 16);
}

TEST_CASE("over many seeds every photo is tested about equally often") {
  People people;
  people.add("Ann", 10);
  std::vector<int> tested(10);
  const int seeds = 2000;
  for (int seed = 0; seed < seeds; ++seed) {
    for (const std::uint32_t i : split_by_person(people.photos, people.labels, 0.2, seed).test) ++tested[i];
  }
  // Binomial: 2000 draws at 0.2, standard deviation 17.9; six of them is never by chance.
  for (const int count : tested) CHECK(std::abs(count - seeds / 5) < 108);
}

TEST_CASE("a person with one photo is an error that names the person") {
  People people;
  people.add("Ann", 5);
  people.add("Solo", 1);
  const auto split = [&](double fraction) { return split_by_person(people.photos, people.labels, fraction, 1); };
  CHECK(error_of([&] { split(0.2); }) == "Solo: has 1 photo, at least 2 are needed: one to train on and one to test");
  CHECK(split(0.0).train.size() == 6);
  CHECK(split(0.0).test.empty());
}

TEST_CASE("copies go where their original goes, and do not count") {
  People people;
  people.add("Ann", 10);
  people.add("Bob", 10);
  const std::set<std::string> tests = test_files(people, 0.2, 5);
  std::vector<std::uint32_t> originals(people.photos.size());
  for (std::uint32_t i = 0; i < originals.size(); ++i) originals[i] = i;
  for (std::uint32_t i = 0; i < 10; ++i) {  // a copy of each photo of Ann's
    people.photos.push_back({"Ann", "Ann/copy_" + std::to_string(i) + ".jpg", "", nullptr});
    people.labels.push_back(0);
    originals.push_back(i);
  }
  const Split split = split_by_person(people.photos, people.labels, 0.2, 5, originals);
  CHECK(split.train.size() + split.test.size() == people.photos.size());
  for (const std::uint32_t i : split.test) CHECK(tests.count(people.photos[originals[i]].file) == 1);
  CHECK(split.test.size() == 2 * 2 + 2);

  People only;
  only.add("Ann", 5);
  only.add("Same", 3);
  CHECK(error_of([&] {
          split_by_person(only.photos, only.labels, 0.2, 1, {0, 1, 2, 3, 4, 5, 5, 5});
        }) == "Same: has 1 photo and copies of it, at least 2 are needed: one to train on and one to test");
  CHECK(error_of([&] { split_by_person(only.photos, only.labels, 0.2, 1, {0}); }) == "split: 8 photos, 1 originals");
}

TEST_CASE("the split refuses fractions outside 0 to 1 and labels that do not match") {
  People people;
  people.add("Ann", 5);
  for (const double fraction : {-0.1, 1.0, 7.0, std::nan("")}) {
    CHECK(holds_all(error_of([&] { split_by_person(people.photos, people.labels, fraction, 1); }), {"test fraction"}));
  }
  people.labels.pop_back();
  CHECK(error_of([&] { split_by_person(people.photos, people.labels, 0.2, 1); }) == "split: 5 photos, 4 labels");
}
