// Folders of people, and folders that are none.
#include "engine/data/scan.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::PhotoFolder;
using tsugi::scan_person;
using tsugi::scan_photos;

namespace {

std::vector<std::string> files_of(const PhotoFolder& folder) {
  std::vector<std::string> files;
  for (const tsugi::Photo& photo : folder.photos) files.push_back(photo.file);
  return files;
}

}  // namespace

TEST_CASE("scan finds a folder a person, sorted bytewise, and lists what it ignores") {
  const TemporaryFolder folder;
  for (const char* file : {"bob/b2.png", "bob/B1.JPG", "bob/notes.txt", "bob/.hidden.jpg", "Ann/x.JpEg", "Ann/a.jpg",
                           "Ann/deeper/y.jpg", "readme.md", ".cache/z.jpg"}) {
    folder.write(file, {1});
  }
  const PhotoFolder found = scan_photos(folder.path());
  CHECK(found.class_names == std::vector<std::string>{"Ann", "bob"});
  CHECK(files_of(found) == std::vector<std::string>{"Ann/a.jpg", "Ann/x.JpEg", "bob/B1.JPG", "bob/b2.png"});
  CHECK(found.labels == std::vector<int>{0, 0, 1, 1});
  CHECK(found.ignored == std::vector<std::string>{"Ann/deeper", "bob/notes.txt", "readme.md"});
  CHECK(found.photos[3].class_name == "bob");
  CHECK(found.photos[3].path == folder.path() + "/bob/b2.png");
}

TEST_CASE("photos below a folder are found at any depth, a folder's own first, and hidden ones are left out") {
  const TemporaryFolder folder;
  for (const char* file : {"b.png", "a/2.JPG", "a/1.jpeg", "a/deep/er/3.jpg", ".hid/4.jpg", ".5.jpg", "a/notes.txt"})
    folder.write(file, {1});
  REQUIRE(::symlink("..", (folder.path() + "/a/deep/up").c_str()) == 0);  // a loop
  std::vector<std::string> expected;
  for (const char* file : {"/b.png", "/a/1.jpeg", "/a/2.JPG", "/a/deep/er/3.jpg"})
    expected.push_back(folder.path() + file);
  const tsugi::PhotosBelow found = tsugi::photos_below(folder.path());
  CHECK(found.photos == expected);
  CHECK(found.unreadable.empty());
  const tsugi::PhotosBelow none = tsugi::photos_below(folder.path() + "/missing");
  CHECK(none.photos.empty());
  CHECK(none.unreadable == std::vector<std::string>{folder.path() + "/missing: no such folder"});
}

TEST_CASE("scan names the folder that is missing, empty, a file, or holds photos of nobody") {
  const TemporaryFolder folder;
  const std::string& path = folder.path();
  CHECK(holds_all(error_of([&] { scan_photos(path + "/nowhere"); }), {"/nowhere", "no such folder"}));
  CHECK(holds_all(error_of([&] { scan_photos(path); }), {path, "is empty", "each person"}));
  folder.write("loose.jpg", {1});
  CHECK(holds_all(error_of([&] { scan_photos(path + "/loose.jpg"); }), {"loose.jpg", "is not a folder"}));
  CHECK(holds_all(error_of([&] { scan_photos(path); }), {"1 photos but no folder"}));
}

TEST_CASE("scan refuses one person only, unless one is enough, and a person without a photo") {
  const TemporaryFolder folder;
  folder.write("Ann/a.jpg", {1});
  CHECK(holds_all(error_of([&] { scan_photos(folder.path()); }), {folder.path(), "1 person", "at least 2"}));
  CHECK(scan_photos(folder.path(), 1).class_names.size() == 1);
  folder.write("Bob/b.txt", {1});
  CHECK(holds_all(error_of([&] { scan_photos(folder.path()); }), {"/Bob", "holds no photo"}));
}

TEST_CASE("a person has one name and one folder, in whatever form of Unicode the folder is written") {
  const TemporaryFolder folder;
  folder.write("Zoe\u0308/a.jpg", {1});
  folder.write("Zoo/b.jpg", {1});
  const tsugi::PhotoFolder scanned = scan_photos(folder.path());
  CHECK(scanned.class_names == std::vector<std::string>{"Zoo", "Zo\u00eb"});  // sorted as on every file system
  CHECK(scanned.photos[1].file == "Zo\u00eb/a.jpg");
  CHECK(scanned.photos[1].path == folder.path() + "/Zoe\u0308/a.jpg");
  CHECK(scan_person(folder.path() + "/Zoe\u0308").class_names[0] == "Zo\u00eb");
  folder.write("Zo\u00eb/c.jpg", {1});
  CHECK(holds_all(error_of([&] { scan_photos(folder.path()); }),
                  {folder.path() + ": Zo\u00eb has two folders", "Zoe\\u{308} and Zo\\u{eb}"}));
}

