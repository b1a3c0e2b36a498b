// Checkpoints: written, read, and refused when a byte is wrong.
#include "engine/formats/checkpoint.h"

#include <cmath>
#include <limits>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/formats/checkpoint_metadata.h"
#include "engine/formats/gzip.h"
#include "tests/formats/support.h"

using tsugi::Checkpoint;
using tsugi::CheckpointKind;
using tsugi::decode_checkpoint;
using tsugi::encode_checkpoint;
using tsugi::test::contains;
using tsugi::test::error_of;
using tsugi::test::same;
using tsugi::test::small_checkpoint;

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr CheckpointKind kKinds[] = {CheckpointKind::full, CheckpointKind::fp16, CheckpointKind::int8};

Checkpoint decode(const Bytes& bytes) { return decode_checkpoint(bytes.data(), bytes.size(), "file"); }

Checkpoint any_checkpoint() {
  std::mt19937_64 random(1);
  return small_checkpoint(random);
}

// A file whose header has `from` replaced by `to` (of the same length), with the digest made right again.
Bytes forged(const std::string& from, const std::string& to) {
  REQUIRE(from.size() == to.size());
  const auto bytes = encode_checkpoint(any_checkpoint(), CheckpointKind::full);
  std::string text(bytes.begin(), bytes.end());
  REQUIRE(contains(text, from));
  text.replace(text.find(from), from.size(), to);
  const auto digest = text.find("\"sha256\":\"") + 10;
  text.replace(digest, 64, std::string(64, '0'));
  text.replace(digest, 64, tsugi::sha256_hex(text));
  return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("a full checkpoint comes back bit for bit") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const tsugi::test::ScratchFolder folder;
  for (int round = 0; round < 20; ++round) {
    Checkpoint out = small_checkpoint(random);
    for (auto& byte : out.parameters[0].data) byte = static_cast<std::uint8_t>(random());  // NaN payloads too
    tsugi::write_checkpoint(folder / "c", out, CheckpointKind::full);
    const Checkpoint in = tsugi::read_checkpoint(folder / "c");
    CHECK(in.kind == CheckpointKind::full);
    CHECK(in.model == out.model);
    CHECK(in.class_names == out.class_names);
    CHECK(in.personal_classes == out.personal_classes);
    CHECK(in.preprocessing == out.preprocessing);
    CHECK(in.settings == out.settings);
    CHECK(in.provenance == out.provenance);
    CHECK(in.metrics == out.metrics);
    CHECK(in.test_photos == out.test_photos);
    CHECK(in.test_digests == out.test_digests);
    CHECK(in.test_prints == out.test_prints);
    CHECK(in.progress.seed == out.progress.seed);
    CHECK(in.progress.epoch == out.progress.epoch);
    CHECK(in.progress.batch == out.progress.batch);
    CHECK(in.progress.step == out.progress.step);
    CHECK(same(in.parameters, out.parameters));
    CHECK(same(in.statistics, out.statistics));
    CHECK(same(in.people, out.people));
    CHECK(in.people_photos == out.people_photos);
    CHECK(same(in.strangers, out.strangers));
    REQUIRE(in.moments.size() == 2);
    CHECK(same(in.moments.at("adam_m"), out.moments.at("adam_m")));
    CHECK(same(in.moments.at("ema"), out.moments.at("ema")));
    CHECK(encode_checkpoint(in, CheckpointKind::full) == tsugi::read_file(folder / "c"));
  }
}

TEST_CASE("strangers' rows are a full checkpoint's alone") {
  for (const auto kind : kKinds) {
    const Bytes bytes = encode_checkpoint(any_checkpoint(), kind);
    CHECK(decode(bytes).strangers.size() == (kind == CheckpointKind::full ? 1 : 0));
    CHECK(contains(std::string(bytes.begin(), bytes.end()), "strangers") == (kind == CheckpointKind::full));
  }
  const Bytes more = forged(R"(\"strangers\":1)", R"(\"strangers\":9)");
  CHECK(contains(error_of([&] { decode(more); }), "its metadata counts more"));
}

TEST_CASE("an empty checkpoint comes back") {
  for (const auto kind : kKinds) {
    const Checkpoint in = decode(encode_checkpoint({}, kind));
    CHECK(in.kind == kind);
    CHECK(in.model == "{}");
    CHECK(in.parameters.empty());
    CHECK(in.moments.empty());
  }
}

