// Checks of the shape structs: every size positive, every tensor and every output size within what its type can hold.
// All arithmetic is 64-bit and checked, because the sizes may come from a file.
#include <cstdint>
#include <limits>
#include <string>

#include "kernels/api/batch_norm.h"
#include "kernels/api/conv2d.h"
#include "kernels/api/dense.h"
#include "kernels/api/op_checker.h"
#include "kernels/api/pool.h"

namespace tsugi {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
/// Elements of a tensor: so many that their bytes, at most 8 an element, still fit a signed 64-bit offset.
constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 8;

/// A window (filter) along one axis: it must fit the padded input, whose size must fit an int.
void window_fits(const OpChecker& check, const char* axis, int input, int pad, int window) {
  const std::int64_t padded = static_cast<std::int64_t>(input) + 2 * static_cast<std::int64_t>(pad);
  if (padded > kMaxInt) {
    check.fail("padded input has " + std::to_string(padded) + " " + axis + ", expected at most " +
               std::to_string(kMaxInt));
  }
  if (window > padded) {
    check.fail("window of " + std::to_string(window) + " " + axis + " on a padded input of " + std::to_string(padded));
  }
}

/// The product of four sizes must stay countable.
void countable(const OpChecker& check, const char* tensor, std::int64_t a, std::int64_t b, std::int64_t c,
               std::int64_t d) {
  std::int64_t count = a;
  for (const std::int64_t size : {b, c, d}) {
    if (count > kMaxElements / size) {
      check.fail(std::string(tensor) + " of " + std::to_string(a) + " x " + std::to_string(b) + " x " +
                 std::to_string(c) + " x " + std::to_string(d) + ", expected at most " + std::to_string(kMaxElements) +
                 " elements");
    }
    count *= size;
  }
}

}  // namespace

void validate(const Conv2dShape& shape, const char* op) {
  const OpChecker check(op);
  check.at_least(
      {{"n", shape.n}, {"h", shape.h}, {"w", shape.w}, {"c", shape.c}, {"k", shape.k}, {"r", shape.r}, {"s", shape.s}},
      1);
  check.at_least({{"stride_h", shape.stride_h}, {"stride_w", shape.stride_w}}, 1);
  check.at_least({{"pad_h", shape.pad_h}, {"pad_w", shape.pad_w}}, 0);
  check.at_least("groups", shape.groups, 1);
  if (shape.c % shape.groups != 0) {
    check.fail("input has " + std::to_string(shape.c) + " channels, not a multiple of " + std::to_string(shape.groups) +
               " groups");
  }
  if (shape.k % shape.groups != 0) {
    check.fail("weights have " + std::to_string(shape.k) + " filters, not a multiple of " +
               std::to_string(shape.groups) + " groups");
  }
  window_fits(check, "rows", shape.h, shape.pad_h, shape.r);
  window_fits(check, "columns", shape.w, shape.pad_w, shape.s);
  countable(check, "input", shape.n, shape.h, shape.w, shape.c);
  countable(check, "weights", shape.k, shape.r, shape.s, shape.c / shape.groups);
  countable(check, "output", shape.n, shape.p(), shape.q(), shape.k);
}

void validate(const DenseShape& shape, const char* op) {
  OpChecker(op).at_least({{"n", shape.n}, {"in", shape.in}, {"out", shape.out}}, 1);
}

void validate(const BatchNormShape& shape, const char* op) {
  OpChecker(op).at_least({{"rows", shape.rows}, {"c", shape.c}}, 1);
}

void validate(const PoolShape& shape, const char* op) {
  const OpChecker check(op);
  check.at_least({{"n", shape.n}, {"h", shape.h}, {"w", shape.w}, {"c", shape.c}, {"r", shape.r}, {"s", shape.s}}, 1);
  check.at_least({{"stride_h", shape.stride_h}, {"stride_w", shape.stride_w}}, 1);
  check.at_least({{"pad_h", shape.pad_h}, {"pad_w", shape.pad_w}}, 0);
  if (shape.pad_h >= shape.r || shape.pad_w >= shape.s) {
    check.fail("padding " + std::to_string(shape.pad_h) + " x " + std::to_string(shape.pad_w) +
               ", expected less than the window, " + std::to_string(shape.r) + " x " + std::to_string(shape.s));
  }
  window_fits(check, "rows", shape.h, shape.pad_h, shape.r);
  window_fits(check, "columns", shape.w, shape.pad_w, shape.s);
  const std::int64_t positions = static_cast<std::int64_t>(shape.r) * shape.s;
  if (shape.kind == PoolKind::max && positions > 255) {
    check.fail("maximum over a window of " + std::to_string(positions) + " positions, expected at most 255");
  }
  countable(check, "input", shape.n, shape.h, shape.w, shape.c);
  countable(check, "output", shape.n, shape.p(), shape.q(), shape.c);
}

}  // namespace tsugi
