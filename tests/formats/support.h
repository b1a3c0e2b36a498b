// What the tests of formats share: a scratch folder, random tensors by seed, a small checkpoint, and a check that a
// call throws an Error which says what it should.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/formats/checkpoint.h"
#include "kernels/api/error.h"
#include "tests/support.h"

namespace tsugi::test {

/// An empty folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tsugi-formats-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) count += entry.exists() ? 1 : 0;
    return count;
  }

 private:
  std::filesystem::path path_;
};

inline NamedTensor random_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                                 std::mt19937_64& random, float spread = 0.1f) {
  std::vector<float> values(static_cast<std::size_t>(element_count(shape, name)));
  std::normal_distribution<float> draw(0.0f, spread);
  for (float& value : values) value = draw(random);
  return make_tensor(name, shape, values.data());
}

inline std::vector<NamedTensor> like(const std::vector<NamedTensor>& tensors, std::mt19937_64& random) {
  std::vector<NamedTensor> result;
  result.reserve(tensors.size());
  for (const auto& tensor : tensors) result.push_back(random_tensor(tensor.name, tensor.shape, random));
  return result;
}

/// Small, with every field filled.
inline Checkpoint small_checkpoint(std::mt19937_64& random) {
  Checkpoint checkpoint;
  checkpoint.model = R"({"name":"tiny","layers":[{"type":"conv2d","name":"conv1"}]})";
  checkpoint.class_names = {"Ana \"A\" Ivanovic", "B\xc3\xb6rk", "Tony_Blair"};
  checkpoint.personal_classes = {"Tony_Blair"};
  checkpoint.preprocessing = R"({"size":64})";
  checkpoint.settings = R"({"lr":0.05})";
  checkpoint.provenance = R"({"classes":["general","personal"]})";
  checkpoint.metrics = R"({"history":[{"epoch":1,"accuracy":0.5}]})";
  checkpoint.test_photos = {"Tony_Blair/a.jpg", "B\xc3\xb6rk/b \\ c.jpg"};
  checkpoint.test_digests = {std::string(64, 'a'), std::string(64, '0')};
  checkpoint.test_prints = {std::string(80, 'b'), ""};
  checkpoint.progress = {0xfedcba9876543210u, 3, 7, 4000000000u};
  checkpoint.parameters = {random_tensor("conv1.weight", {4, 3, 3, 2}, random),
                           random_tensor("conv1.bias", {4}, random), random_tensor("bn1.weight", {4}, random)};
  checkpoint.statistics = {random_tensor("bn1.running_mean", {4}, random)};
  checkpoint.people_photos = R"({"Eve":["00"]})";
  checkpoint.people = {random_tensor("people.feature_mean", {3, 4}, random),
                       random_tensor("people.count", {3}, random)};
  checkpoint.moments["adam_m"] = like(checkpoint.parameters, random);
  checkpoint.moments["ema"] = like(checkpoint.parameters, random);
  checkpoint.strangers = {random_tensor("strangers.head.weight", {2, 4}, random)};
  return checkpoint;
}

inline bool same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].name != b[i].name || a[i].dtype != b[i].dtype || a[i].shape != b[i].shape || a[i].data != b[i].data)
      return false;
  return true;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace tsugi::test
