// f16 and f16x2 arithmetic. Sums and products of two halves are rounded from float: as if rounded once, since 24 bits
// are at least 2 x 11 + 2. Source: PTX ISA, "Half precision floating point instructions".
#include "kernels/ptx/halves.h"

#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

struct Add {
  static float of(float a, float b) { return a + b; }
};
struct Subtract {
  static float of(float a, float b) { return a - b; }
};
struct Multiply {
  static float of(float a, float b) { return a * b; }
};
struct Minimum {
  static float of(float a, float b) {
    if (a != a) return b;
    if (b != b) return a;
    return a == b ? (std::signbit(a) ? a : b) : a < b ? a : b;
  }
};
struct Maximum {
  static float of(float a, float b) {
    if (a != a) return b;
    if (b != b) return a;
    return a == b ? (std::signbit(a) ? b : a) : a > b ? a : b;
  }
};

/// Of one half or, for f16x2, both: `part` computes the halves that stand at `shift`.
template <bool kPair, typename Part>
void by_parts(Warp& warp, const Instruction& i, Part part) {
  std::uint32_t low[kWarp], high[kWarp] = {};
  part(0, low);
  if (kPair) part(16, high);
  each_lane(warp, warp.lanes<std::uint32_t>(i.to[0]), [&](int lane) { return low[lane] | high[lane] << 16; });
}

template <typename Op, bool kPair>
void two(Warp& warp, const Instruction& i) {
  by_parts<kPair>(warp, i, [&](int shift, std::uint32_t* halves) {
    float a[kWarp], b[kWarp];
    floats_of(warp.lanes<std::uint32_t>(i.from[0]), shift, a);
    floats_of(warp.lanes<std::uint32_t>(i.from[1]), shift, b);
    for (int lane = 0; lane < kWarp; ++lane) a[lane] = Op::of(a[lane], b[lane]);
    halves_of(a, halves);
  });
}

template <bool kPair>
void multiply_add(Warp& warp, const Instruction& i) {
  by_parts<kPair>(warp, i, [&](int shift, std::uint32_t* halves) {
    float a[kWarp], b[kWarp], c[kWarp];
    floats_of(warp.lanes<std::uint32_t>(i.from[0]), shift, a);
    floats_of(warp.lanes<std::uint32_t>(i.from[1]), shift, b);
    floats_of(warp.lanes<std::uint32_t>(i.from[2]), shift, c);
    fused_halves(a, b, c, halves);
  });
}

template <std::uint32_t bits>
struct Flip {
  static std::uint32_t of(std::uint32_t a) { return a ^ bits; }
};
template <std::uint32_t bits>
struct Clear {
  static std::uint32_t of(std::uint32_t a) { return a & ~bits; }
};

template <template <std::uint32_t> class Op>
Operation sign(const Form& form) {
  const bool pair = form.type() == "f16x2";
  return {
      pair ? unary<std::uint32_t, std::uint32_t, Op<0x80008000u>> : unary<std::uint32_t, std::uint32_t, Op<0x8000u>>,
      "4", "4"};
}

template <typename Op>
Operation of_two(const Form& form) {
  return {form.type() == "f16x2" ? two<Op, true> : two<Op, false>, "4", "44"};
}

}  // namespace

const std::vector<Row>& half_rows() {
  static const std::vector<Row> rows = {
      {"add", "rn", of_two<Add>},
      {"sub", "rn", of_two<Subtract>},
      {"mul", "rn", of_two<Multiply>},
      {"fma", "rn",
       [](const Form& form) -> Operation {
         return {form.type() == "f16x2" ? multiply_add<true> : multiply_add<false>, "4", "444"};
       }},
      {"min", "", of_two<Minimum>},
      {"max", "", of_two<Maximum>},
      {"neg", "", sign<Flip>},
      {"abs", "", sign<Clear>},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
