// Conversions and binary16 arithmetic of the PTX interpreter, against exact arithmetic in long double.
#include <cmath>
#include <limits>
#include <random>

#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::uint16_t;
using std::uint32_t;

/// The value of a half, by its definition.
long double value_of(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 0x3ff;
  const long double magnitude = exponent == 0 ? std::ldexp(static_cast<long double>(fraction), -24)
                                              : std::ldexp(static_cast<long double>(1024 + fraction), exponent - 25);
  return half >> 15 ? -magnitude : magnitude;
}

/// The half next to v, ties to even, found by looking.
uint16_t nearest_half(long double v) {
  const uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  const long double magnitude = std::fabs(v);
  uint16_t low = 0, high = 0x7c00;  // infinity stands for 65536
  if (magnitude >= value_of(high)) return sign | high;
  while (high - low > 1) {
    const uint16_t middle = static_cast<uint16_t>((low + high) / 2);
    (value_of(middle) <= magnitude ? low : high) = middle;
  }
  const long double below = magnitude - value_of(low), above = value_of(high) - magnitude;
  return sign | (below < above || (below == above && low % 2 == 0) ? low : high);
}

uint32_t converted(const std::string& body, uint32_t a, uint32_t b = 0) {
  return run(body, std::vector<Words>(32, Words{a, b, 0, 0}))[31][0];
}

uint32_t of_float(const std::string& body, float a) { return converted("mov.b32 %f1, %r1;" + body, bits_of(a)); }

uint16_t drawn_half(std::mt19937& random) {
  for (;;) {
    const uint16_t half = static_cast<uint16_t>(random());
    if ((half & 0x7c00) != 0x7c00) return half;
  }
}

}  // namespace