TEST_CASE("scan refuses names that are no safe path components") {
  for (const char* name : {"with\nnewline", "back\\slash", "latin\xE9", "overlong\xC0\xAF", "surrogate\xED\xA0\x80"}) {
    const TemporaryFolder folder;
    folder.write("Ann/a.jpg", {1});
    folder.write(std::string(name) + "/b.jpg", {1});
    const std::string message = error_of([&] { scan_photos(folder.path()); });
    CHECK(message.find("name \"") != std::string::npos);
    for (const char c : message) CHECK(static_cast<unsigned char>(c) >= 0x20);
  }
  const TemporaryFolder folder;
  folder.write("Zo\xC3\xAB \xE7\xB6\x99/photo \xF0\x9F\x98\x80.jpg", {1});
  folder.write("Ann/bad\tname.jpg", {1});
  CHECK(holds_all(error_of([&] { scan_photos(folder.path()); }), {"/Ann", "bad\\tname.jpg", "control character"}));
  CHECK(scan_person(folder.path() + "/Zo\xC3\xAB \xE7\xB6\x99").photos.size() == 1);
}

TEST_CASE("scan follows links, and ends on loops of links, broken links and special files") {
  const TemporaryFolder folder;
  folder.write("Ann/a.jpg", {1});
  folder.write("Bob/b.jpg", {1});
  folder.make_link("../Ann/a.jpg", "Bob/linked.jpg");
  folder.make_link("missing.jpg", "Bob/broken.jpg");
  folder.make_link("loop.jpg", "Bob/loop.jpg");
  folder.make_link("..", "Bob/parent");
  folder.make_link(".", "Ann/self");
  folder.make_link("circle", "circle");
  REQUIRE(mkfifo((folder.path() + "/Bob/pipe.jpg").c_str(), 0600) == 0);
  const PhotoFolder found = scan_photos(folder.path());
  CHECK(files_of(found) == std::vector<std::string>{"Ann/a.jpg", "Bob/b.jpg", "Bob/linked.jpg"});
  CHECK(found.ignored ==
        std::vector<std::string>{"Ann/self", "Bob/broken.jpg", "Bob/loop.jpg", "Bob/pipe.jpg", "Bob/parent", "circle"});
}

TEST_CASE("strangers have a folder each, or lie loose") {
  const TemporaryFolder folder;
  for (const char* file : {"eve/2.jpg", "eve/1.png", "b.jpg", "Zoe.JPG", "readme.md", "eve/notes.txt", ".hidden.jpg"})
    folder.write(file, {1});
  const PhotoFolder found = tsugi::scan_strangers(folder.path());
  CHECK(found.class_names == std::vector<std::string>{"Zoe.JPG", "b.jpg", "eve"});
  CHECK(files_of(found) == std::vector<std::string>{"Zoe.JPG/Zoe.JPG", "b.jpg/b.jpg", "eve/1.png", "eve/2.jpg"});
  CHECK(found.labels == std::vector<int>{0, 1, 2, 2});
  CHECK(found.photos[0].path == folder.path() + "/Zoe.JPG");
  CHECK(found.ignored == std::vector<std::string>{"eve/notes.txt", "readme.md"});
}

TEST_CASE("a personal folder is one person's photos or a folder of such folders") {
  const TemporaryFolder folder;
  folder.write("me/Tony/1.jpg", {1});
  folder.write("me/Tony/2.jpg", {1});
  for (const char* dir : {"/me/Tony", "/me/Tony/", "/me/Tony/.", "/me/../me/Tony"}) {
    const PhotoFolder one = scan_person(folder.path() + dir);
    CHECK(one.class_names == std::vector<std::string>{"Tony"});
    CHECK(files_of(one) == std::vector<std::string>{"Tony/1.jpg", "Tony/2.jpg"});
  }
  CHECK(files_of(scan_person(folder.path() + "/me")) == std::vector<std::string>{"Tony/1.jpg", "Tony/2.jpg"});
  folder.make_folder("nothing");
  CHECK(holds_all(error_of([&] { scan_person(folder.path() + "/nothing"); }), {"/nothing", "is empty"}));
}
