// Half arithmetic bit by bit, shuffles and votes, and the matrix instruction against a plain product.
#define TSUGI_SIMT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/simt/runtime_simt.h"

namespace tsugi {
namespace simt {
namespace {

constexpr unsigned kAllLanes = 0xffffffffu;

/// The half nearest to v (finite), ties to even, by search among all of them: no arithmetic in common with half.h.
std::uint16_t nearest_half(long double v) {
  const bool negative = std::signbit(v);
  const long double magnitude = std::fabs(v);
  const auto value = [](int bits) {  // of a positive half; 0x7c00, infinity, counts as 2^16
    const int exponent = bits >> 10, fraction = bits & 0x3ff;
    return exponent == 0 ? std::ldexp(static_cast<long double>(fraction), -24)
                         : std::ldexp(static_cast<long double>(1024 + fraction), exponent - 25);
  };
  int low = 0, high = 0x7c00;
  if (magnitude >= value(high)) low = high;
  while (high - low > 1) {  // value(low) <= magnitude < value(high)
    const int middle = (low + high) / 2;
    (value(middle) <= magnitude ? low : high) = middle;
  }
  int nearest = low;
  if (low != 0x7c00) {
    const long double below = magnitude - value(low), above = value(low + 1) - magnitude;
    nearest = below < above || (below == above && low % 2 == 0) ? low : low + 1;
  }
  return static_cast<std::uint16_t>(nearest | (negative ? 0x8000 : 0));
}

long double exact(std::uint16_t bits) { return detail::half_value_software(bits); }

struct WarpParams {
  const float* in;
  float* out;
  int width;
};

__global__ void shuffle(const WarpParams p) {
  const unsigned t = threadIdx.x;
  float* out = p.out + t * 8;
  const float v = p.in[t];
  const int w = p.width;
  out[0] = __shfl_sync(kAllLanes, v, 5, w);
  out[1] = __shfl_up_sync(kAllLanes, v, 3u, w);
  out[2] = __shfl_down_sync(kAllLanes, v, 3u, w);
  out[3] = __shfl_xor_sync(kAllLanes, v, 6, w);
  out[4] = static_cast<float>(__ballot_sync(kAllLanes, t % 5 == 0) >> 8);  // 24 bits: exact in a float
  out[5] = static_cast<float>(__any_sync(kAllLanes, t == 40) * 2 + __all_sync(kAllLanes, t >= 32));
  const unsigned half_mask = t % 2 != 0 ? 0xaaaaaaaau : 0x55555555u;
  out[6] = static_cast<float>(__shfl_xor_sync(half_mask, static_cast<int>(t), 2));
  float sum = v;  // a partial warp that has parted ways
  if (t % 32 < 8) {
    for (int step = 4; step > 0; step /= 2) sum += __shfl_xor_sync(0xffu, sum, step);
  }
  __syncwarp();
  out[7] = sum;
}

struct MatrixParams {
  const std::uint16_t* a;  ///< [16][8]
  const std::uint16_t* b;  ///< [8][8], row k, column n
  const float* c;          ///< [16][8]
  float* d;                ///< [16][8]
};

// The layouts of the PTX manual, element by element: a pair of A lies at row groupID (+8), columns 2 threadID_in_group
// and the next; a pair of B at rows 2 threadID_in_group and the next, column groupID.
__global__ void multiply(const MatrixParams p) {
  const unsigned lane = threadIdx.x, group = lane >> 2, in_group = lane % 4;
  unsigned a[2], b = 0;
  float c[4], d[4];
  for (unsigned i = 0; i < 2; ++i) {
    const std::uint16_t* row = p.a + (group + 8 * i) * 8 + in_group * 2;
    a[i] = row[0] | static_cast<unsigned>(row[1]) << 16;
  }
  b = p.b[in_group * 2 * 8 + group] | static_cast<unsigned>(p.b[(in_group * 2 + 1) * 8 + group]) << 16;
  for (unsigned i = 0; i < 4; ++i) c[i] = p.c[(group + (i < 2 ? 0 : 8)) * 8 + in_group * 2 + (i & 1)];
  mma_m16n8k8(d, a, b, c);
  for (unsigned i = 0; i < 4; ++i) p.d[(group + (i < 2 ? 0 : 8)) * 8 + in_group * 2 + (i & 1)] = d[i];
}

}  // namespace

TEST_SUITE("simt warp") {
  TEST_CASE("all 65536 halves convert exactly, and the hardware's conversion agrees with the software's") {
    for (unsigned i = 0; i < 65536; ++i) {
      const __half h = __ushort_as_half(static_cast<unsigned short>(i));
      const float software = detail::half_value_software(h.bits), used = __half2float(h);
      REQUIRE(__float_as_uint(software) == __float_as_uint(used));
      REQUIRE(std::isnan(used) == __hisnan(h));
      REQUIRE(float_to_half(used) == __float2half_rn(used).bits);
      if (!__hisnan(h)) REQUIRE(__float2half_rn(used).bits == h.bits);
      if (!__hisnan(h) && !__hisinf(h)) REQUIRE(nearest_half(used) == h.bits);
    }
  }

  TEST_CASE("floats round to the nearest half, ties to even, hardware and software alike") {
    std::mt19937 random(7);
    const auto check = [](std::uint32_t bits) {
      const float v = __uint_as_float(bits);
      REQUIRE_MESSAGE(float_to_half(v) == __float2half_rn(v).bits, v);
      if (std::isfinite(v)) REQUIRE_MESSAGE(nearest_half(v) == __float2half_rn(v).bits, v);
    };
    for (int i = 0; i < 200000; ++i) check(static_cast<std::uint32_t>(random()));
    for (std::uint16_t h = 0; h < 0x7c00; h = static_cast<std::uint16_t>(h + 3)) {  // around every third tie
      const float tie =
          static_cast<float>((exact(h) + (h == 0x7bff ? 65536.0L : exact(static_cast<std::uint16_t>(h + 1)))) / 2);
      for (std::uint32_t near = __float_as_uint(tie) - 1; near <= __float_as_uint(tie) + 1; ++near) check(near);
    }
  }

  TEST_CASE("half sums, products and fused multiply-adds round once") {
    std::mt19937 random(11);
    int ties = 0;
    for (int i = 0; i < 300000; ++i) {
      std::uint16_t v[3];
      for (std::uint16_t& bits : v) {
        do bits = static_cast<std::uint16_t>(random());
        while ((bits & 0x7c00) == 0x7c00);
      }
      if (i % 3 == 0) {  // a product on a tie beside a tiny or a huge c: rounding twice goes wrong here
        v[0] = static_cast<std::uint16_t>(0x3c00 | (v[0] & 0x3ff));
        v[1] = static_cast<std::uint16_t>(0x3c00 | (v[1] & 0x3e0));
        v[2] = static_cast<std::uint16_t>(v[2] & 0x83ff);
      }
      const __half a{v[0]}, b{v[1]}, c{v[2]};
      // 64 bits of mantissa hold a product (22 bits) plus a half (11) unless they lie more than 40 bits apart.
      const long double product = exact(v[0]) * exact(v[1]);
      long double sum = product + exact(v[2]);
      const long double lost = (product - (sum - (sum - product))) + (exact(v[2]) - (sum - product));
      if (lost != 0) sum = std::nextafter(sum, lost > 0 ? HUGE_VALL : -HUGE_VALL);  // off any tie, to the right side
      REQUIRE_MESSAGE(
          (__hfma(a, b, c).bits & (sum == 0 ? 0x7fff : 0xffff)) == (nearest_half(sum) & (sum == 0 ? 0x7fff : 0xffff)),
          v[0] << " * " << v[1] << " + " << v[2]);
      ties += __hfma(a, b, c).bits != __float2half_rn(fmaf(__half2float(a), __half2float(b), __half2float(c))).bits;
      REQUIRE(__hmul(a, b).bits == nearest_half(product));
      const long double plain = exact(v[0]) + exact(v[1]);
      if (plain != 0) REQUIRE(__hadd(a, b).bits == nearest_half(plain));
      const __half2 pair = __hfma2(__halves2half2(a, b), __halves2half2(b, c), __halves2half2(c, a));
      REQUIRE(__low2half(pair).bits == __hfma(a, b, c).bits);
      REQUIRE(__high2half(pair).bits == __hfma(b, c, a).bits);
    }
    CHECK(ties > 0);  // the cases that the test is about did occur
    CHECK(__hfma(__float2half_rn(65504.0f), __float2half_rn(2.0f), __float2half_rn(0.0f)).bits == 0x7c00);
    CHECK(__half2().x.bits == 0);
  }

  TEST_CASE("shuffles and votes see the lanes that CUDA's do") {
    for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::shuffled}) {
      for (const int width : {32, 16, 8}) {
        SimtRuntime runtime(75, order, 5);
        float* const in = static_cast<float*>(runtime.allocate(64 * sizeof(float)));
        float* const out = static_cast<float*>(runtime.allocate(64 * 8 * sizeof(float)));
        for (int i = 0; i < 64; ++i) in[i] = static_cast<float>(i * i);
        runtime.launch("shuffle", &shuffle, dim3(1), dim3(64), WarpParams{in, out, width});
        for (int t = 0; t < 64; ++t) {
          CAPTURE(t);
          CAPTURE(width);
          const int in_segment = t % width, segment = t - in_segment;
          CHECK(out[t * 8 + 0] == in[segment + 5]);
          CHECK(out[t * 8 + 1] == in[in_segment >= 3 ? t - 3 : t]);
          CHECK(out[t * 8 + 2] == in[in_segment + 3 < width ? t + 3 : t]);
          CHECK(out[t * 8 + 3] == in[t ^ 6]);
          unsigned votes = 0;
          for (unsigned lane = 8; lane < 32; ++lane) {
            votes |= ((static_cast<unsigned>(t) / 32 * 32 + lane) % 5 == 0 ? 1u : 0u) << (lane - 8);
          }
          CHECK(out[t * 8 + 4] == static_cast<float>(votes));
          CHECK(out[t * 8 + 5] == (t < 32 ? 0.0f : 3.0f));
          CHECK(out[t * 8 + 6] == static_cast<float>(t ^ 2));
          float sum = in[t];
          if (t % 32 < 8) {
            sum = 0;
            for (int i = 0; i < 8; ++i) sum += in[t / 32 * 32 + i];
          }
          CHECK(out[t * 8 + 7] == sum);
        }
      }
    }
  }

