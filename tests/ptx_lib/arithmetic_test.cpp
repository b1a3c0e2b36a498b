// Integer and floating-point arithmetic of the PTX interpreter, at the edges: wrapping, signs, ties, NaN.
#include <cfenv>
#include <cmath>
#include <limits>
#include <random>

#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::int32_t;
using std::uint32_t;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<uint32_t> kEdges = {0,           1,           2,           7,           0x7fffffffu,
                                      0x80000000u, 0x80000001u, 0xffffffffu, 0xfffffffeu, 0x12345678u};

/// Every edge with every other, and some drawn ones.
std::vector<Words> pairs(std::uint64_t seed) {
  std::vector<Words> all;
  for (const uint32_t a : kEdges)
    for (const uint32_t b : kEdges) all.push_back({a, b, a * 3 + b, 0});
  std::mt19937 random(static_cast<unsigned>(seed));
  while (all.size() < 256)
    all.push_back(
        {static_cast<uint32_t>(random()), static_cast<uint32_t>(random()), static_cast<uint32_t>(random()), 0});
  return all;
}

template <typename Want>
void check(const std::string& instruction, const Want& want) {
  const std::uint64_t seed = fresh_seed();
  INFO(instruction, "; TSUGI_TEST_SEED=", seed);
  const std::vector<Words> given = pairs(seed);
  Setup setup;
  setup.threads = static_cast<uint32_t>(given.size());
  const std::vector<Words> got = run(instruction, given, setup);
  for (std::size_t i = 0; i < given.size(); ++i) {
    INFO("of ", given[i][0], ", ", given[i][1], ", ", given[i][2]);
    REQUIRE(got[i][0] == want(given[i][0], given[i][1], given[i][2]));
  }
}

int32_t sign(uint32_t v) { return static_cast<int32_t>(v); }
uint32_t word(std::int64_t v) { return static_cast<uint32_t>(v); }
std::uint64_t wide(uint32_t v) { return v; }

/// The result of one float instruction on words that are floats.
float one(const std::string& instruction, float a, float b = 0.0f, float c = 0.0f) {
  const Words given = {bits_of(a), bits_of(b), bits_of(c), 0};
  const auto got = run("mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;" + instruction + "mov.b32 %r5, %f0;",
                       std::vector<Words>(32, given));
  for (const Words& words : got) REQUIRE(words[0] == got[0][0]);
  return float_of(got[0][0]);
}

/// a * b + c rounded as `mode` of <cfenv> says, by the host's own instruction.
float fused_by_host(float a, float b, float c, int mode) {
  const volatile float x = a, y = b, z = c;
  std::fesetround(mode);
  const volatile float result = std::fmaf(x, y, z);
  std::fesetround(FE_TONEAREST);
  return result;
}

}  // namespace

