// When a loss counts as rising for good, and when it has recovered.
#include "engine/train/loss_trend.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

namespace {

constexpr double kGuessing = 3.4;  // some 30 people

void add(tsugi::LossTrend& trend, double loss, int steps) {
  for (int i = 0; i < steps; ++i) trend.add(loss, kGuessing);
}

}  // namespace

TEST_CASE("a loss is high before it is past guessing, stays so where nothing is left, and may recover") {
  tsugi::LossTrend trend;
  for (int i = 0; i < 60; ++i) trend.add(3.4 - 0.05 * i, kGuessing);
  CHECK_FALSE(trend.high);
  const double best = trend.best;
  int steps = 0;
  for (; !trend.high; ++steps) trend.add(6.0, kGuessing);
  CHECK(trend.lately < kGuessing);
  CHECK(steps < 10);
  add(trend, 3.3, 100);  // as bad as guessing
  CHECK(trend.high);
  CHECK(trend.best == best);
  add(trend, 1.0, 100);
  CHECK_FALSE(trend.high);
}

TEST_CASE("a rise from little that was learnt is over when most of it is back, not where it was noticed") {
  tsugi::LossTrend trend;
  add(trend, 2.8, 50);
  add(trend, 4.0, 50);
  CHECK_FALSE(trend.high);  // less than half again: noise may be that
  add(trend, 5.0, 50);
  CHECK(trend.high);
  add(trend, 3.1, 50);
  CHECK(trend.high);
  add(trend, 2.9, 50);
  CHECK_FALSE(trend.high);
}

TEST_CASE("a loss that is high from the first update on is told once ten steps were seen") {
  tsugi::LossTrend trend;
  trend.add(3.5, kGuessing);
  add(trend, 40.0, 8);
  CHECK_FALSE(trend.high);
  add(trend, 40.0, 1);
  CHECK(trend.high);
}

TEST_CASE("neither a bad start, nor an easy first batch, nor noise is a rise") {
  tsugi::LossTrend bad, easy, noisy;
  std::mt19937 generator(7);
  std::normal_distribution<double> noise(1.0, 0.2);  // of batches of three
  int risen = 0;
  for (int i = 0; i < 10000; ++i) {
    bad.add(20.0 * std::exp(-0.02 * i), kGuessing);      // an untrained network may be worse than guessing
    easy.add(i == 0 ? 0.001 : 1.5, kGuessing);           // a hand-over of whom nearly all are known
    noisy.add(kGuessing * noise(generator), kGuessing);  // nothing is learnt
    risen += bad.high + easy.high + noisy.high;
  }
  CHECK(risen == 0);
}
