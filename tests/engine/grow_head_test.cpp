// A grown head: room for new people, and nothing else changed.
#include <algorithm>
#include <cstring>

#include "engine/handover/new_classes.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

Checkpoint trained_checkpoint(OptimizerKind kind) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  TrainSettings settings = short_settings();
  settings.optimizer.kind = kind;
  Training training(*backend, tiny_model(), make_photos(3, 4), settings);
  training.steps(4);
  Checkpoint checkpoint;
  training.trainer.store(checkpoint);
  return checkpoint;
}

void expect_grown(const std::vector<NamedTensor>& before, const std::vector<NamedTensor>& after, std::int64_t added) {
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const NamedTensor& old = before[i];
    const NamedTensor& grown = after[i];
    CAPTURE(old.name);
    CHECK(grown.name == old.name);
    if (old.name.rfind("head.", 0) != 0) {
      CHECK(grown.data == old.data);
      continue;
    }
    CHECK(grown.shape[0] == old.shape[0] + added);
    REQUIRE(grown.data.size() ==
            old.data.size() / static_cast<std::size_t>(old.shape[0]) * static_cast<std::size_t>(grown.shape[0]));
    CHECK(std::memcmp(grown.data.data(), old.data.data(), old.data.size()) == 0);
    CHECK(std::all_of(grown.data.begin() + static_cast<std::ptrdiff_t>(old.data.size()), grown.data.end(),
                      [](std::uint8_t byte) { return byte == 0; }));
  }
}

TEST_CASE("a grown head keeps its rows and their moments bit for bit and adds rows of zeros") {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw}) {
    const Checkpoint before = trained_checkpoint(kind);
    REQUIRE(before.moments.size() == (kind == OptimizerKind::sgd ? 1 : 2));
    Checkpoint after = before;
    grow_head(after, tiny_model(), {"new_a", "new_b"}, "photos");
    CHECK(after.class_names == std::vector<std::string>{"p0", "p1", "p2", "new_a", "new_b"});
    CHECK(after.personal_classes == std::vector<std::string>{"new_a", "new_b"});
    expect_grown(before.parameters, after.parameters, 2);
    for (const auto& [name, tensors] : before.moments) expect_grown(tensors, after.moments.at(name), 2);
    // The grown checkpoint loads into a network of five people.
    const std::unique_ptr<Backend> backend = make_cpu_backend(1);
    Network network(*backend, tiny_model(), after.class_names);
    network.load(after, "grown");
  }
}

TEST_CASE("a person that the checkpoint knows already is refused by name") {
  Checkpoint checkpoint = trained_checkpoint(OptimizerKind::sgd);
  expect_parts(error_of([&] {
                 grow_head(checkpoint, tiny_model(), {"somebody", "p1"}, "photos");
               }),
               {"photos", "p1", "3 people"});
}

TEST_CASE("a head that does not fit its people is an error, not a crash") {
  Checkpoint nobody = trained_checkpoint(OptimizerKind::sgd);
  nobody.class_names.clear();
  expect_parts(error_of([&] { grow_head(nobody, tiny_model(), {"x"}, "photos"); }), {"photos", "0 people"});
  for (NamedTensor& tensor : nobody.parameters)
    if (tensor.name == "head.weight" || tensor.name == "head.bias") {
      tensor.shape[0] = 0;
      tensor.data.clear();
    }
  expect_parts(error_of([&] { grow_head(nobody, tiny_model(), {"x"}, "photos"); }), {"photos", "0 people"});
  Checkpoint four = trained_checkpoint(OptimizerKind::sgd);
  four.class_names.push_back("p3");
  expect_parts(error_of([&] { grow_head(four, tiny_model(), {"x"}, "photos"); }),
               {"photos", "head.weight", "3", "4 people"});
}

}  // namespace
}  // namespace tsugi::test
