// Faces found on drawn people in larger pictures, and the squares that are taken around them.
#include "engine/data/face.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "engine/data/crop.h"
#include "engine/data/photo_store.h"
#include "engine/data/scan.h"
#include "tests/data_path/image_files.h"
#include "tools/synth/people.h"

using namespace tsugi_test;
using tsugi::Box;
using tsugi::CropAround;
using tsugi::Image;
using tsugi::Photo;
using tsugi::PhotoStore;
using tsugi::Square;

namespace {

/// A drawn photo in which a face is found; drawn faces are not as good as true ones, and others are missed.
const Image& drawn() {
  static const Image image{250, 250, tsugi::tools::draw_photo(1, 8, 9, 250)};
  return image;
}

/// The picture enlarged or reduced to `side` pixels.
Image at_size(const Image& image, int side) {
  Image out{side, side, Bytes(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3)};
  tsugi::resize_square(image, tsugi::centre_square(image.h, image.w, 1.0), side, out.rgb.data());
  return out;
}

/// A smooth scene with pictures in it.
class Scene {
 public:
  Scene(int h, int w) : image_(make_image(h, w, 3)) {}

  Scene& paste(const Image& picture, int left, int top) {
    for (int y = 0; y < picture.h; ++y)
      std::memcpy(&image_.rgb[(static_cast<std::size_t>(top + y) * image_.w + left) * 3],
                  &picture.rgb[static_cast<std::size_t>(y) * picture.w * 3], static_cast<std::size_t>(picture.w) * 3);
    return *this;
  }
  const Image& image() const { return image_; }

 private:
  Image image_;
};

bool detector_missing() {
  if (!tsugi::face_detector().empty()) return false;
  MESSAGE("skipped: this build finds no faces");
  return true;
}

double centre_x(const Box& box) { return box.x + 0.5 * box.w; }
double centre_y(const Box& box) { return box.y + 0.5 * box.h; }

tsugi::PhotoStoreOptions options_around(CropAround around) {
  tsugi::PhotoStoreOptions options;
  options.preprocessing = tsugi::default_preprocessing(32);
  options.preprocessing.around = around;
  options.threads = 2;
  return options;
}

/// Means of absolute differences, in grey levels.
double difference(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes) {
  double sum = 0.0;
  for (std::size_t i = 0; i < bytes; ++i) sum += std::abs(static_cast<int>(a[i]) - static_cast<int>(b[i]));
  return sum / static_cast<double>(bytes);
}

}  // namespace

TEST_CASE("a face is found at the same place of its picture, wherever that lies in a scene and however large it is") {
  if (detector_missing()) return;
  const std::optional<Box> alone = find_face(drawn());
  REQUIRE(alone);
  CHECK(alone->w == doctest::Approx(alone->h));
  const double x = centre_x(*alone) / 250, y = centre_y(*alone) / 250, side = alone->w / 250;
  CHECK((x > 0.3 && x < 0.7 && y > 0.3 && y < 0.7 && side > 0.25 && side < 0.6));
  struct Place {
    int side, left, top;
  };
  for (const Place& place : {Place{600, 31, 17}, {330, 900, 500}, {220, 1301, 77}, {200, 3, 850}}) {
    CAPTURE(place.side);
    const Scene scene = Scene(1060, 1600).paste(at_size(drawn(), place.side), place.left, place.top);
    const std::optional<Box> found = find_face(scene.image());
    REQUIRE(found);
    // A filter's step is 0.04 of the picture and a fifth of the face; the mean over its answers moves a quarter of it.
    CHECK(std::abs((centre_x(*found) - place.left) / place.side - x) < 0.02);
    CHECK(std::abs((centre_y(*found) - place.top) / place.side - y) < 0.02);
    CHECK(std::abs(found->w / place.side / side - 1.0) < 0.3);  // a drawn face is taken for one at two sizes
  }
}

TEST_CASE("of two faces the larger is taken") {
  if (detector_missing()) return;
  const Scene scene = Scene(900, 1300).paste(at_size(drawn(), 300), 20, 20).paste(at_size(drawn(), 500), 700, 300);
  const std::optional<Box> found = find_face(scene.image());
  REQUIRE(found);
  CHECK((found->x > 700 && found->y > 300));
}

