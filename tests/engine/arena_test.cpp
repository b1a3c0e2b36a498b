// The memory plan: lifetimes that overlap never share bytes, and the peak is what is used.
#include "engine/core/arena.h"

#include <algorithm>

#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr std::size_t kAlign = 256;

std::size_t end_of(const BufferRequest& request, std::size_t offset) {
  return offset + (request.bytes + kAlign - 1) / kAlign * kAlign;
}

TEST_CASE("the arena never gives one byte to two tensors that live at the same time") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<BufferRequest> requests(1 + random() % 40);
    for (BufferRequest& request : requests) {
      request.bytes = random() % 8 == 0 ? 0 : random() % 5000;
      request.first = static_cast<int>(random() % 20);
      request.last = request.first + static_cast<int>(random() % 10);
    }
    const ArenaLayout plan = lay_out_arena(requests);
    REQUIRE(plan.offsets.size() == requests.size());
    std::size_t highest = 0, most_alive = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      CHECK(plan.offsets[i] % kAlign == 0);
      highest = std::max(highest, end_of(requests[i], plan.offsets[i]));
      for (std::size_t j = 0; j < i; ++j) {
        const bool in_time = requests[i].first <= requests[j].last && requests[j].first <= requests[i].last;
        const bool in_space = plan.offsets[i] < plan.offsets[j] + requests[j].bytes &&
                              plan.offsets[j] < plan.offsets[i] + requests[i].bytes;
        CHECK_FALSE((in_time && in_space));
      }
    }
    for (int time = 0; time < 32; ++time) {
      std::size_t alive = 0;
      for (const BufferRequest& request : requests)
        if (request.first <= time && time <= request.last) alive += end_of(request, 0);
      most_alive = std::max(most_alive, alive);
    }
    CHECK(plan.peak == highest);
    CHECK(plan.peak >= most_alive);
  }
}

TEST_CASE("the arena reuses bytes once a tensor is dead") {
  const ArenaLayout chain = lay_out_arena({{1024, 0, 1}, {1024, 1, 2}, {1024, 2, 3}, {1024, 3, 4}});
  CHECK(chain.peak == 2048);
  const ArenaLayout together = lay_out_arena({{1000, 0, 3}, {1000, 1, 2}, {1, 2, 2}});
  CHECK(together.peak == 1024 + 1024 + 256);
  CHECK(lay_out_arena({}).peak == 0);
}

TEST_CASE("the arena refuses an empty lifetime") {
  expect_parts(error_of([] { lay_out_arena({{64, 0, 2}, {64, 5, 4}}); }), {"arena", "5", "4"});
}

}  // namespace
}  // namespace tsugi::test
