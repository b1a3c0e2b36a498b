// Mean features as rows, by their formula; rows on the host; what is kept.
#include "engine/handover/imprint.h"

#include <cmath>
#include <limits>

#include "engine/handover/keep_best.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

HeadRows rows_of(std::vector<float> weight, std::vector<float> bias) {
  HeadRows head;
  head.rows = bias.size();
  head.width = weight.size() / bias.size();
  head.weight = std::move(weight);
  head.bias = std::move(bias);
  return head;
}

TEST_CASE("where nothing is known of old people a row points at the mean feature, as long as the old rows are") {
  HeadRows head = rows_of({3, 0, 4, 0, 1, 0, 9, 9, 9}, {0.5f, -1.5f, 9});  // norms 5 and 1: 3 in the mean
  imprint_rows(head, 2, {{0, 5, 3, 0, 3, 3}, {2, 2}});
  CHECK(head.weight[0] == 3.0f);
  CHECK(head.weight[6] == doctest::Approx(0.0));
  CHECK(head.weight[7] == doctest::Approx(3.0 * 4 / 5));
  CHECK(head.weight[8] == doctest::Approx(3.0 * 3 / 5));
  CHECK(head.bias[2] == doctest::Approx(-0.5));  // the mean of the old ones
  CHECK(head.bias[0] == 0.5f);
  for (const float value : {0.0f, 1e-38f, 3e38f}) {
    imprint_rows(head, 2, {{value, value, value}, {2}});
    for (std::size_t j = 6; j < 9; ++j) CHECK(std::isfinite(head.weight[j]));
  }
}

TEST_CASE("what is not a number is nobody's, and no row is made of it") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t row : {0u, 1u}) {
    HeadRows head = rows_of({1, 0, 0, 1, 0, 0}, {0, 0});
    CHECK(predict_by_head(head, {{1, 2, 3}, {0}}) == std::vector<int>{0});
    head.weight[3 * row + 1] = nan;
    CHECK(predict_by_head(head, {{1, 2, 3}, {0}}) == std::vector<int>{-1});
  }
  HeadRows head = rows_of({1, 0, 0, 1, 0, 0}, {0, 0});
  expect_parts(error_of([&] {
                 imprint_rows(head, 1, {{1, nan, 2}, {1}});
               }),
               {"imprint", "feature 1 of sample 0", "nan"});
  expect_parts(error_of([&] { imprint_rows(head, 1, {{1, 2}, {1}}); }), {"imprint", "2 features of 1", "reads 3"});
  expect_parts(error_of([&] { predict_by_head(head, {{1, 2, 3, 4}, {0}}); }), {"4 features of 1", "reads 3"});
}

TEST_CASE("what was learnt is better when the old people lose a point at most and both together lose nothing") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(is_better({0.9, 0.8}, {0.9, 0.8}));
  CHECK(is_better({0.9, 0.8}, {0.895, 0.9}));
  CHECK(is_better({0.9, 0.8}, {1.0, 0.75}));
  CHECK_FALSE(is_better({0.9, 0.8}, {0.88, 1.0}));
  CHECK_FALSE(is_better({0.9, 0.8}, {0.91, 0.7}));
  CHECK_FALSE(is_better({nan, 0.8}, {nan, 1.0}));
  CHECK_FALSE(is_better({0.9, 0.8}, {nan, 1.0}));
}

}  // namespace
}  // namespace tsugi::test