TEST_CASE("any flipped bit of a checkpoint is an error") {
  for (const auto kind : kKinds) {
    CAPTURE(tsugi::name_of(kind));
    Bytes bytes = encode_checkpoint(any_checkpoint(), kind);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ flip);
        bool refused = false;
        try {
          decode(bytes);
        } catch (const tsugi::Error&) {
          refused = true;
        }
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ flip);
        if (!refused) FAIL("byte ", i, " changed by ", flip, " is accepted");
      }
    CHECK(decode(bytes).kind == kind);
  }
}

TEST_CASE("a checkpoint cut at any byte, or with bytes added, is an error") {
  for (const auto kind : kKinds) {
    CAPTURE(tsugi::name_of(kind));
    Bytes bytes = encode_checkpoint(any_checkpoint(), kind);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Bytes cut(bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(size));  // its own block: ASan sees overruns
      CHECK_THROWS_AS(decode(cut), tsugi::Error);
    }
    bytes.push_back(0);
    CHECK_THROWS_AS(decode(bytes), tsugi::Error);
  }
}

TEST_CASE("a changed value is named as damage") {
  Bytes bytes = encode_checkpoint(any_checkpoint(), CheckpointKind::full);
  bytes.back() ^= 1;
  CHECK(contains(error_of([&] { decode(bytes); }), "file: its bytes have digest "));
  CHECK(contains(error_of([&] { decode(bytes); }), "(damaged, or changed by another program)"));
}

TEST_CASE("a .safetensors file of another program is refused as such") {
  tsugi::SafetensorsFile file;
  file.tensors = {tsugi::make_tensor("a", {0}, nullptr)};
  CHECK(contains(error_of([&] { decode(tsugi::encode_safetensors(file)); }), "has no format in its metadata"));
  file.metadata = {{"format", "pt"}};
  CHECK(contains(error_of([&] { decode(tsugi::encode_safetensors(file)); }),
                 "format is \"pt\", \"tsugi-checkpoint\" expected"));
}

