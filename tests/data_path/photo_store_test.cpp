// The block of decoded photos: its bytes, its budget, broken photos.
#include "engine/data/photo_store.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "engine/data/decode.h"
#include "engine/data/scan.h"
#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::Photo;
using tsugi::PhotoStore;
using tsugi::PhotoStoreOptions;

namespace {

/// Photos of two classes in turn; those whose number is in `broken` are text.
std::vector<Photo> make_photos(int count, const std::vector<int>& broken = {}) {
  std::vector<Photo> photos;
  for (int i = 0; i < count; ++i) {
    Bytes bytes = encode_jpeg(make_image(40 + i % 7, 50, i));
    for (const int number : broken) {
      if (number == i) bytes = {'t', 'e', 'x', 't'};
    }
    photos.push_back(photo_in_memory(i % 2 ? "odd" : "even", std::to_string(i) + ".jpg", bytes));
  }
  return photos;
}

std::vector<int> make_labels(int count) {
  std::vector<int> labels;
  for (int i = 0; i < count; ++i) labels.push_back(i % 2);
  return labels;
}

PhotoStoreOptions small_options(int threads) {
  PhotoStoreOptions options;
  options.preprocessing = tsugi::default_preprocessing(16);
  options.threads = threads;
  return options;
}

bool same_pixels(const PhotoStore& a, const PhotoStore& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.pixels(), b.pixels(), a.bytes()) == 0;
}

