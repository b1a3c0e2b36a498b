// Archives that no tsugi wrote. Each differs in one thing from one that is accepted.
#include "engine/core/sha256.h"
#include "engine/handover/manifest.h"
#include "tests/formats/bundle_support.h"

using tsugi::Bundle;
using tsugi::Manifest;
using tsugi::test::Bytes;
using tsugi::test::bytes_of;
using tsugi::test::contains;
using tsugi::test::decode_bundle;
using tsugi::test::error_of;
using tsugi::test::ScratchFolder;
using tsugi::test::tar_of;
using tsugi::test::TarMember;

namespace {

// A bundle in parts. Changing `photos` or `manifest` by hand gives the archives to refuse.
struct Parts {
  Manifest manifest;
  Bytes checkpoint;
  std::vector<TarMember> photos{{"photos/Tony_Blair/a.jpg", bytes_of("photo A")},
                                {"test/Tony_Blair/b.jpg", bytes_of("photo B")}};

  Parts() {
    std::mt19937_64 random(1);
    const tsugi::Checkpoint content = tsugi::test::small_checkpoint(random);
    checkpoint = encode_checkpoint(content, tsugi::CheckpointKind::full);
    manifest.strategy = "random";
    manifest.fraction = 0.5;
    manifest.model_sha256 = tsugi::sha256_hex(content.model);
    manifest.class_names = content.class_names;
    manifest.members.push_back(describe("checkpoint.safetensors", checkpoint, "checkpoint"));
    manifest.members.push_back(describe(photos[0].name, photos[0].bytes, "train"));
    manifest.members.push_back(describe(photos[1].name, photos[1].bytes, "test"));
  }

  static tsugi::ManifestMember describe(const std::string& name, const Bytes& bytes, const std::string& role) {
    return {name, bytes.size(), tsugi::sha256_hex(bytes), role};
  }

  std::vector<TarMember> members() const {
    std::vector<TarMember> all{{"manifest.json", bytes_of(tsugi::format_manifest(manifest))},
                               {"checkpoint.safetensors", checkpoint}};
    all.insert(all.end(), photos.begin(), photos.end());
    return all;
  }
};

std::string refusal(const std::vector<TarMember>& members) {
  return error_of([&] { decode_bundle(tar_of(members)); });
}

// The refusal of a bundle whose parts are changed.
template <typename Change>
std::string refusal_of(const Change& change) {
  Parts parts;
  change(parts);
  return refusal(parts.members());
}

// The refusal of a bundle with a file of arrays of that name and content between checkpoint and photos.
std::string tensors_refusal(const std::string& name, const Bytes& content) {
  return refusal_of([&](Parts& parts) {
    parts.photos.insert(parts.photos.begin(), {name, content});
    parts.manifest.members.insert(parts.manifest.members.begin() + 1, Parts::describe(name, content, "tensors"));
  });
}

Bytes one_tensor() { return tsugi::encode_safetensors({{{"a", tsugi::DType::u8, {3}, bytes_of("abc")}}, {}}); }

// The refusal of a bundle whose manifest text has `from` replaced by `to`.
std::string manifest_refusal(const std::string& from, const std::string& to) {
  const Parts parts;
  std::string text = tsugi::format_manifest(parts.manifest);
  REQUIRE(contains(text, from));
  text.replace(text.find(from), from.size(), to);
  auto members = parts.members();
  members[0].bytes = bytes_of(text);
  return refusal(members);
}

}  // namespace

TEST_CASE("the hand-made archive is a bundle before anything is changed in it") {
  const Bundle bundle = decode_bundle(tar_of(Parts().members()));
  REQUIRE(bundle.photos.size() == 2);
  CHECK(*bundle.photos[0].bytes == bytes_of("photo A"));
  CHECK_FALSE(bundle.photos[0].test);
  CHECK(bundle.photos[1].test);
  CHECK(bundle.strategy == "random");
  CHECK(bundle.tensors.empty());
}

