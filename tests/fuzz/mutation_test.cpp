// Thousands of damaged files of every kind, by seed: each must be read or refused with an Error. Under AddressSanitizer
// (preset cpu-asan) this also finds reads beyond the input.
#include <algorithm>
#include <iterator>

#include "engine/perf/device_description.h"
#include "engine/perf/result_file.h"
#include "engine/state/manifest.h"
#include "engine/tuning/tuning_file.h"
#include "tests/fuzz/targets.h"
#include "tests/state/bundle_support.h"

using tsugi::CheckpointKind;
using tsugi::test::Bytes;

namespace {

constexpr int kMutants = 3000;

std::size_t below(std::mt19937_64& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

Bytes::iterator at(Bytes& bytes, std::size_t i) { return bytes.begin() + static_cast<std::ptrdiff_t>(i); }

void change_byte(Bytes& bytes, std::mt19937_64& random) {
  static const std::uint8_t kTelling[] = {0,   1,   0x7f, 0x80, 0xff, '"', '\\', '{', '}',
                                          '[', ']', ',',  ':',  '/',  '.', '0',  '9', '-'};
  if (bytes.empty()) return;
  auto& byte = bytes[below(random, bytes.size())];
  byte = random() % 2 == 0 ? kTelling[below(random, sizeof kTelling)] : static_cast<std::uint8_t>(random());
}

void drop_range(Bytes& bytes, std::mt19937_64& random) {
  const auto begin = below(random, bytes.size());
  const auto length = below(random, std::min<std::size_t>(bytes.size() - begin, 64) + 1);
  bytes.erase(at(bytes, begin), at(bytes, begin + length));
}

void repeat_range(Bytes& bytes, std::mt19937_64& random) {
  const auto begin = below(random, bytes.size());
  const auto length = below(random, std::min<std::size_t>(bytes.size() - begin, 256) + 1);
  const Bytes piece(at(bytes, begin), at(bytes, begin + length));
  bytes.insert(at(bytes, below(random, bytes.size() + 1)), piece.begin(), piece.end());
}

// Replaces a run of digits by a number that overflows something.
void change_number(Bytes& bytes, std::mt19937_64& random) {
  static const std::string kNumbers[] = {"0",
                                         "-1",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "9223372036854775807",
                                         "4294967296",
                                         "2147483648",
                                         "1e999",
                                         "0.5",
                                         "null",
                                         "\"7\"",
                                         "[]"};
  const auto is_digit = [](std::uint8_t byte) { return byte >= '0' && byte <= '9'; };
  const auto from = at(bytes, below(random, bytes.size()));
  const auto begin = std::find_if(from, bytes.end(), is_digit);
  const auto end = std::find_if_not(begin, bytes.end(), is_digit);
  const auto& number = kNumbers[below(random, std::size(kNumbers))];
  const auto place = bytes.erase(begin, end);
  bytes.insert(place, number.begin(), number.end());
}

void cut(Bytes& bytes, std::mt19937_64& random) { bytes.resize(below(random, bytes.size() + 1)); }

Bytes mutated(Bytes bytes, std::mt19937_64& random) {
  using Mutation = void (*)(Bytes&, std::mt19937_64&);
  static const Mutation kMutations[] = {change_byte,  change_byte,   change_byte,  drop_range,
                                        repeat_range, change_number, change_number};
  const auto count = 1 + below(random, 4);
  for (std::size_t i = 0; i < count; ++i) kMutations[below(random, std::size(kMutations))](bytes, random);
  if (below(random, 16) == 0) cut(bytes, random);
  return bytes;
}

// Gives `target` the original, which it must accept, and then mutants of it. A fresh vector each: ASan sees its end.
void feed(bool (*target)(const std::uint8_t*, std::size_t), const std::vector<Bytes>& originals) {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const Bytes& original : originals) {
    CHECK(target(original.data(), original.size()));
    int refused = 0;
    for (int i = 0; i < kMutants; ++i) {
      CAPTURE(i);
      const Bytes mutant = mutated(original, random);
      refused += target(mutant.data(), mutant.size()) ? 0 : 1;
    }
    CHECK(refused > kMutants / 10);  // the mutations do damage
  }
}

tsugi::Checkpoint content() {
  std::mt19937_64 random(1);
  return tsugi::test::small_checkpoint(random);
}

std::vector<Bytes> checkpoints() {
  return {encode_checkpoint(content(), CheckpointKind::full), encode_checkpoint(content(), CheckpointKind::fp16),
          encode_checkpoint(content(), CheckpointKind::int8)};
}

}  // namespace