/// Sets an environment variable for the life of the object.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    if (old) old_ = old;
    had_ = old != nullptr;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (had_) {
      setenv(name_, old_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

}  // namespace

TEST_CASE("the store holds each photo's prepared pixels, whatever the thread count") {
  const std::vector<Photo> photos = make_photos(23);
  const PhotoStore one(photos, make_labels(23), small_options(1));
  REQUIRE(one.size() == 23);
  const std::size_t side = static_cast<std::size_t>(one.preprocessing().stored_size);
  REQUIRE(one.photo_bytes() == side * side * 3);
  CHECK(reinterpret_cast<std::uintptr_t>(one.pixels()) % 64 == 0);
  Bytes expected(one.photo_bytes());
  for (std::size_t i = 0; i < one.size(); ++i) {
    tsugi::DecodeBudget budget;
    prepare_photo(photos[i], one.preprocessing(), expected.data(), budget);
    CHECK(std::memcmp(expected.data(), one.pixels() + i * one.photo_bytes(), expected.size()) == 0);
    CHECK(one.photo(i).file == photos[i].file);
    CHECK(one.label(i) == static_cast<int>(i % 2));
  }
  for (const int threads : {0, 2, 5, 64})
    CHECK(same_pixels(one, PhotoStore(photos, make_labels(23), small_options(threads))));
}

TEST_CASE("beyond the memory budget the pixels lie in an unlinked file and are the same") {
  const TemporaryFolder folder;
  const Environment environment("TMPDIR", folder.path());
  const std::vector<Photo> photos = make_photos(9, {4});
  PhotoStoreOptions options = small_options(2);
  const PhotoStore resident(photos, make_labels(9), options);
  options.resident_bytes = 1000;
  tsugi::FileLog files;
  options.files = &files;
  PhotoStore mapped(photos, make_labels(9), options);
  REQUIRE(files.uses().size() == 1);
  CHECK(files.uses()[0].access == tsugi::FileAccess::scratch);
  CHECK(files.uses()[0].path.rfind(folder.path() + "/tsugi-photos-", 0) == 0);
  CHECK(files.uses()[0].bytes == 9 * resident.photo_bytes());
  CHECK(same_pixels(resident, mapped));
  CHECK(std::filesystem::is_empty(folder.path()));
  const PhotoStore moved = std::move(mapped);
  CHECK(same_pixels(resident, moved));

  const Environment nowhere("TMPDIR", folder.path() + "/nowhere");
  CHECK(holds_all(error_of([&] { PhotoStore(photos, make_labels(9), options); }), {"temporary file", "/nowhere"}));
}

TEST_CASE("broken photos are skipped, listed with their reason, and the others keep their labels") {
  const std::vector<Photo> photos = make_photos(60, {0, 31, 59});
  const PhotoStore store(photos, make_labels(60), small_options(3));
  REQUIRE(store.size() == 57);
  REQUIRE(store.broken().size() == 3);
  CHECK(store.broken()[1].file == "odd/31.jpg");
  CHECK(holds_all(store.broken()[1].reason, {"is no photo: neither JPEG, PNG"}));
  Bytes expected(store.photo_bytes());
  for (std::size_t i = 0; i < store.size(); ++i) {
    CHECK(store.label(i) == (store.photo(i).class_name == "odd"));
    tsugi::DecodeBudget budget;
    prepare_photo(store.photo(i), store.preprocessing(), expected.data(), budget);
    CHECK(std::memcmp(expected.data(), store.pixels() + i * store.photo_bytes(), expected.size()) == 0);
  }
}

TEST_CASE("more broken photos than the limit fail the run and are named but a single one never does") {
  const auto load = [](int count, const std::vector<int>& broken, double limit) {
    PhotoStoreOptions options = small_options(2);
    options.max_broken_fraction = limit;
    return error_of([&] { PhotoStore(make_photos(count, broken), make_labels(count), options); });
  };
  CHECK(holds_all(load(60, {1, 2, 3, 4}, 0.05), {"4 of 60", "at most 3", "odd/1.jpg", "neither"}));
  CHECK(load(60, {1, 2, 3}, 0.05).empty());
  CHECK(load(4, {1}, 0.05).empty());
  CHECK(load(4, {1}, 0.0).empty());
  CHECK(holds_all(load(4, {1, 2}, 0.05), {"2 of 4", "at most 1"}));
  CHECK(load(4, {1, 2}, 0.5).empty());
  CHECK(holds_all(load(2, {0, 1}, 1.0), {"2 of 2"}));
  CHECK(holds_all(load(1, {0}, 0.05), {"1 of 1", "at most 0"}));
}

TEST_CASE("files that vanished or cannot be read count as broken") {
  const TemporaryFolder folder;
  folder.write("Ann/a.jpg", encode_jpeg(make_image(20, 20, 1)));
  folder.write("Ann/b.jpg", {});
  folder.write("Bob/c.png", encode_png(make_image(20, 20, 2)));
  tsugi::PhotoFolder found = tsugi::scan_photos(folder.path());
  PhotoStoreOptions options = small_options(1);
  options.max_broken_fraction = 0.7;
  std::filesystem::remove(folder.path() + "/Ann/a.jpg");
  const PhotoStore store(found.photos, found.labels, options);
  REQUIRE(store.size() == 1);
  CHECK(store.photo(0).file == "Bob/c.png");
  CHECK(store.broken()[0].reason.find("cannot be opened") == 0);
  CHECK(store.broken()[1].reason == "is empty");
}

TEST_CASE("progress counts up to all photos on the calling thread, and what it throws comes out") {
  PhotoStoreOptions options = small_options(2);
  std::size_t last = 0;
  options.progress = [&](std::size_t done, std::size_t total) {
    CHECK(done >= last);
    CHECK(total == 12);
    last = done;
  };
  const PhotoStore store(make_photos(12), make_labels(12), options);
  CHECK(last == 12);
  options.progress = [](std::size_t, std::size_t) { throw std::runtime_error("interrupted"); };
  CHECK_THROWS_WITH(PhotoStore(make_photos(12), make_labels(12), options), "interrupted");
}

TEST_CASE("the store refuses unusable arguments with both values") {
  const std::vector<Photo> photos = make_photos(3);
  const auto load = [&](const std::vector<int>& labels, const PhotoStoreOptions& options) {
    return error_of([&] { PhotoStore(photos, labels, options); });
  };
  CHECK(load(make_labels(2), small_options(1)) == "photos: 3 photos, 2 labels");
  CHECK(holds_all(error_of([&] { PhotoStore({}, {}, small_options(1)); }), {"0 photos"}));
  CHECK(holds_all(load(make_labels(3), small_options(-1)), {"threads is -1"}));
  PhotoStoreOptions options = small_options(1);
  options.preprocessing.crop = 1.5f;
  CHECK(holds_all(load(make_labels(3), options), {"crop is 1.5"}));
  options = small_options(1);
  options.preprocessing.stored_size = 15;
  CHECK(holds_all(load(make_labels(3), options), {"stored size is 15", "16"}));
  options = small_options(1);
  options.preprocessing.std[1] = 0.0f;
  CHECK(holds_all(load(make_labels(3), options), {"std is 0"}));
  options = small_options(1);
  options.max_broken_fraction = 2.0;
  CHECK(holds_all(load(make_labels(3), options), {"2.0", "0 to 1"}));
  CHECK(holds_all(error_of([] { tsugi::default_preprocessing(4); }), {"size is 4", "8 to 1024"}));
}

TEST_CASE("all photos of LFW are read") {
  const std::string lfw = lfw_folder();
  if (lfw.empty()) return;
  const tsugi::PhotoFolder folder = tsugi::scan_photos(lfw + "/general");
  const PhotoStore store(folder.photos, folder.labels, PhotoStoreOptions());
  CHECK(store.size() == folder.photos.size());
  CHECK(store.broken().empty());
  CHECK(folder.class_names.size() == 32);
  double sum = 0.0;
  for (std::size_t i = 0; i < store.bytes(); ++i) sum += store.pixels()[i];
  const double mean = sum / static_cast<double>(store.bytes());
  CHECK(mean > 80.0);  // photos of faces: neither black nor white
  CHECK(mean < 170.0);
}