TEST_CASE("a file of arrays is a member like any other") {
  const std::string name = "tensors/knowledge.safetensors";
  const auto with_arrays = [&](const auto& change) {
    Parts parts;
    parts.photos.insert(parts.photos.begin(), {name, one_tensor()});
    parts.manifest.members.insert(parts.manifest.members.begin() + 1, Parts::describe(name, one_tensor(), "tensors"));
    change(parts);
    return parts.members();
  };
  const Bundle bundle = decode_bundle(tar_of(with_arrays([](Parts&) {})));
  REQUIRE(bundle.tensors.count("knowledge") == 1);
  CHECK(bundle.tensors.at("knowledge").tensors.at(0).data == bytes_of("abc"));
  CHECK(bundle.photos.size() == 2);
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.photos[0].bytes.back() ^= 1; })), "\"" + name + "\" has digest"));
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.photos[0].bytes.push_back(0); })), "expected"));
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.photos.erase(p.photos.begin()); })), "the manifest lists"));
  CHECK(contains(refusal(with_arrays([&](Parts& p) { p.photos[0] = {name, {}, '2', "/etc/passwd"}; })), "plain file"));
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.manifest.members[1].role = "train"; })),
                 "\"role\" is \"train\", \"tensors\" expected"));
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.manifest.members.push_back(p.manifest.members[1]); })),
                 "stands twice"));
  CHECK(contains(refusal(with_arrays([](Parts& p) { p.manifest.members[1].size = 1ull << 40; })),
                 "are 1099511627776, at most 4294967296 expected"));
  CHECK(contains(refusal(with_arrays([](Parts& p) {
                   std::swap(p.photos[0], p.photos[1]);
                   std::swap(p.manifest.members[1], p.manifest.members[2]);
                 })),
                 "comes after photo \"photos/Tony_Blair/a.jpg\", before all photos expected"));
  CHECK(contains(refusal(with_arrays([](Parts& p) {
                   for (int i = 0; i < 64; ++i) {
                     const std::string more = "tensors/x" + std::to_string(i) + ".safetensors";
                     p.photos.insert(p.photos.begin() + 1, {more, one_tensor()});
                     p.manifest.members.insert(p.manifest.members.begin() + 2,
                                               Parts::describe(more, one_tensor(), "tensors"));
                   }
                 })),
                 "the number of tensors' members is 65, at most 64 expected"));
}

TEST_CASE("a file of arrays with another name, or that is no such file, is refused by name") {
  CHECK(contains(tensors_refusal("tensors/a.safetensors", bytes_of("not arrays")), "file: tensors/a.safetensors: "));
  CHECK(contains(tensors_refusal("tensors/a.safetensors", {}), "file: tensors/a.safetensors: "));
  for (const char* name : {"tensors/.safetensors", "tensors/A.safetensors", "tensors/../a.safetensors",
                           "tensors/a/b.safetensors", "tensors/a.tar", "tensors/a", "tensors/",
                           "tensors/a.safetensors/", "tensors/a.b.safetensors", "tensors/\xc3\xb6.safetensors"}) {
    CAPTURE(name);
    CHECK(contains(tensors_refusal(name, one_tensor()), "a name of 1 to 64 of a-z 0-9 _ - expected"));
  }
  CHECK(contains(tensors_refusal("../tensors/a.safetensors", one_tensor()), "photos/<class>/<file>"));
  CHECK(contains(tensors_refusal("/tensors/a.safetensors", one_tensor()), "photos/<class>/<file>"));
}

TEST_CASE("names that lead out of the bundle are refused, in the archive and in the manifest") {
  for (const char* name : {"../photos/Tony_Blair/a.jpg", "/photos/Tony_Blair/a.jpg", "photos/../Tony_Blair/a.jpg",
                           "photos/Tony_Blair/..", "photos/./a.jpg", "photos/Tony_Blair/x/a.jpg", "photos//a.jpg",
                           "photos/Tony_Blair/", "other/Tony_Blair/a.jpg", "a.jpg", "photos/Tony_Blair/a\x01.jpg"}) {
    CAPTURE(name);
    const auto in_archive = refusal_of([&](Parts& parts) { parts.photos[0].name = name; });
    CHECK(contains(in_archive, "file: "));
    const auto in_both = refusal_of([&](Parts& parts) {
      parts.photos[0].name = name;
      parts.manifest.members[1].name = name;
    });
    CHECK(contains(in_both, "photos/<class>/<file> or test/<class>/<file> expected"));
  }
}

TEST_CASE("links, folders, devices and pipes are refused, whatever they are named") {
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    CAPTURE(type);
    CHECK(contains(refusal_of([&](Parts& parts) {
                     parts.photos[0] = {"photos/Tony_Blair/a.jpg", {}, type, "/etc/passwd"};
                   }),
                   "is a link, folder or device, a plain file expected"));
  }
  auto members = Parts().members();
  members.insert(members.begin(), TarMember{"manifest.json", {}, '2', "elsewhere"});
  CHECK(contains(refusal(members), "a plain file expected"));
}

TEST_CASE("duplicate, missing, extra and reordered members are refused by name") {
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos.insert(parts.photos.begin(), parts.photos[0]); }),
                 "next member is \"photos/Tony_Blair/a.jpg\", the manifest lists \"test/Tony_Blair/b.jpg\""));
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos.push_back(parts.photos[0]); }), "is not in the manifest"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos.pop_back(); }), "the next member is missing"));
  CHECK(contains(refusal_of([](Parts& parts) { std::swap(parts.photos[0], parts.photos[1]); }), "the manifest lists"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members.push_back(parts.manifest.members[1]); }),
                 "\"photos/Tony_Blair/a.jpg\" stands twice"));
  CHECK(contains(refusal_of([](Parts& parts) {
                   parts.manifest.members[2].name = "test/Tony_Blair/a.jpg";
                   parts.photos[1].name = "test/Tony_Blair/a.jpg";
                 }),
                 "is for training and for testing"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members.erase(parts.manifest.members.begin()); }),
                 "\"checkpoint.safetensors\" expected"));
  auto members = Parts().members();
  std::swap(members[0], members[1]);
  CHECK(contains(refusal(members), "first member is \"checkpoint.safetensors\", \"manifest.json\" expected"));
  members.erase(members.begin(), members.begin() + 2);
  CHECK(contains(refusal(members), "\"manifest.json\" expected"));
  CHECK(contains(refusal({}), "file: "));
}