TEST_CASE("the loss scale of float16 training is kept, and nothing is where there is none") {
  Checkpoint out = any_checkpoint();
  CHECK(tsugi::format_metadata(out, CheckpointKind::full).at("progress").find("loss") == std::string::npos);
  CHECK(decode(encode_checkpoint(out, CheckpointKind::full)).progress.loss_scale == 0.0f);
  out.progress.loss_scale = 32768.0f;
  out.progress.loss_scale_good_steps = 1999;
  out.progress.skipped_steps = 5;
  const Checkpoint in = decode(encode_checkpoint(out, CheckpointKind::full));
  CHECK(in.progress.loss_scale == 32768.0f);
  CHECK(in.progress.loss_scale_good_steps == 1999);
  CHECK(in.progress.skipped_steps == 5);
  for (const float wrong : {0.5f, -2.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
    out.progress.loss_scale = wrong;
    CHECK(contains(error_of([&] { decode(encode_checkpoint(out, CheckpointKind::full)); }), "\"loss_scale\" is "));
  }
  out.progress.loss_scale = 2.0f;
  out.progress.loss_scale_good_steps = 2001;
  CHECK(contains(error_of([&] { decode(encode_checkpoint(out, CheckpointKind::full)); }),
                 "\"loss_scale_good_steps\" is 2001, "));
  out.progress.loss_scale_good_steps = 0;
  out.progress.step = 4;
  CHECK(contains(error_of([&] { decode(encode_checkpoint(out, CheckpointKind::full)); }),
                 "\"skipped_steps\" is 5, a whole number from 0 to 4 expected"));
}

TEST_CASE("metadata that is wrong under a right digest is refused by name") {
  CHECK(decode(forged("\"version\":\"1\"", "\"version\":\"1\"")).class_names.size() == 3);
  const auto refusal = [](const std::string& from, const std::string& to) {
    return error_of([&] { decode(forged(from, to)); });
  };
  CHECK(contains(refusal("\"version\":\"1\"", "\"version\":\"2\""), "version is \"2\", \"1\" expected"));
  CHECK(contains(refusal("\"kind\":\"full\"", "\"kind\":\"fuII\""), "kind is \"fuII\""));
  CHECK(contains(refusal("\"progress\"", "\"progrESS\""), "has no progress in its metadata"));
  CHECK(contains(refusal("\\\"epoch\\\":3", "\\\"epoch\\\":x"), "file: progress: invalid JSON"));
  CHECK(contains(refusal("\\\"epoch\\\":3,", "\\\"epoch\\\":-3"), "progress"));
  CHECK(contains(refusal("\\\"step\\\":4000000000", "\\\"step\\\":5000000000"),
                 "\"step\" is 5000000000, a whole number from 0 to 4294967295 expected"));
  CHECK(contains(refusal("\\\"size\\\":64", "\\\"size\\\":]4"), "preprocessing: invalid JSON"));
  CHECK(contains(refusal("[\\\"Tony_Blair\\\"]", "[\\\"Tony_Bloir\\\"]"), "personal class \"Tony_Bloir\""));
  CHECK(contains(refusal("[\\\"Tony_Blair\\\"]", "{\\\"Tony_Blair\\\"}"), "personal_classes"));
  CHECK(contains(refusal("\\\"aaaaa", "\\\"AAAAA"), "test_digests holds \"AAAAAaaa"));
  CHECK(contains(refusal("\\\"bbbbb", "\\\"BBBBB"), "test_prints holds \"BBBBBbbb"));
  CHECK(contains(refusal("\"test_photos\"", "\"test_ph0t0s\""), "test_digests has 2 digests of 0 photos"));
}

TEST_CASE("an int8 checkpoint is one packed tensor, and its size is checked before and while it is unpacked") {
  const auto bytes = encode_checkpoint(any_checkpoint(), CheckpointKind::int8);
  const auto file = tsugi::decode_safetensors(bytes.data(), bytes.size(), "file");
  REQUIRE(file.tensors.size() == 1);
  const auto unpacked = std::stoull(file.metadata.at("packed_from"));
  const auto inner = tsugi::gunzip(file.tensors[0].data, unpacked, "file");
  const auto tensors = tsugi::decode_safetensors(inner.data(), inner.size(), "inner").tensors;
  REQUIRE(tensors.size() == 7);
  CHECK(tensors[0].name == "conv1.weight");
  CHECK(tensors[0].dtype == tsugi::DType::i8);
  CHECK(tensors[1].name == "conv1.weight.scale");
  CHECK(tensors[1].dtype == tsugi::DType::f16);

  const auto refusal = [&](const auto& change) {
    auto changed = file;
    change(changed);
    changed.metadata["sha256"] = std::string(64, '0');
    auto forged_bytes = tsugi::encode_safetensors(changed);
    std::string text(forged_bytes.begin(), forged_bytes.end());
    text.replace(text.find("\"sha256\":\"") + 10, 64, tsugi::sha256_hex(text));
    return error_of([&] { decode({text.begin(), text.end()}); });
  };
  using File = tsugi::SafetensorsFile;
  const auto size = [](const std::string& text) { return [=](File& f) { f.metadata["packed_from"] = text; }; };
  CHECK(contains(refusal(size(std::to_string(unpacked - 1))), "unpacks to more than " + std::to_string(unpacked - 1)));
  CHECK(contains(refusal(size(std::to_string(unpacked + 1))), "unpacks to " + std::to_string(unpacked) + " bytes"));
  // 16 MiB, and 16 times what is packed.
  const std::string most = std::to_string((std::size_t{16} << 20) + 16 * file.tensors[0].data.size());
  CHECK(contains(refusal(size("9999999999")), "a number of bytes up to " + most + " expected"));
  CHECK(contains(refusal(size(std::to_string(std::size_t{1} << 30))), "up to " + most + " expected"));
  CHECK(contains(refusal(size("-1")), "packed_from is \"-1\""));
  CHECK(contains(refusal(size("")), "packed_from is \"\""));
  CHECK(contains(refusal([](File& f) { f.tensors[0].name = "other"; }), "named \"packed\" expected"));
  CHECK(contains(refusal([](File& f) { f.tensors.clear(); }), "has 0 tensors"));
  CHECK(contains(refusal([](File& f) { f.tensors[0].data[0] = 0; }), "gzip expected"));
  CHECK(contains(refusal([](File& f) { f.tensors[0] = {"packed", tsugi::DType::u8, {2}, {0x1f, 0x8b}}; }), "packed"));
}

TEST_CASE("gzip gives back its input, and the same bytes each time") {
  std::mt19937_64 random(1);
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, (std::size_t{1} << 20) + 3}) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() & 15);
    const Bytes packed = tsugi::gzip(bytes);
    CHECK(tsugi::gzip(bytes) == packed);
    CHECK(tsugi::gunzip(packed, size, "file") == bytes);
  }
}

