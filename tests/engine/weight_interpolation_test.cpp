// Interpolation of two networks' weights, and what becomes of new classes.
#include "engine/handover/weight_interpolation.h"

#include <cmath>

#include "engine/handover/new_classes.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

Checkpoint checkpoint_of(std::vector<float> weight, std::vector<float> bias, std::vector<float> mean) {
  Checkpoint checkpoint;
  checkpoint.parameters = {make_tensor("head.weight", {2, 2}, weight.data()),
                           make_tensor("head.bias", {2}, bias.data())};
  checkpoint.statistics = {make_tensor("bn.running_mean", {1}, mean.data())};
  return checkpoint;
}

}  // namespace

TEST_CASE("weights and running statistics are interpolated by the share of the trained ones") {
  const Checkpoint start = checkpoint_of({0, 1, 2, 3}, {4, 5}, {8});
  Checkpoint trained = checkpoint_of({4, 5, 6, 7}, {8, 1}, {0});
  interpolate_weights(trained, start, 0.25f);
  CHECK(values_of(trained.parameters[0]) == std::vector<float>{1, 2, 3, 4});
  CHECK(values_of(trained.parameters[1]) == std::vector<float>{5, 4});
  CHECK(values_of(trained.statistics[0]) == std::vector<float>{6});
}

TEST_CASE("new classes are scaled, the shift moves their biases only, and old rows stay") {
  Checkpoint checkpoint = checkpoint_of({0, 1, 2, 3}, {4, 6}, {8});
  adjust_new_classes(checkpoint, "head", 1, 0.5f, -1.5f);
  CHECK(values_of(checkpoint.parameters[0]) == std::vector<float>{0, 1, 1, 1.5f});
  CHECK(values_of(checkpoint.parameters[1]) == std::vector<float>{4, 1.5f});
  adjust_new_classes(checkpoint, "head", 2, 0.5f, -1.5f);  // nobody is new
  CHECK(values_of(checkpoint.parameters[0]) == std::vector<float>{0, 1, 1, 1.5f});
  CHECK(values_of(checkpoint.parameters[1]) == std::vector<float>{4, 1.5f});
  checkpoint.parameters.pop_back();  // a head without biases
  adjust_new_classes(checkpoint, "head", 1, 2.0f, -1.5f);
  CHECK(values_of(checkpoint.parameters[0]) == std::vector<float>{0, 1, 2, 3});
}

TEST_CASE("networks that differ, shares out of range and rows that are not there are refused") {
  const Checkpoint start = checkpoint_of({0, 1, 2, 3}, {4, 5}, {8});
  Checkpoint trained = start;
  for (const float share : {-0.1f, 1.1f, std::nanf("")})
    expect_parts(error_of([&] { interpolate_weights(trained, start, share); }), {"share", "0 to 1"});
  trained.parameters.pop_back();
  expect_parts(error_of([&] { interpolate_weights(trained, start, 0.5f); }), {"1 trained", "2 at the start"});
  trained = start;
  trained.parameters[1].name = "other";
  expect_parts(error_of([&] { interpolate_weights(trained, start, 0.5f); }), {"other", "head.bias"});
  trained = start;
  expect_parts(error_of([&] { adjust_new_classes(trained, "head", 3, 1.0f, 1.0f); }), {"head.weight", "2 rows", "3"});
}

}  // namespace tsugi::test