TEST_CASE("behind a bundle's end there are zeros, as tar pads its records, or nothing") {
  const Bytes whole = tar_of(Parts().members());
  const auto refused = [](const Bytes& bytes) { return error_of([&] { decode_bundle(bytes); }); };
  Bytes padded = whole;
  for (const std::size_t record : {std::size_t{512}, std::size_t{10240}, std::size_t{1} << 20}) {
    padded.resize((whole.size() + record - 1) / record * record);
    CHECK_NOTHROW(decode_bundle(padded));
  }
  Bytes dirty = padded;
  dirty[whole.size()] = 7;
  CHECK(contains(refused(dirty), "byte " + std::to_string(whole.size()) + " is 7, behind the archive's end"));
  dirty[whole.size()] = 0;
  dirty[dirty.size() - 1025] = 9;  // the file still ends with two blocks of zeros
  CHECK(contains(refused(dirty), "byte " + std::to_string(dirty.size() - 1025) + " is 9, behind the archive's end"));
  for (const std::size_t gap : {std::size_t{0}, std::size_t{9728}, std::size_t{100} << 10}) {
    Bytes two = whole;
    two.resize(whole.size() + gap);
    two.insert(two.end(), whole.begin(), whole.end());
    CHECK(contains(refused(two), "another archive appended?"));
  }
}

TEST_CASE("a wrong digest or size is refused with both values") {
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos[0].bytes[0] ^= 1; }),
                 "\"photos/Tony_Blair/a.jpg\" has digest"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos[0].bytes.push_back(1); }), "has 8 bytes, 7 expected"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members[1].size = 9; }), "has 7 bytes, 9 expected"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members[1].sha256.back() = 'g'; }), "64 lower-case hex"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.checkpoint.back() ^= 1; }), "has digest"));
}

TEST_CASE("sizes beyond the limits and beyond the archive are refused before memory is taken") {
  CHECK(contains(refusal_of([](Parts& parts) { parts.photos[0].declared = 077777777777; }),
                 "8589934591 bytes, 7 expected"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members[1].size = 1ull << 40; }),
                 "are 1099511627776, at most 67108864 expected"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.members[0].size = ~0ull; }), "at most 4294967296"));
  CHECK(contains(refusal_of([](Parts& parts) {  // within the limits, but the archive ends before
                   parts.photos[1].declared = 50000000;
                   parts.manifest.members[2].size = 50000000;
                 }),
                 "file: "));
  auto members = Parts().members();
  members[0].declared = 077777777777;
  CHECK(contains(refusal(members), "has 8589934591 bytes, at most 67108864 expected"));
}

TEST_CASE("a manifest that does not fit its checkpoint is refused") {
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.class_names.pop_back(); }),
                 "manifest names 2 classes, the checkpoint has 3"));
  CHECK(contains(refusal_of([](Parts& parts) { parts.manifest.model_sha256[0] ^= 1; }), "manifest's model has digest"));
  CHECK(contains(refusal_of([](Parts& parts) {
                   parts.manifest.members[1].name = "photos/Nobody/a.jpg";
                   parts.photos[0].name = "photos/Nobody/a.jpg";
                 }),
                 "class \"Nobody\", which is not among the checkpoint's 3 classes"));
}

TEST_CASE("a malformed manifest is refused by field") {
  CHECK(contains(manifest_refusal("{", "["), "file: manifest.json: "));
  CHECK(contains(manifest_refusal("tsugi-bundle", "tsugi-bungle"),
                 "\"format\" is \"tsugi-bungle\", \"tsugi-bundle\" expected"));
  CHECK(contains(manifest_refusal("\"version\":1", "\"version\":2"), "\"version\" is 2, 1 expected"));
  CHECK(contains(manifest_refusal("\"version\":1", "\"versions\":1"), "version"));
  CHECK(contains(manifest_refusal("\"strategy\":\"random\"", "\"strategy\":\"best\""),
                 "stratified, random, herding, k-center or typical expected"));
  CHECK(contains(manifest_refusal("\"fraction\":0.5", "\"fraction\":1.5"), "0 to 1 expected"));
  CHECK(contains(manifest_refusal("\"fraction\":0.5", "\"fraction\":\"a\""), "manifest"));
  CHECK(contains(manifest_refusal("\"seed\":0", "\"seed\":-1"), "\"seed\" is -1, a whole number from 0 to "));
  CHECK(contains(manifest_refusal("\"role\":\"train\"", "\"role\":\"test\""),
                 "\"role\" is \"test\", \"train\" expected"));
  CHECK(contains(manifest_refusal("\"size\":7", "\"size\":7.5"), "\"size\" is 7.5, a whole number from 0 to "));
  CHECK(contains(manifest_refusal("\"seed\":0", "\"seed\":0,\"seed\":0"), "stands twice"));
  CHECK(contains(manifest_refusal("\"members\":[", "\"members\":7,\"x\":["), "manifest"));
}
