// Dequantise-and-gather of a backend against the reference: aligned and ragged channels, rows of one element, rows that
// repeat and stay away, levels 0 and 255, and a channel of one value.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

constexpr int kRows = 5;

struct Inputs {
  DequantizeGather op;  ///< sizes
  std::vector<std::uint8_t> rows;
  std::vector<std::uint32_t> index;
  Values scale, offset;
};

Inputs draw(int n, int pixels, int c, Random& random) {
  Inputs in;
  in.op.n = n;
  in.op.count = pixels * c;
  in.op.c = c;
  in.rows = random.integers<std::uint8_t>(static_cast<std::size_t>(kRows) * pixels * c, 0, 255);
  in.rows.front() = 0;
  in.rows.back() = 255;
  in.index = random.integers<std::uint32_t>(static_cast<std::size_t>(n), 0, kRows - 1);
  in.index.back() = kRows - 1;
  in.scale = random.uniform(static_cast<std::size_t>(c), DType::f32, 0.001f, 0.1f);
  in.offset = random.normal(static_cast<std::size_t>(c), DType::f32, 0.0f, 2.0f);
  in.scale.back() = 0.0f;  // all its values are the offset
  return in;
}

/// shift: elements that the tables, and x, lie past an aligned address.
Values dequantize(Backend& backend, DType dtype, const Inputs& in, std::size_t shift) {
  Run run(backend, dtype);
  DequantizeGather op = in.op;
  op.dtype = dtype;
  op.rows = run.in_raw(in.rows);
  op.index = run.in_raw(in.index);
  run.shift(shift);
  op.scale = run.in_f32(in.scale);
  op.offset = run.in_f32(in.offset);
  op.x = run.out(static_cast<std::size_t>(op.n) * static_cast<std::size_t>(op.count));
  backend.dequantize_gather(op);
  run.finish();
  return run.read(op.x);
}

/// |offset| + |scale level|: a multiplication and an addition round, or one fused operation does.
Values magnitude(const Inputs& in) {
  Values result;
  const auto count = static_cast<std::size_t>(in.op.count), c = static_cast<std::size_t>(in.op.c);
  for (const std::uint32_t row : in.index)
    for (std::size_t e = 0; e < count; ++e)
      result.push_back(std::fabs(in.offset[e % c]) + in.scale[e % c] * static_cast<float>(in.rows[row * count + e]));
  return result;
}

}  // namespace

void check_dequantize_gather(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  Random random(12);
  const int sizes[][3] = {{7, 16, 32}, {3, 9, 17},  {1, 1, 1},   {4, 3, 15},   {2, 5, 8},   {6, 1, 40},
                          {2, 7, 4},   {5, 700, 3}, {3, 33, 64}, {2, 1, 2051}, {1, 40, 12}, {2, 2500, 8}};
  for (const auto& size : sizes) {
    CAPTURE(size[0]);
    CAPTURE(size[1]);
    CAPTURE(size[2]);
    const Inputs in = draw(size[0], size[1], size[2], random);
    const Values want = dequantize(*reference, dtype, in, 0);
    for (const std::size_t shift : {std::size_t{0}, std::size_t{1}}) {
      CAPTURE(shift);
      const Values got = dequantize(backend, dtype, in, shift);
      expect_close("x", got, want, magnitude(in), {dtype, few_operations(2)});
      expect_identical("x of a second call", dequantize(backend, dtype, in, shift), got);
    }
    // A row depends on nothing but itself: the last one alone is the same bit for bit.
    Inputs alone = in;
    alone.op.n = 1;
    alone.index = {in.index.back()};
    const Values last = dequantize(backend, dtype, alone, 0), all = dequantize(backend, dtype, in, 0);
    expect_identical("a row alone", last, Values(all.end() - static_cast<std::ptrdiff_t>(last.size()), all.end()));
  }
}

}  // namespace test
}  // namespace tsugi