TEST_CASE("no face is found where there is none, and no picture is too small to look at") {
  if (detector_missing()) return;
  for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {1, 700}, {3000, 2}, {39, 39}, {400, 600}})
    CHECK(!find_face(make_image(h, w, 7)));
}

TEST_CASE("the memory to find a face in is bounded, however large the photo is") {
  CHECK(tsugi::find_face_bytes(100, 100) < (std::uint64_t{1} << 20));
  CHECK(tsugi::find_face_bytes(9000, 12000) == tsugi::find_face_bytes(12000, 9000));
  CHECK(tsugi::find_face_bytes(9000, 12000) <= tsugi::find_face_bytes(2400, 2400));
  CHECK(tsugi::find_face_bytes(100000, 1) > 0);
}

TEST_CASE("the square around a face is that of an aligned photo") {
  // An aligned photo of 250 pixels has its face's box about (125, 133), 102.5 pixels wide.
  const Square square = tsugi::face_square({125 - 51.25, 133 - 51.25, 102.5, 102.5}, 0.58);
  const Square centre = tsugi::centre_square(250, 250, 0.58);
  CHECK(square.side == doctest::Approx(centre.side).epsilon(0.01));
  CHECK(square.left == doctest::Approx(centre.left).epsilon(0.02));
  CHECK(square.top == doctest::Approx(centre.top).epsilon(0.02));
  // A tall box counts as the square about its centre.
  const Square tall = tsugi::face_square({125 - 30.0, 133 - 51.25, 60, 102.5}, 0.58);
  CHECK(tall.side == square.side);
  CHECK(tall.left == doctest::Approx(square.left));
}

TEST_CASE("a square beyond the picture's edges repeats their pixels") {
  Image image{10, 10, Bytes(300, 40)};
  for (int y = 0; y < 10; ++y) std::memset(&image.rgb[static_cast<std::size_t>(y) * 30 + 27], 200, 3);  // last column
  Image out{20, 20, Bytes(1200)};
  resize_square(image, {5.0, -5.0, 20.0}, 20, out.rgb.data());
  for (int y = 0; y < 20; ++y) {
    CHECK(out.rgb[static_cast<std::size_t>(y) * 60] == 40);
    for (int x = 6; x < 20; ++x) CHECK(out.rgb[(static_cast<std::size_t>(y) * 20 + x) * 3] == 200);
  }
  CHECK_THROWS_AS(resize_square(image, {0.0, 0.0, 0.0}, 4, out.rgb.data()), tsugi::Error);
  CHECK_THROWS_AS(resize_square(image, {0.0, 0.0, std::nan("")}, 4, out.rgb.data()), tsugi::Error);
}

TEST_CASE("photos without a face are left out or centred, as was asked, and listed") {
  if (detector_missing()) return;
  const Scene scene = Scene(700, 900).paste(at_size(drawn(), 400), 450, 250);
  const std::vector<Photo> photos = {photo_in_memory("Ann", "empty.png", encode_png(make_image(120, 160, 5))),
                                     photo_in_memory("Ann", "scene.png", encode_png(scene.image())),
                                     photo_in_memory("Ann", "text.png", {'t', 'e', 'x', 't'}),
                                     photo_in_memory("Ann", "alone.png", encode_png(drawn()))};
  const std::vector<int> labels(photos.size(), 0);

  const PhotoStore faces(photos, labels, options_around(CropAround::face));
  REQUIRE(faces.size() == 2);
  REQUIRE(faces.broken().size() == 2);
  CHECK(faces.broken()[0].file == "Ann/empty.png");
  CHECK(faces.broken()[0].faceless);
  CHECK(!faces.broken()[1].faceless);
  CHECK(faces.centred().empty());
  CHECK(!faces.identity(0).pixels.empty());
  // The network sees the same of the picture in the scene as of the picture alone: 2 % of it moved, and resized twice.
  CHECK(difference(faces.pixels(), faces.pixels() + faces.photo_bytes(), faces.photo_bytes()) < 12.0);

  const PhotoStore both(photos, labels, options_around(CropAround::face_or_centre));
  CHECK(both.size() == 3);
  CHECK(both.centred() == std::vector<std::string>{"Ann/empty.png"});
  const PhotoStore centre(photos, labels, options_around(CropAround::centre));
  CHECK(std::memcmp(both.pixels(), centre.pixels(), centre.photo_bytes()) == 0);
  CHECK(std::memcmp(both.pixels() + both.photo_bytes(), faces.pixels(), faces.photo_bytes()) == 0);
  CHECK(centre.identity(1).pixels == faces.identity(0).pixels);  // what a photo is known by is no matter of its crop

  const std::string none = error_of([&] { PhotoStore({photos[0]}, {0}, options_around(CropAround::face)); });
  CHECK(holds_all(none, {"no face is found in 1 of 1", "Ann/empty.png"}));
}