  TEST_CASE("the matrix instruction is a matrix product in the layouts of the PTX manual") {
    SimtRuntime runtime(75, ThreadOrder::shuffled, 3);
    auto* const a = static_cast<std::uint16_t*>(runtime.allocate(128 * 2));
    auto* const b = static_cast<std::uint16_t*>(runtime.allocate(64 * 2));
    auto* const c = static_cast<float*>(runtime.allocate(128 * 4));
    auto* const d = static_cast<float*>(runtime.allocate(128 * 4));
    std::mt19937 random(17);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 128; ++i) a[i] = __float2half_rn(uniform(random)).bits, c[i] = uniform(random);
      for (int i = 0; i < 64; ++i) b[i] = __float2half_rn(uniform(random)).bits;
      runtime.launch("multiply", &multiply, dim3(1), dim3(32), MatrixParams{a, b, c, d});
      for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 8; ++column) {
          double sum = c[row * 8 + column];
          for (int k = 0; k < 8; ++k)
            sum += static_cast<double>(exact(a[row * 8 + k])) * static_cast<double>(exact(b[k * 8 + column]));
          // Nine roundings to float32 of partial sums below 9.
          CHECK(std::fabs(d[row * 8 + column] - sum) <= 9 * 9 * 6e-8);
        }
      }
    }
  }
}

}  // namespace simt
}  // namespace tsugi