TEST_SUITE("ptx arithmetic") {
  TEST_CASE("integers wrap") {
    check("add.s32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a + b; });
    check("sub.u32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a - b; });
    check("mul.lo.s32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a * b; });
    check("mad.lo.s32 %r5, %r1, %r2, %r3;", [](uint32_t a, uint32_t b, uint32_t c) { return a * b + c; });
    check("neg.s32 %r5, %r1;", [](uint32_t a, uint32_t, uint32_t) { return 0 - a; });
    check("abs.s32 %r5, %r1;", [](uint32_t a, uint32_t, uint32_t) { return sign(a) < 0 ? 0 - a : a; });
    check("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r2; add.s16 %h3, %h1, %h2; cvt.u32.u16 %r5, %h3;",
          [](uint32_t a, uint32_t b, uint32_t) { return (a + b) & 0xffffu; });
  }

  TEST_CASE("high halves and wide products keep the sign of their type") {
    check("mul.hi.u32 %r5, %r1, %r2;",
          [](uint32_t a, uint32_t b, uint32_t) { return static_cast<uint32_t>(wide(a) * b >> 32); });
    check("mul.hi.s32 %r5, %r1, %r2;",
          [](uint32_t a, uint32_t b, uint32_t) { return word(static_cast<std::int64_t>(sign(a)) * sign(b) >> 32); });
    check("mad.hi.u32 %r5, %r1, %r2, %r3;",
          [](uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>(wide(a) * b >> 32) + c; });
    check("mul.wide.s32 %q1, %r1, %r2; shr.u64 %q1, %q1, 32; cvt.u32.u64 %r5, %q1;",
          [](uint32_t a, uint32_t b, uint32_t) { return word(static_cast<std::int64_t>(sign(a)) * sign(b) >> 32); });
    check("cvt.u64.u32 %q2, %r3; mad.wide.u32 %q1, %r1, %r2, %q2; shr.u64 %q1, %q1, 32; cvt.u32.u64 %r5, %q1;",
          [](uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>((wide(a) * b + c) >> 32); });
    check("mul.wide.u32 %q1, %r1, -2; cvt.u32.u64 %r5, %q1;",
          [](uint32_t a, uint32_t, uint32_t) { return a * 0xfffffffeu; });
  }

  TEST_CASE("division truncates, and by zero it gives all ones and the dividend") {
    const auto undefined = [](uint32_t a, uint32_t b) { return b == 0 || (a == 0x80000000u && b == 0xffffffffu); };
    check("div.s32 %r5, %r1, %r2;", [&](uint32_t a, uint32_t b, uint32_t) {
      return undefined(a, b) ? (b == 0 ? 0xffffffffu : a) : word(sign(a) / sign(b));
    });
    check("rem.s32 %r5, %r1, %r2;", [&](uint32_t a, uint32_t b, uint32_t) {
      return undefined(a, b) ? (b == 0 ? a : 0) : word(sign(a) % sign(b));
    });
    check("div.u32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return b == 0 ? 0xffffffffu : a / b; });
    check("rem.u32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return b == 0 ? a : a % b; });
  }

  TEST_CASE("minimum and maximum know signed from unsigned") {
    check("min.s32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return sign(a) < sign(b) ? a : b; });
    check("max.u32 %r5, %r1, %r2;", [](uint32_t a, uint32_t b, uint32_t) { return a > b ? a : b; });
  }

  TEST_CASE("of a NaN and a number, minimum and maximum are the number, and -0 is below +0") {
    CHECK(one("min.f32 %f0, %f1, %f2;", kNan, 3.0f) == 3.0f);
    CHECK(one("max.f32 %f0, %f1, %f2;", -1.0f, kNan) == -1.0f);
    CHECK(std::isnan(one("min.f32 %f0, %f1, %f2;", kNan, kNan)));
    CHECK(std::signbit(one("min.f32 %f0, %f1, %f2;", 0.0f, -0.0f)));
    CHECK_FALSE(std::signbit(one("max.f32 %f0, %f1, %f2;", -0.0f, 0.0f)));
    CHECK(one("min.f32 %f0, %f1, %f2;", -kInfinity, 5.0f) == -kInfinity);
  }

  TEST_CASE("fma rounds once, and mul with add twice") {
    const float a = 1.0f + std::ldexp(1.0f, -12), c = -(1.0f + std::ldexp(1.0f, -11));  // a^2 + c is 2^-24
    CHECK(one("fma.rn.f32 %f0, %f1, %f2, %f3;", a, a, c) == std::ldexp(1.0f, -24));
    CHECK(one("mul.f32 %f0, %f1, %f2; add.f32 %f0, %f0, %f3;", a, a, c) == 0.0f);
  }

  TEST_CASE("fma rounds down, up and to zero as the host does") {
    const std::uint64_t seed = fresh_seed();
    INFO("TSUGI_TEST_SEED=", seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::uniform_real_distribution<float> mantissa(-2.0f, 2.0f);
    std::uniform_int_distribution<int> exponent(-40, 40);
    std::vector<Words> given;
    for (int i = 0; i < 1024; ++i) {
      const auto draw = [&] { return bits_of(std::ldexp(mantissa(random), exponent(random))); };
      given.push_back({draw(), draw(), draw(), 0});
    }
    Setup setup;
    setup.threads = 1024;
    const auto got =
        run("mov.b32 %f1, %r1; mov.b32 %f2, %r2; mov.b32 %f3, %r3;"
            "fma.rm.f32 %f4, %f1, %f2, %f3; fma.rp.f32 %f5, %f1, %f2, %f3; fma.rz.f32 %f6, %f1, %f2, %f3;"
            "fma.rn.f32 %f7, %f1, %f2, %f3; mov.b32 %r5, %f4; mov.b32 %r6, %f5; mov.b32 %r7, %f6; mov.b32 %r8, %f7;",
            given, setup);
    for (std::size_t i = 0; i < given.size(); ++i) {
      const float a = float_of(given[i][0]), b = float_of(given[i][1]), c = float_of(given[i][2]);
      INFO(a, " * ", b, " + ", c);
      const int modes[] = {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO, FE_TONEAREST};
      for (std::size_t mode = 0; mode < 4; ++mode) {
        REQUIRE(float_of(got[i][mode]) == fused_by_host(a, b, c, modes[mode]));
      }
    }
  }

  TEST_CASE("division, reciprocal and root are rounded to nearest") {
    CHECK(one("div.rn.f32 %f0, %f1, %f2;", 1.0f, 3.0f) == 1.0f / 3.0f);
    CHECK(one("div.rn.f32 %f0, %f1, %f2;", -1.0f, 0.0f) == -kInfinity);
    CHECK(one("rcp.rn.f32 %f0, %f1;", 7.0f) == 1.0f / 7.0f);
    CHECK(one("sqrt.rn.f32 %f0, %f1;", 2.0f) == std::sqrt(2.0f));
    CHECK(std::isnan(one("sqrt.rn.f32 %f0, %f1;", -1.0f)));
  }

  TEST_CASE("approximations are exact where a float holds the result, and ftz drops subnormal numbers") {
    CHECK(one("ex2.approx.ftz.f32 %f0, %f1;", -3.0f) == 0.125f);
    CHECK(one("ex2.approx.f32 %f0, %f1;", -140.0f) == std::ldexp(1.0f, -140));
    CHECK(one("ex2.approx.ftz.f32 %f0, %f1;", -140.0f) == 0.0f);
    CHECK(one("ex2.approx.ftz.f32 %f0, %f1;", -kInfinity) == 0.0f);
    CHECK(one("lg2.approx.f32 %f0, %f1;", 8.0f) == 3.0f);
    CHECK(one("rsqrt.approx.f32 %f0, %f1;", 0.25f) == 2.0f);
    CHECK(std::isnan(one("ex2.approx.ftz.f32 %f0, %f1;", kNan)));
  }

  TEST_CASE("NaN is kept by sums and products, and neg and abs touch the sign alone") {
    CHECK(std::isnan(one("add.f32 %f0, %f1, %f2;", kInfinity, -kInfinity)));
    CHECK(std::isnan(one("mul.f32 %f0, %f1, %f2;", kNan, 0.0f)));
    CHECK(std::signbit(one("neg.f32 %f0, %f1;", 0.0f)));
    CHECK(one("abs.f32 %f0, %f1;", -2.5f) == 2.5f);
  }

  TEST_CASE("float64 is computed as such") {
    const auto got =
        run("mov.f64 %d1, 0d3FF0000000000001; mov.f64 %d2, 0d3FF0000000000000; sub.f64 %d3, %d1, %d2; mul.f64 %d3, "
            "%d3, %d1;"
            "mov.b64 {%r5, %r6}, %d3; cvt.rn.f32.f64 %f1, %d3; mov.b32 %r7, %f1;");
    CHECK(got[3][0] == 1);  // 2^-52 (1 + 2^-52)
    CHECK(got[3][1] == 0x3cb00000u);
    CHECK(float_of(got[3][2]) == std::ldexp(1.0f, -52));
  }
}

}  // namespace test
}  // namespace tsugi
