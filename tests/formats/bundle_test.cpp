// Bundles: written, read, and refused when a byte is wrong.
#include "engine/handover/bundle.h"

#include <algorithm>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "tests/formats/bundle_support.h"

using tsugi::Bundle;
using tsugi::BundleLimits;
using tsugi::read_bundle;
using tsugi::write_bundle;
using tsugi::test::contains;
using tsugi::test::error_of;
using tsugi::test::sample_bundle;
using tsugi::test::ScratchFolder;

namespace {

std::string write_refusal(const Bundle& bundle) {
  const ScratchFolder folder;
  const std::string message = error_of([&] { write_bundle(folder / "b.tar", bundle); });
  CHECK(folder.files() == 0);
  return message;
}

}  // namespace

TEST_CASE("a bundle comes back: checkpoint, choice, and every photo byte for byte") {
  const ScratchFolder folder;
  const Bundle out = sample_bundle();
  const auto summary = write_bundle(folder / "b.tar", out);
  CHECK(summary.photos == 3);
  CHECK(summary.test_photos == 1);
  CHECK(summary.bytes == std::filesystem::file_size(folder / "b.tar"));
  const Bundle in = read_bundle(folder / "b.tar");
  CHECK(in.strategy == "stratified");
  CHECK(in.fraction == 0.3);
  CHECK(in.seed == out.seed);
  CHECK(in.kind == out.kind);
  CHECK(tsugi::test::same(in.checkpoint.parameters, out.checkpoint.parameters));
  CHECK(in.checkpoint.class_names == out.checkpoint.class_names);
  REQUIRE(in.tensors.size() == 2);
  CHECK(in.tensors.at("empty").tensors.empty());
  const auto& arrays = in.tensors.at("acts_2-8bit");
  CHECK(arrays.metadata == out.tensors.at("acts_2-8bit").metadata);
  REQUIRE(arrays.tensors.size() == 5);
  for (const auto& tensor : out.tensors.at("acts_2-8bit").tensors) {
    const auto* back = tsugi::find_tensor(arrays.tensors, tensor.name);
    REQUIRE(back != nullptr);
    CHECK(tsugi::test::same({tensor}, {*back}));
  }
  REQUIRE(in.photos.size() == 4);
  for (const auto& photo : out.photos) {
    CAPTURE(photo.file);
    int found = 0;
    for (const auto& other : in.photos)
      if (other.class_name == photo.class_name && other.file == photo.file) {
        ++found;
        CHECK(other.test == photo.test);
        CHECK(*other.bytes == *photo.bytes);
      }
    CHECK(found == 1);
  }
}

TEST_CASE("a bundle's summary counts the bytes of its members by kind") {
  const ScratchFolder folder;
  const Bundle bundle = sample_bundle();
  const auto summary = write_bundle(folder / "b.tar", bundle);
  CHECK(summary.checkpoint_bytes == tsugi::encode_checkpoint(bundle.checkpoint, bundle.kind).size());
  std::uint64_t tensors = 0;
  for (const auto& [name, file] : bundle.tensors) tensors += tsugi::encode_safetensors(file).size();
  CHECK(summary.tensors_bytes == tensors);
  CHECK(summary.photo_bytes == 3000 + 7 + 7);
  CHECK(summary.test_photo_bytes == 0);
}

TEST_CASE("a bundle carries a compact checkpoint as well") {
  const ScratchFolder folder;
  for (const auto kind : {tsugi::CheckpointKind::fp16, tsugi::CheckpointKind::int8}) {
    Bundle out = sample_bundle();
    out.kind = kind;
    write_bundle(folder / "b.tar", out);
    const Bundle in = read_bundle(folder / "b.tar");
    CHECK(in.kind == kind);
    CHECK(in.checkpoint.moments.empty());
    write_bundle(folder / "again.tar", in);  // requantised: nothing changes
    CHECK(tsugi::read_file(folder / "again.tar") == tsugi::read_file(folder / "b.tar"));
  }
}