TEST_CASE("a damaged .safetensors file is read or refused, never more") {
  feed(tsugi::fuzz::safetensors, checkpoints());
}

TEST_CASE("a damaged checkpoint under a right digest is read or refused, never more") {
  feed(tsugi::fuzz::checkpoint, checkpoints());
}

TEST_CASE("a damaged manifest is read or refused, never more") {
  tsugi::Manifest manifest;
  manifest.strategy = "random";
  manifest.class_names = {"a"};
  const std::string digest(64, '0');
  manifest.members = {{"checkpoint.safetensors", 1000, digest, "checkpoint"}, {"photos/a/b.jpg", 7, digest, "train"}};
  feed(tsugi::fuzz::manifest, {tsugi::test::bytes_of(tsugi::format_manifest(manifest))});
}

TEST_CASE("a damaged tuning file under a right digest is read or refused, never more") {
  tsugi::TuningFile file{"0.1.0", "2026-01-02", "a device", "oneDNN 2.6.3", std::string(64, '0'), {}};
  tsugi::Conv2dShape shape;
  shape.n = 16, shape.h = shape.w = 8, shape.c = 32, shape.k = 64;
  for (const auto op : {tsugi::KernelOp::conv2d_forward, tsugi::KernelOp::conv2d_backward_weight})
    file.calls.push_back({{op, shape, tsugi::DType::f32, false}, "product", "direct", 0.001, 0.002});
  feed(tsugi::fuzz::tuning, {tsugi::test::bytes_of(tsugi::to_json(file))});
}

TEST_CASE("a damaged device description is read or refused, never more") {
  std::vector<Bytes> devices;
  for (const std::string& name : tsugi::perf::shipped_device_names()) devices.push_back(tsugi::test::bytes_of(tsugi::perf::to_json(tsugi::perf::find_device(name))));
  feed(tsugi::fuzz::device_description, devices);
}

TEST_CASE("a damaged result file is read or refused, never more") {
  tsugi::perf::ResultFile file;
  file.context.version = file.context.commit = "1", file.context.device = "cpu";
  file.context.limits.f32 = file.context.limits.copy = 1e10;
  tsugi::perf::ResultEntry entry;
  entry.name = "faces-cnn/b16/conv1/conv2d_forward/f32/cold", entry.model = "faces-cnn", entry.layer = "conv1", entry.op = "conv2d_forward";
  entry.dtype = "f32", entry.cache = "cold", entry.batch = 16, entry.samples = entry.calls = 3, entry.seconds = 0.001, entry.flops = 1e9, entry.bytes = 1e6;
  file.entries = {entry};
  file.step.measured = true;
  file.step.model = "faces-cnn", file.step.precision = "fp32", file.step.batch = 16, file.step.step_s = 0.1;
  file.step.layers = {{"conv1", "conv2d", 0.01, 0.02, 1e9}};
  feed(tsugi::fuzz::result_file, {tsugi::test::bytes_of(tsugi::perf::to_json(file, false))});
}

TEST_CASE("a damaged bundle is read or refused, never more") {
  feed(tsugi::fuzz::bundle, {tsugi::test::bundle_bytes(tsugi::test::sample_bundle())});
}
