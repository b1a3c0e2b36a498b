// How far a count of photos can be trusted.
#include "engine/train/evaluation.h"

#include <doctest/doctest.h>

namespace tsugi {
namespace {

// Values: scipy.stats.binomtest(correct, photos).proportion_ci(method="wilson").
TEST_CASE("an accuracy's interval is Wilson's") {
  const auto check = [](std::uint64_t correct, std::uint64_t photos, double low, double high) {
    CAPTURE(correct);
    CAPTURE(photos);
    const auto found = Tally{correct, photos}.interval();
    CHECK(found.first == doctest::Approx(low).epsilon(1e-6));
    CHECK(found.second == doctest::Approx(high).epsilon(1e-6));
  };
  check(0, 0, 0.0, 1.0);
  check(0, 1, 0.0, 0.7934506856227626);
  check(1, 1, 0.20654931437723745, 1.0);
  check(9, 10, 0.5958499732047615, 0.9821237869049271);
  check(930, 1000, 0.9124853518487167, 0.9442236358537061);
}

}  // namespace
}  // namespace tsugi