TEST_CASE("the same content gives the same bytes, whatever its order and wherever the photos are read from") {
  const ScratchFolder folder;
  Bundle bundle = sample_bundle();
  write_bundle(folder / "a.tar", bundle);
  std::reverse(bundle.photos.begin(), bundle.photos.end());
  write_bundle(folder / "b.tar", bundle);
  int count = 0;
  for (auto& photo : bundle.photos) {
    photo.path = folder / ("photo" + std::to_string(count++));
    tsugi::write_file_atomically(photo.path, photo.bytes->data(), photo.bytes->size());
    photo.bytes = nullptr;
  }
  write_bundle(folder / "c.tar", bundle);
  CHECK(tsugi::read_file(folder / "a.tar") == tsugi::read_file(folder / "b.tar"));
  CHECK(tsugi::read_file(folder / "a.tar") == tsugi::read_file(folder / "c.tar"));
}

TEST_CASE("tar lists a bundle: manifest, checkpoint, arrays, photos by class") {
  const ScratchFolder folder;
  write_bundle(folder / "b.tar", sample_bundle());
  const std::string command = "LC_ALL=C.UTF-8 tar tf '" + (folder / "b.tar") + "' > '" + (folder / "list") + "' 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
  const auto list = tsugi::read_file(folder / "list");
  const std::string expected =
      "manifest.json\ncheckpoint.safetensors\ntensors/acts_2-8bit.safetensors\ntensors/empty.safetensors\n"
      "photos/Ana \"A\" Ivanovic/1.jpg\nphotos/Tony_Blair/b.jpg\n"
      "photos/Tony_Blair/" +
      std::string(150, 'l') + ".jpg\n" + "test/B\\303\\266rk/\\347\\266\\231.png\n";
  const std::string unescaped = "test/B\xc3\xb6rk/\xe7\xb6\x99.png\n";
  const std::string text(list.begin(), list.end());
  const bool same = text == expected || text == expected.substr(0, expected.rfind("test/")) + unescaped;
  CHECK_MESSAGE(same, text);
}

TEST_CASE("a bundle without photos is a bundle") {
  const ScratchFolder folder;
  Bundle bundle = sample_bundle();
  bundle.photos.clear();
  bundle.fraction = 0.0;
  CHECK(write_bundle(folder / "b.tar", bundle).photos == 0);
  CHECK(read_bundle(folder / "b.tar").photos.empty());
}

TEST_CASE("what no reader would accept is not written") {
  const auto changed = [](const auto& change) {
    Bundle bundle = sample_bundle();
    change(bundle);
    return write_refusal(bundle);
  };
  CHECK(contains(changed([](Bundle& b) { b.photos[0].class_name = "Nobody"; }),
                 "is of class \"Nobody\", which is not among the checkpoint's 3 classes"));
  CHECK(contains(changed([](Bundle& b) { b.photos[0].file = "../x.jpg"; }), "photos/<class>/<file>"));
  CHECK(contains(changed([](Bundle& b) { b.photos[0].file = ".."; }), "photos/<class>/<file>"));
  CHECK(contains(changed([](Bundle& b) { b.photos[0].file = ""; }), "photos/<class>/<file>"));
  CHECK(contains(changed([](Bundle& b) { b.photos[0].file = "a\nb"; }), "photos/<class>/<file>"));
  CHECK(contains(changed([](Bundle& b) { b.photos[0].file = "\xff.jpg"; }), "UTF-8"));
  CHECK(contains(changed([](Bundle& b) { b.photos.push_back(b.photos[0]); }), "stands twice"));
  CHECK(contains(changed([](Bundle& b) {
                   b.photos.push_back(b.photos[0]);
                   b.photos.back().test = !b.photos[0].test;
                 }),
                 "for training and for testing"));
  for (const char* name : {"", "A", "a.b", "a/b", "..", "a b", "a\n", "\xc3\xb6"})
    CHECK(contains(changed([&](Bundle& b) { b.tensors[name]; }), "a name of 1 to 64 of a-z 0-9 _ - expected"));
  CHECK(contains(changed([](Bundle& b) { b.tensors[std::string(65, 'a')]; }), "1 to 64 of a-z 0-9 _ - expected"));
  CHECK(contains(changed([](Bundle& b) {
                   b.tensors["x"].tensors = {{"a", tsugi::DType::f32, {2}, {1}}};
                 }),
                 "has 1 bytes, its shape has 2 elements of 4 bytes"));
  CHECK(contains(changed([](Bundle& b) { b.strategy = "best"; }), "strategy is \"best\""));
  CHECK(contains(changed([](Bundle& b) { b.fraction = 1.5; }), "\"fraction\" is 1.5, a number from 0 to 1 expected"));
  CHECK(contains(changed([](Bundle& b) {
                   b.photos[0].bytes = nullptr;
                   b.photos[0].path = "/no/such/photo.jpg";
                 }),
                 "/no/such/photo.jpg: cannot be opened"));
}

