// Results of warp calls, and half arithmetic too rare to inline.
#include <cmath>

#include "kernels/simt/block.h"

namespace tsugi {
namespace simt {
namespace detail {
namespace {

/// The lane that a shuffle reads from; the lane itself where its source lies outside its segment.
unsigned source_lane(const WarpCall& call, unsigned lane) {
  const unsigned first = lane & ~(call.width - 1), last = first + call.width - 1;
  switch (call.op) {
    case WarpOp::shuffle:
      return first | (call.argument & (call.width - 1));
    case WarpOp::shuffle_up:
      return call.argument > lane - first ? lane : lane - call.argument;
    case WarpOp::shuffle_down:
      return call.argument > last - lane ? lane : lane + call.argument;
    default: {
      const unsigned source = (lane ^ call.argument) & 31u;
      return source > last ? lane : source;
    }
  }
}

void multiply_fragments(const std::array<WarpCall*, 32>& calls) {
  float a[16][8], b[8][8], d[16][8];
  const auto low = [](unsigned pair) { return __half2float({static_cast<std::uint16_t>(pair)}); };
  const auto high = [](unsigned pair) { return __half2float({static_cast<std::uint16_t>(pair >> 16)}); };
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    const WarpCall& call = *calls[lane];
    for (unsigned h = 0; h < 2; ++h) {
      a[g + 8 * h][2 * t] = low(call.a[h]);
      a[g + 8 * h][2 * t + 1] = high(call.a[h]);
      d[g + 8 * h][2 * t] = call.c[2 * h];
      d[g + 8 * h][2 * t + 1] = call.c[2 * h + 1];
    }
    b[2 * t][g] = low(call.value);
    b[2 * t + 1][g] = high(call.value);
  }
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned k = 0; k < 8; ++k) {
      for (unsigned column = 0; column < 8; ++column) d[row][column] = fmaf(a[row][k], b[k][column], d[row][column]);
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; ++i) calls[lane]->d[i] = d[g + 8 * (i / 2)][2 * t + i % 2];
  }
}

}  // namespace

int complete_warp_call(const std::array<WarpCall*, 32>& calls, unsigned mask) {
  const WarpOp op = calls[static_cast<unsigned>(__builtin_ctz(mask))]->op;
  if (op == WarpOp::mma) {
    multiply_fragments(calls);
    return -1;
  }
  if (op == WarpOp::sync || op == WarpOp::ballot || op == WarpOp::any || op == WarpOp::all) {
    unsigned votes = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
      const unsigned lane = static_cast<unsigned>(__builtin_ctz(rest));
      votes |= calls[lane]->value << lane;
    }
    const unsigned result = op == WarpOp::any ? votes != 0 : op == WarpOp::all ? votes == mask : votes;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1)
      calls[static_cast<unsigned>(__builtin_ctz(rest))]->result = result;
    return -1;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned lane = static_cast<unsigned>(__builtin_ctz(rest));
    const unsigned source = source_lane(*calls[lane], lane);
    if ((mask >> source & 1u) == 0) return static_cast<int>(lane);
    calls[lane]->result = calls[source]->value;
  }
  return -1;
}

const char* name_of(WarpOp op) {
  static const char* const names[] = {"__syncwarp",       "__shfl_sync",     "__shfl_up_sync",
                                      "__shfl_down_sync", "__shfl_xor_sync", "__ballot_sync",
                                      "__any_sync",       "__all_sync",      "mma_m16n8k8"};
  return names[static_cast<int>(op)];
}

// a * b is exact in float64. Their sum with c is rounded to odd there: the error of a sum of two is a float64 itself
// (Knuth's TwoSum), and setting the last bit where it is not zero keeps what the rounding to half needs to know.
std::uint16_t half_fma_tie(float a, float b, float c) {
  const double product = static_cast<double>(a) * b;
  const double sum = product + c;
  if (!std::isfinite(sum)) return float_to_half(static_cast<float>(sum));
  const double of_c = sum - product;
  const double error = (product - (sum - of_c)) + (c - of_c);
  // Scaled by the unit of the half: an integer part of at most 11 bits and a fraction to round.
  int exponent = 0;
  std::frexp(sum, &exponent);  // |sum| in [2^(exponent-1), 2^exponent)
  const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
  const double scaled = std::ldexp(sum, -unit);
  double nearest = std::nearbyint(scaled);  // ties to even
  const double rest = scaled - nearest;     // exact
  if (rest == 0.5 && error > 0.0) nearest += 1.0;
  if (rest == -0.5 && error < 0.0) nearest -= 1.0;
  // A tie went to the even neighbour: the error decides in its place.
  return float_to_half(static_cast<float>(std::ldexp(nearest, unit)));
}

}  // namespace detail
}  // namespace simt
}  // namespace tsugi
