// The order of an epoch, plain and balanced.
#include "engine/data/sample_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/data_path/image_files.h"

using namespace tsugi_test;
using tsugi::balanced_order;
using tsugi::shuffled_order;
using Order = std::vector<std::uint32_t>;

TEST_CASE("a shuffled epoch holds every sample once, and changes with seed and epoch only") {
  for (const auto& [photos, variants] : {std::pair<std::size_t, std::uint32_t>{1, 1}, {1, 9}, {7, 1}, {113, 9}}) {
    Order order = shuffled_order(photos, variants, 5, 2);
    CHECK(order == shuffled_order(photos, variants, 5, 2));
    if (photos > 1) {
      CHECK(order != shuffled_order(photos, variants, 6, 2));
      CHECK(order != shuffled_order(photos, variants, 5, 3));
    }
    std::sort(order.begin(), order.end());
    REQUIRE(order.size() == photos * variants);
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == i);
  }
  CHECK(shuffled_order(0, 9, 1, 0).empty());
}

TEST_CASE("every place of a shuffled epoch gets every sample about equally often") {
  int counts[6][6] = {};
  const int epochs = 3000;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const Order order = shuffled_order(6, 1, 1, epoch);
    for (int place = 0; place < 6; ++place) ++counts[place][order[place]];
  }
  // Binomial: 3000 draws at 1/6, standard deviation 20.4; six of them.
  for (const auto& row : counts) {
    for (const int count : row) CHECK(std::abs(count - epochs / 6) < 123);
  }
}

TEST_CASE("balanced order shows every class equally often, in every stretch") {
  std::vector<int> labels(3, 0);
  labels.insert(labels.end(), 40, 2);  // class 1 has no photo
  labels.insert(labels.end(), 11, 3);
  const std::uint32_t variants = 4;
  const Order order = balanced_order(labels, variants, 500, 9, 1);
  REQUIRE(order.size() == 500);
  for (const std::size_t length : {1, 2, 3, 10, 64, 500}) {
    for (std::size_t start = 0; start + length <= order.size(); start += 7) {
      int counts[4] = {};
      for (std::size_t i = start; i < start + length; ++i) ++counts[labels[order[i] / variants]];
      CHECK(counts[1] == 0);
      const int limit = start == 0 ? 1 : 2;
      CHECK(std::max({counts[0], counts[2], counts[3]}) - std::min({counts[0], counts[2], counts[3]}) <= limit);
    }
  }
}

TEST_CASE("balanced order repeats a photo only after all of its class, and a variant only after all of the photo") {
  std::vector<int> labels(5, 0);
  labels.insert(labels.end(), 13, 1);
  const std::uint32_t variants = 3;
  const Order order = balanced_order(labels, variants, 200, 4, 0);
  std::map<int, Order> of_class;
  for (const std::uint32_t sample : order) of_class[labels[sample / variants]].push_back(sample);
  for (const auto& [label, samples] : of_class) {
    const std::size_t count = label == 0 ? 5 : 13;
    for (std::size_t start = 0; start + count <= samples.size(); start += count) {
      std::set<std::uint32_t> photos;
      for (std::size_t i = start; i < start + count; ++i) photos.insert(samples[i] / variants);
      CHECK(photos.size() == count);
    }
    const std::size_t all = count * variants;
    for (std::size_t start = 0; start + all <= samples.size(); start += all) {
      CHECK(std::set<std::uint32_t>(samples.begin() + static_cast<std::ptrdiff_t>(start),
                                    samples.begin() + static_cast<std::ptrdiff_t>(start + all))
                .size() == all);
    }
  }
}

TEST_CASE("balanced order is a function of its arguments, and its start does not depend on its length") {
  const std::vector<int> labels = {0, 1, 0, 1, 1, 2, 2, 0};
  const Order order = balanced_order(labels, 9, 100, 1, 1);
  CHECK(order == balanced_order(labels, 9, 100, 1, 1));
  CHECK(order != balanced_order(labels, 9, 100, 2, 1));
  CHECK(order != balanced_order(labels, 9, 100, 1, 2));
  Order start = balanced_order(labels, 9, 1000, 1, 1);
  start.resize(100);
  CHECK(start == order);
  CHECK(balanced_order(labels, 9, 0, 1, 1).empty());
}

TEST_CASE("orders refuse unusable arguments with both values") {
  CHECK(holds_all(error_of([] { shuffled_order(5, 0, 1, 0); }), {"variants is 0"}));
  CHECK(holds_all(error_of([] { shuffled_order(1u << 31, 9, 1, 0); }), {"2147483648 photos x 9", "4294967295"}));
  CHECK(holds_all(error_of([] { balanced_order({}, 9, 10, 1, 0); }), {"0 photos"}));
  CHECK(holds_all(error_of([] { balanced_order({0, -1}, 9, 10, 1, 0); }), {"label is -1"}));
  CHECK(holds_all(error_of([] { balanced_order({0}, 0, 10, 1, 0); }), {"variants is 0"}));
}