TEST_CASE("a bundle above the reader's limits is refused with both values") {
  const ScratchFolder folder;
  const std::string path = folder / "b.tar";
  write_bundle(path, sample_bundle());
  const auto refusal = [&](const auto& change) {
    BundleLimits limits;
    change(limits);
    return error_of([&] { read_bundle(path, limits); });
  };
  CHECK(contains(refusal([](BundleLimits& l) { l.photos = 3; }), "number of photos is 4, at most 3 expected"));
  CHECK(
      contains(refusal([](BundleLimits& l) { l.tensors = 1; }), "number of tensors' members is 2, at most 1 expected"));
  CHECK(contains(refusal([](BundleLimits& l) { l.tensors_bytes = 100; }),
                 "the bytes of \"tensors/acts_2-8bit.safetensors\" are"));
  CHECK(contains(refusal([](BundleLimits& l) { l.photo_bytes = 100; }), "at most 100 expected"));
  CHECK(contains(refusal([](BundleLimits& l) { l.checkpoint_bytes = 100; }), "at most 100 expected"));
  CHECK(contains(refusal([](BundleLimits& l) { l.manifest_bytes = 100; }), "at most 100 expected"));
  CHECK(contains(refusal([](BundleLimits& l) { l.total_bytes = 5000; }), "bytes of all members are"));
}

TEST_CASE("a bundle cut at any block or with any byte of a member changed is refused") {
  const auto bytes = tsugi::test::bundle_bytes(sample_bundle());
  for (std::size_t size = 0; size < bytes.size(); size += 256) {
    const std::vector<std::uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    bool refused = false;
    try {
      tsugi::test::decode_bundle(cut);
    } catch (const tsugi::Error&) {
      refused = true;
    }
    // libarchive pads to 10240 bytes: a cut that leaves the two blocks of zeros and every member leaves a bundle.
    bool complete = size % 512 == 0;
    for (std::size_t i = size < 1024 ? 0 : size - 1024; i < bytes.size(); ++i) complete = complete && bytes[i] == 0;
    CHECK(refused == !complete);
  }
  const std::string text(bytes.begin(), bytes.end());
  for (const char* part : {"\"sha256\":\"", "{\"model", "\"members\":[", "photo A", "photo B"}) {
    CAPTURE(part);
    auto changed = bytes;
    changed[text.rfind(part) + std::string(part).size() - 1] ^= 1;
    CHECK_THROWS_AS(tsugi::test::decode_bundle(changed), tsugi::Error);
  }
}

TEST_CASE("compressed archives, checkpoints, folders and other files are refused as such") {
  const ScratchFolder folder;
  const std::string path = folder / "b.tar";
  write_bundle(path, sample_bundle());
  REQUIRE(std::system(("gzip -k '" + path + "'").c_str()) == 0);
  CHECK(contains(error_of([&] { read_bundle(path + ".gz"); }), "is compressed, a bundle (plain .tar) expected"));
  tsugi::write_checkpoint(folder / "c", sample_bundle().checkpoint, tsugi::CheckpointKind::full);
  CHECK(contains(error_of([&] { read_bundle(folder / "c"); }), "looks like a checkpoint"));
  tsugi::write_file_atomically(folder / "text", "hello");
  CHECK(contains(error_of([&] { read_bundle(folder / "text"); }), "is not a tar"));
  tsugi::write_file_atomically(folder / "empty", std::string());
  CHECK(contains(error_of([&] { read_bundle(folder / "empty"); }), "is not a tar"));
  CHECK(contains(error_of([&] { read_bundle(folder / "."); }), "a regular file is expected"));
  CHECK(contains(error_of([&] { read_bundle("/dev/zero"); }), "a regular file is expected"));
  CHECK(contains(error_of([&] { read_bundle(folder / "none"); }), "No such file"));
}