TEST_CASE("a photo is cropped around the box that somebody gives") {
  const Scene scene = Scene(700, 900).paste(at_size(drawn(), 400), 450, 250);
  Photo photo = photo_in_memory("Ann", "scene.png", encode_png(scene.image()));
  for (const CropAround around : {CropAround::centre, CropAround::face}) {  // no detector is needed
    photo.face = Box{450 + 118.0, 250 + 130.0, 164, 164};                   // as on an aligned photo
    const PhotoStore store({photo}, {0}, options_around(around));
    Bytes expected(store.photo_bytes());
    const auto share = static_cast<double>(store.preprocessing().crop);
    tsugi::resize_square(at_size(drawn(), 400), tsugi::centre_square(400, 400, share),
                         store.preprocessing().stored_size, expected.data());
    CHECK(difference(store.pixels(), expected.data(), expected.size()) < 6.0);
  }
  for (const Box& box : {Box{0, 0, 0, 10},
                         {10, 10, -5, 5},
                         {0, 0, 901, 10},
                         {895, 10, 20, 20},
                         {-20, 10, 30, 30},
                         {0, 0, std::nan(""), 5},
                         {0, 695, 20, 20}}) {
    photo.face = box;
    CHECK(holds_all(error_of([&] { PhotoStore({photo}, {0}, options_around(CropAround::face)); }),
                    {"Ann/scene.png", "box", "900 x 700"}));
  }
}

TEST_CASE("a build that finds no faces says which package does") {
  if (!tsugi::face_detector().empty()) return;
  const std::vector<Photo> photos = {photo_in_memory("Ann", "alone.png", encode_png(drawn()))};
  for (const CropAround around : {CropAround::face, CropAround::face_or_centre})
    CHECK(holds_all(error_of([&] { PhotoStore(photos, {0}, options_around(around)); }), {"libdlib-dev"}));
}

TEST_CASE("nearly all faces of real photos are found, and their squares are those of aligned photos") {
  const std::string folder = lfw_folder();
  if (folder.empty() || detector_missing()) return;
  const tsugi::PhotoFolder found = tsugi::scan_photos(folder + "/general");
  std::size_t looked_at = 0, faces = 0, near = 0;
  for (std::size_t i = 0; i < found.photos.size(); i += 11, ++looked_at) {
    std::ifstream in(found.photos[i].path, std::ios::binary);
    const Image image = tsugi::decode_image({std::istreambuf_iterator<char>(in), {}}, found.photos[i].file);
    const std::optional<Box> face = find_face(image);
    if (!face) continue;
    ++faces;
    const Square square = tsugi::face_square(*face, 0.58), centre = tsugi::centre_square(image.h, image.w, 0.58);
    const double moved = std::max(std::abs(square.left + 0.5 * square.side - 0.5 * image.w),
                                  std::abs(square.top + 0.5 * square.side - 0.5 * image.h));
    near += moved < 0.03 * image.w && std::abs(square.side / centre.side - 1.0) < 0.15;
  }
  REQUIRE(looked_at > 50);
  CHECK(static_cast<double>(faces) >= 0.98 * static_cast<double>(looked_at));
  CHECK(static_cast<double>(near) >= 0.85 * static_cast<double>(faces));
}
