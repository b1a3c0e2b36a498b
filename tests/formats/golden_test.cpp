// The format of version 1, frozen: files that this program reads today it must read, and write, tomorrow. The golden
// files lie in tests/data; TSUGI_WRITE_GOLDEN=1 writes them anew after a deliberate change of the format.
// test_safetensors.py reads them without any of this code.
#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/formats/checkpoint.h"
#include "tests/formats/support.h"

using tsugi::Checkpoint;
using tsugi::CheckpointKind;

namespace {

// Element i of tensor t is ((37 i + 11 t) mod 64 - 32) / 16: exact in float16. test_safetensors.py has the same
// formula.
tsugi::NamedTensor golden_tensor(const std::string& name, const std::vector<std::int64_t>& shape, int t) {
  std::vector<float> values(static_cast<std::size_t>(tsugi::element_count(shape, name)));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(static_cast<int>((37 * i + 11 * static_cast<std::size_t>(t)) % 64) - 32) / 16.0f;
  return tsugi::make_tensor(name, shape, values.data());
}

Checkpoint golden_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.model = R"({"name":"golden"})";
  checkpoint.class_names = {"Ana", "B\xc3\xb6rk"};
  checkpoint.personal_classes = {"Ana"};
  checkpoint.settings = R"({"lr":0.05})";
  checkpoint.test_photos = {"Ana/1.jpg"};
  checkpoint.progress = {1, 2, 3, 4};
  checkpoint.parameters = {golden_tensor("conv1.weight", {4, 3, 3, 2}, 0), golden_tensor("conv1.bias", {4}, 1)};
  checkpoint.statistics = {golden_tensor("bn1.running_mean", {4}, 2)};
  checkpoint.moments["momentum"] = {golden_tensor("conv1.weight", {4, 3, 3, 2}, 3),
                                    golden_tensor("conv1.bias", {4}, 4)};
  return checkpoint;
}

std::string golden_path(CheckpointKind kind) {
  return std::string(TSUGI_TEST_DATA) + "/golden_checkpoint_" + name_of(kind) + ".safetensors";
}

}  // namespace

TEST_CASE("checkpoints of format version 1 are written and read as ever") {
  const Checkpoint content = golden_checkpoint();
  for (const auto kind : {CheckpointKind::full, CheckpointKind::fp16, CheckpointKind::int8}) {
    CAPTURE(golden_path(kind));
    if (std::getenv("TSUGI_WRITE_GOLDEN") != nullptr) write_checkpoint(golden_path(kind), content, kind);
    // gzip's output may differ from one zlib to the next: int8 is only read.
    if (kind != CheckpointKind::int8) CHECK(encode_checkpoint(content, kind) == tsugi::read_file(golden_path(kind)));
    const Checkpoint in = tsugi::read_checkpoint(golden_path(kind));
    CHECK(in.kind == kind);
    CHECK(in.class_names == content.class_names);
    CHECK(in.progress.step == 4);
    CHECK(tsugi::test::same(in.statistics, content.statistics));
    CHECK(tsugi::test::same({in.parameters[1]}, {content.parameters[1]}));
    if (kind != CheckpointKind::int8) CHECK(tsugi::test::same(in.parameters, content.parameters));
    const auto found = tsugi::values_of(in.parameters[0]), expected = tsugi::values_of(content.parameters[0]);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(found[i] - expected[i]) <= 2.0f / 127 * 0.57f);  // half a step and a rounded scale
  }
}