TEST_SUITE("ptx conversions") {
  TEST_CASE("integers are cut, and extended by the sign of their type") {
    CHECK(converted("cvt.s64.s32 %q1, %r1; mov.b64 {%r6, %r5}, %q1;", 0x80000000u) == 0xffffffffu);
    CHECK(converted("cvt.u64.u32 %q1, %r1; mov.b64 {%r6, %r5}, %q1;", 0x80000000u) == 0);
    CHECK(converted("cvt.u32.u64 %r5, 4294967297;", 0) == 1);
    CHECK(converted("cvt.s16.s8 %h1, %r1; cvt.s32.s16 %r5, %h1;", 0x80) == 0xffffff80u);
    CHECK(converted("cvt.u16.u8 %h1, %r1; cvt.u32.u16 %r5, %h1;", 0x1280) == 0x80);
  }

  TEST_CASE("floats become integers as their rounding says, clamped, and NaN 0") {
    CHECK(of_float("cvt.rni.s32.f32 %r5, %f1;", 2.5f) == 2);
    CHECK(of_float("cvt.rni.s32.f32 %r5, %f1;", -3.5f) == static_cast<uint32_t>(-4));
    CHECK(of_float("cvt.rzi.s32.f32 %r5, %f1;", -3.9f) == static_cast<uint32_t>(-3));
    CHECK(of_float("cvt.rmi.s32.f32 %r5, %f1;", -3.1f) == static_cast<uint32_t>(-4));
    CHECK(of_float("cvt.rpi.s32.f32 %r5, %f1;", 3.1f) == 4);
    CHECK(of_float("cvt.rzi.s32.f32 %r5, %f1;", 3e9f) == 0x7fffffffu);
    CHECK(of_float("cvt.rzi.u32.f32 %r5, %f1;", -1.0f) == 0);
    CHECK(of_float("cvt.rzi.u32.f32 %r5, %f1;", 1e20f) == 0xffffffffu);
    CHECK(of_float("cvt.rzi.s32.f32 %r5, %f1;", std::numeric_limits<float>::quiet_NaN()) == 0);
    CHECK(of_float("cvt.rzi.s64.f32 %q1, %f1; mov.b64 {%r6, %r5}, %q1;", std::numeric_limits<float>::quiet_NaN()) ==
          0x80000000u);
    CHECK(of_float("cvt.rni.f32.f32 %f2, %f1; mov.b32 %r5, %f2;", -0.4f) == 0x80000000u);
  }

  TEST_CASE("integers become the nearest float, ties to even") {
    CHECK(float_of(converted("cvt.rn.f32.s32 %f1, %r1; mov.b32 %r5, %f1;", 0x80000000u)) == -2147483648.0f);
    CHECK(float_of(converted("cvt.rn.f32.u32 %f1, %r1; mov.b32 %r5, %f1;", 16777217)) == 16777216.0f);
    CHECK(float_of(converted("cvt.rn.f32.u32 %f1, %r1; mov.b32 %r5, %f1;", 16777219)) == 16777220.0f);
    CHECK(converted("cvt.rn.f16.u32 %h1, %r1; cvt.u32.u16 %r5, %h1;", 2049) == nearest_half(2049.0L));
  }

  TEST_CASE("saturation keeps to 0 and 1, and NaN becomes 0") {
    const std::string program = "cvt.sat.f32.f32 %f2, %f1; mov.b32 %r5, %f2;";
    CHECK(float_of(of_float(program, 1.5f)) == 1.0f);
    CHECK(float_of(of_float(program, -0.5f)) == 0.0f);
    CHECK(float_of(of_float(program, 0.25f)) == 0.25f);
    CHECK(of_float(program, std::numeric_limits<float>::quiet_NaN()) == 0);
  }

  TEST_CASE("floats and doubles round to the nearest half, ties to even, subnormal ones too") {
    const std::uint64_t seed = fresh_seed();
    INFO("TSUGI_TEST_SEED=", seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::vector<Words> given;
    for (int i = 0; i < 1024; ++i) {
      const uint16_t half = drawn_half(random);
      const long double next = value_of(static_cast<uint16_t>(half + ((half & 0x7fff) == 0x7bff ? 0 : 1)));
      float v = static_cast<float>((value_of(half) + next) / 2);  // a tie
      if (i % 4 == 1) v = std::nextafterf(v, 1e9f);
      if (i % 4 == 2) v = std::nextafterf(v, -1e9f);
      if (i % 4 == 3) v = float_of(static_cast<uint32_t>(random()));
      given.push_back({bits_of(std::isnan(v) ? 1.0f : v), 0, 0, 0});
    }
    Setup setup;
    setup.threads = 1024;
    const auto got =
        run("mov.b32 %f1, %r1; cvt.rn.f16.f32 %h1, %f1; cvt.u32.u16 %r5, %h1; cvt.f64.f32 %d1, %f1; cvt.rn.f16.f64 "
            "%h2, %d1;"
            "cvt.u32.u16 %r6, %h2; cvt.rn.f16x2.f32 %r7, %f1, 0f3F800000; cvt.f32.f16 %f3, %h1; mov.b32 %r8, %f3;",
            given, setup);
    for (std::size_t i = 0; i < given.size(); ++i) {
      const float v = float_of(given[i][0]);
      const uint16_t want = nearest_half(v);
      INFO(v);
      REQUIRE(got[i][0] == want);
      REQUIRE(got[i][1] == want);
      REQUIRE(got[i][2] == (static_cast<uint32_t>(want) << 16 | 0x3c00u));
      if ((want & 0x7c00) != 0x7c00) REQUIRE(static_cast<long double>(float_of(got[i][3])) == value_of(want));
    }
  }

  TEST_CASE("sums, products and fused products of halves are rounded once") {
    const std::uint64_t seed = fresh_seed();
    INFO("TSUGI_TEST_SEED=", seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::vector<Words> given;
    for (int i = 0; i < 1024; ++i) {
      Words words;
      for (uint32_t& word : words) word = drawn_half(random) | static_cast<uint32_t>(drawn_half(random)) << 16;
      if (i % 3 == 0) {  // a product on a tie of halves, and an addend that turns it
        words[0] = 0x3c013c01u;
        words[1] = 0x3a003a00u;
        words[2] = i % 2 == 0 ? 0x00010001u : 0x80018001u;
      }
      given.push_back(words);
    }
    Setup setup;
    setup.threads = 1024;
    const auto got =
        run("add.f16x2 %r5, %r1, %r2; mul.f16x2 %r6, %r1, %r2; fma.rn.f16x2 %r7, %r1, %r2, %r3;"
            "cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2; cvt.u16.u32 %h3, %r3; fma.rn.f16 %h4, %h1, %h2, %h3;"
            "sub.f16 %h5, %h1, %h2; mov.b32 %r8, {%h4, %h5};",
            given, setup);
    for (std::size_t i = 0; i < given.size(); ++i) {
      for (const int shift : {0, 16}) {
        const auto operand = [&](std::size_t n) { return value_of(static_cast<uint16_t>(given[i][n] >> shift)); };
        const auto result = [&](std::size_t n) { return static_cast<uint16_t>(got[i][n] >> shift); };
        INFO(static_cast<double>(operand(0)), " ", static_cast<double>(operand(1)), " ",
             static_cast<double>(operand(2)));
        // -0 and +0 are one value of long double: their sums are not compared.
        const auto same = [](uint16_t a, uint16_t b) { return a == b || ((a | b) & 0x7fff) == 0; };
        REQUIRE(same(result(0), nearest_half(operand(0) + operand(1))));
        REQUIRE(same(result(1), nearest_half(operand(0) * operand(1))));
        // 64 bits of a long double hold the product and the sum but where the smaller cannot turn a tie.
        REQUIRE(same(result(2), nearest_half(operand(0) * operand(1) + operand(2))));
        if (shift != 0) continue;
        REQUIRE(same(static_cast<uint16_t>(got[i][3]), nearest_half(operand(0) * operand(1) + operand(2))));
        REQUIRE(same(static_cast<uint16_t>(got[i][3] >> 16), nearest_half(operand(0) - operand(1))));
      }
    }
  }

  TEST_CASE("the sign of halves is flipped and cleared, and their minimum ignores NaN") {
    CHECK(converted("neg.f16x2 %r5, %r1;", 0x3c00bc00u) == 0xbc003c00u);
    CHECK(converted("abs.f16x2 %r5, %r1;", 0x8001fc00u) == 0x00017c00u);
    CHECK(converted("cvt.u16.u32 %h1, %r1; neg.f16 %h2, %h1; cvt.u32.u16 %r5, %h2;", 0x3c00u) == 0xbc00u);
    CHECK(converted("min.f16x2 %r5, %r1, %r2;", 0x7e003c00u, 0x3c007e00u) == 0x3c003c00u);
    CHECK(converted("max.f16x2 %r5, %r1, %r2;", 0x3c004000u, 0x40003c00u) == 0x40004000u);
    CHECK(converted("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2; setp.gt.f16 %p1, %h1, %h2; selp.u32 %r5, 1, 0, %p1;",
                    0x4000u, 0x3c00u) == 1);
  }
}

}  // namespace test
}  // namespace tsugi