TEST_CASE("tensor counts that do not fit the tensors are refused") {
  for (const char* count : {"0", "1", "2", "4", "9"}) {
    CAPTURE(count);
    CHECK_THROWS_AS(decode(forged("\\\"parameters\\\":3", std::string("\\\"parameters\\\":") + count)), tsugi::Error);
  }
}

TEST_CASE("a checkpoint that could not be read back is not written") {
  const auto refusal = [](const auto& change, CheckpointKind kind = CheckpointKind::full) {
    Checkpoint checkpoint = any_checkpoint();
    change(checkpoint);
    return error_of([&] { encode_checkpoint(checkpoint, kind); });
  };
  CHECK(contains(refusal([](Checkpoint& c) { c.model = "[1]"; }), "checkpoint: model: is an array, a JSON object"));
  CHECK(contains(refusal([](Checkpoint& c) { c.metrics = "{\"a\":1,\"a\":2}"; }), "metrics: key \"a\" stands twice"));
  CHECK(contains(refusal([](Checkpoint& c) { c.settings = ""; }), "settings: invalid JSON"));
  CHECK(contains(refusal([](Checkpoint& c) { c.settings = "{\"a\":NaN}"; }), "settings: invalid JSON"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{\"a\":";
  CHECK(contains(refusal([&](Checkpoint& c) { c.provenance = deep; }), "nested more than 64 deep"));
  CHECK(contains(refusal([](Checkpoint& c) { c.class_names[1] = c.class_names[0]; }), "stands twice"));
  CHECK(contains(refusal([](Checkpoint& c) { c.class_names[1] = "\xff"; }), "UTF-8"));
  CHECK(contains(refusal([](Checkpoint& c) { c.test_digests.pop_back(); }), "test_digests has 1 digests of 2 photos"));
  CHECK(contains(refusal([](Checkpoint& c) { c.train_digests = c.test_digests; }),
                 "train_digests has 2 digests of 0 photos"));
  CHECK(contains(refusal([](Checkpoint& c) { c.test_prints.pop_back(); }), "test_prints has 1 prints of 2 photos"));
  CHECK(contains(refusal([](Checkpoint& c) { c.personal_classes = {"Nobody"}; }), "\"Nobody\" is not among the 3"));
  CHECK(contains(refusal([](Checkpoint& c) { c.moments["ema"].pop_back(); }), "\"ema\" has 2 tensors, 3 parameters"));
  CHECK(contains(refusal([](Checkpoint& c) { c.moments["ema"][1].shape = {2, 2}; }), "the same name and shape"));
  CHECK(contains(refusal([](Checkpoint& c) { c.moments["a/b"] = c.moments["ema"]; }), "\"a/b\""));
  CHECK(contains(refusal([](Checkpoint& c) { c.parameters[0].name = "a/b"; }), "'/'"));
  CHECK(contains(refusal([](Checkpoint& c) { c.parameters[0].dtype = tsugi::DType::f16; }), "float32 expected"));
  CHECK(contains(refusal([](Checkpoint& c) { c.statistics[0].name = "conv1.bias"; }), "two tensors are named"));
  const auto poison = [](Checkpoint& c) {
    const float nan = NAN;
    std::memcpy(c.parameters[0].data.data() + 20, &nan, 4);
  };
  for (const auto kind : {CheckpointKind::fp16, CheckpointKind::int8})
    CHECK(contains(refusal(poison, kind), "\"conv1.weight\" holds nan at index 5, finite values expected"));
}

TEST_CASE("a failed write leaves the old checkpoint") {
  const tsugi::test::ScratchFolder folder;
  tsugi::write_checkpoint(folder / "c", any_checkpoint(), CheckpointKind::full);
  Checkpoint broken = any_checkpoint();
  broken.model = "nonsense";
  CHECK_THROWS_AS(tsugi::write_checkpoint(folder / "c", broken, CheckpointKind::full), tsugi::Error);
  CHECK(same(tsugi::read_checkpoint(folder / "c").parameters, any_checkpoint().parameters));
  CHECK(folder.files() == 1);
}
