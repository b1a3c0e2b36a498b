// Shifts, bit fields, selections and comparisons of the PTX interpreter, against their definitions.
#include <cmath>
#include <limits>
#include <random>

#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::uint32_t;
using std::uint64_t;

std::vector<Words> drawn(uint64_t seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<Words> all;
  for (int i = 0; i < 512; ++i) {
    Words words;
    for (uint32_t& word : words) word = static_cast<uint32_t>(random());
    if (i % 2 == 0) words[1] %= 70;  // amounts and positions around the width
    if (i % 2 == 0) words[2] %= 70;
    if (i % 5 == 0) words[0] = i % 10 == 0 ? 0 : 0xffffffffu;
    all.push_back(words);
  }
  return all;
}

template <typename Want>
void check_program(const std::string& program, const Want& want) {
  const uint64_t seed = fresh_seed();
  INFO(program, "; TSUGI_TEST_SEED=", seed);
  const std::vector<Words> given = drawn(seed);
  Setup setup;
  setup.threads = static_cast<uint32_t>(given.size());
  const std::vector<Words> got = run(program, given, setup);
  for (std::size_t i = 0; i < given.size(); ++i) {
    INFO("of ", given[i][0], ", ", given[i][1], ", ", given[i][2], ", ", given[i][3]);
    REQUIRE(got[i][0] == want(given[i]));
  }
}

uint32_t bit(uint64_t value, uint32_t at) { return at < 64 ? static_cast<uint32_t>(value >> at & 1) : 0; }

/// The definition of bfe in the PTX manual, bit by bit.
uint32_t extracted(uint32_t a, uint32_t position, uint32_t length, bool is_signed) {
  position &= 255;
  length &= 255;
  const uint32_t last = std::min(position + length - 1, 31u);
  const uint32_t sign = !is_signed || length == 0 ? 0 : bit(a, last);
  uint32_t d = 0;
  for (uint32_t i = 0; i < 32; ++i) d |= (i < length && position + i <= 31 ? bit(a, position + i) : sign) << i;
  return d;
}

uint32_t inserted(uint32_t a, uint32_t b, uint32_t position, uint32_t length) {
  position &= 255;
  length &= 255;
  for (uint32_t i = 0; i < length && position + i <= 31; ++i) {
    b = (b & ~(1u << (position + i))) | bit(a, i) << (position + i);
  }
  return b;
}

}  // namespace

TEST_SUITE("ptx bits") {
  TEST_CASE("shifts by the width or more leave zeros or the sign") {
    check_program("shl.b32 %r5, %r1, %r2;", [](const Words& w) { return w[1] > 31 ? 0 : w[0] << w[1]; });
    check_program("shr.u32 %r5, %r1, %r2;", [](const Words& w) { return w[1] > 31 ? 0 : w[0] >> w[1]; });
    check_program("shr.s32 %r5, %r1, %r2;", [](const Words& w) {
      return static_cast<uint32_t>(static_cast<std::int32_t>(w[0]) >> std::min(w[1], 31u));
    });
    check_program("mov.b64 %q1, {%r1, %r4}; shl.b64 %q1, %q1, %r2; shr.u64 %q1, %q1, 32; cvt.u32.u64 %r5, %q1;",
                  [](const Words& w) {
                    const uint64_t a = w[0] | static_cast<uint64_t>(w[3]) << 32;
                    return w[1] > 63 ? 0 : static_cast<uint32_t>((a << w[1]) >> 32);
                  });
    check_program("cvt.u16.u32 %h1, %r1; shl.b16 %h1, %h1, %r2; cvt.u32.u16 %r5, %h1;",
                  [](const Words& w) { return w[1] > 15 ? 0 : (w[0] << w[1]) & 0xffffu; });
  }

  TEST_CASE("funnel shifts wrap or clamp their amount") {
    const auto both = [](const Words& w) { return w[0] | static_cast<uint64_t>(w[3]) << 32; };
    check_program("shf.l.wrap.b32 %r5, %r1, %r4, %r2;",
                  [&](const Words& w) { return static_cast<uint32_t>((both(w) << (w[1] & 31)) >> 32); });
    check_program("shf.r.wrap.b32 %r5, %r1, %r4, %r2;",
                  [&](const Words& w) { return static_cast<uint32_t>(both(w) >> (w[1] & 31)); });
    check_program("shf.l.clamp.b32 %r5, %r1, %r4, %r2;",
                  [&](const Words& w) { return static_cast<uint32_t>((both(w) << std::min(w[1], 32u)) >> 32); });
    check_program("shf.r.clamp.b32 %r5, %r1, %r4, %r2;",
                  [&](const Words& w) { return static_cast<uint32_t>(both(w) >> std::min(w[1], 32u)); });
  }

  TEST_CASE("bit fields are extracted and inserted bit by bit") {
    check_program("bfe.u32 %r5, %r1, %r2, %r3;", [](const Words& w) { return extracted(w[0], w[1], w[2], false); });
    check_program("bfe.s32 %r5, %r1, %r2, %r3;", [](const Words& w) { return extracted(w[0], w[1], w[2], true); });
    check_program("bfi.b32 %r5, %r1, %r4, %r2, %r3;", [](const Words& w) { return inserted(w[0], w[3], w[1], w[2]); });
    check_program(
        "mov.b64 %q1, {%r1, %r1}; mov.b64 %q2, {%r4, %r4}; bfi.b64 %q3, %q1, %q2, 32, 32; mov.b64 {%r6, %r5}, %q3;",
        [](const Words& w) { return w[0]; });
  }

  TEST_CASE("bytes are permuted, and a selector's highest bit spreads a sign") {
    check_program("prmt.b32 %r5, %r1, %r4, %r2;", [](const Words& w) {
      uint32_t d = 0;
      for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t s = w[1] >> 4 * i & 15, source = (s & 7) < 4 ? w[0] : w[3];
        const uint32_t byte = source >> 8 * (s & 3) & 255;
        d |= (s < 8 ? byte : byte > 127 ? 255u : 0u) << 8 * i;
      }
      return d;
    });
  }

  TEST_CASE("lop3 looks three bits up in its table") {
    for (const uint32_t table : {0x80u, 0xfeu, 0x96u, 0xcau, 0x1bu}) {
      check_program("lop3.b32 %r5, %r1, %r2, %r4, " + std::to_string(table) + ";", [=](const Words& w) {
        uint32_t d = 0;
        for (uint32_t i = 0; i < 32; ++i) d |= bit(table, bit(w[0], i) << 2 | bit(w[1], i) << 1 | bit(w[3], i)) << i;
        return d;
      });
    }
  }

  TEST_CASE("ones and leading zeros are counted, also of zero") {
    check_program("popc.b32 %r5, %r1;", [](const Words& w) { return static_cast<uint32_t>(__builtin_popcount(w[0])); });
    check_program("clz.b32 %r5, %r1;", [](const Words& w) {
      uint32_t n = 0;
      while (n < 32 && bit(w[0], 31 - n) == 0) ++n;
      return n;
    });
    check_program("brev.b32 %r5, %r1;", [](const Words& w) {
      uint32_t d = 0;
      for (uint32_t i = 0; i < 32; ++i) d |= bit(w[0], i) << (31 - i);
      return d;
    });
  }

  TEST_CASE("registers are packed low part first") {
    check_program("cvt.u16.u32 %h1, %r1; cvt.u16.u32 %h2, %r4; mov.b32 %r5, {%h1, %h2};",
                  [](const Words& w) { return (w[0] & 0xffffu) | w[3] << 16; });
    check_program("mov.b32 {%h1, %h2}, %r1; cvt.u32.u16 %r5, %h2;", [](const Words& w) { return w[0] >> 16; });
    check_program("mov.b64 %q1, {%r1, %r4}; mov.b64 {%h0, %h1, %h2, %h3}, %q1; cvt.u32.u16 %r5, %h3;",
                  [](const Words& w) { return w[3] >> 16; });
  }

  TEST_CASE("comparisons of integers know their sign, and join another predicate") {
    check_program("setp.lt.s32 %p1, %r1, %r4; selp.u32 %r5, 1, 0, %p1;", [](const Words& w) {
      return static_cast<uint32_t>(static_cast<std::int32_t>(w[0]) < static_cast<std::int32_t>(w[3]));
    });
    check_program("setp.hi.u32 %p1, %r1, %r4; selp.u32 %r5, 7, 9, %p1;",
                  [](const Words& w) { return w[0] > w[3] ? 7u : 9u; });
    check_program("setp.eq.s16 %p1, 0, 1; cvt.u16.u32 %h1, %r1; setp.ge.s16 %p1, %h1, 0; selp.u32 %r5, 1, 0, %p1;",
                  [](const Words& w) { return bit(w[0], 15) ^ 1; });
    check_program("setp.gt.u32 %p1, %r1, %r4; setp.lt.or.u32 %p2, %r2, 40, %p1; selp.u32 %r5, 1, 0, %p2;",
                  [](const Words& w) { return static_cast<uint32_t>(w[1] < 40 || w[0] > w[3]); });
    check_program("setp.gt.u32 %p1, %r1, %r4; setp.lt.and.u32 %p2, %r2, 40, !%p1; selp.u32 %r5, 1, 0, %p2;",
                  [](const Words& w) { return static_cast<uint32_t>(w[1] < 40 && !(w[0] > w[3])); });
    check_program(
        "setp.gt.u32 %p1, %r1, %r4; setp.lt.u32 %p2, %r2, 40; xor.pred %p3, %p1, %p2; not.pred %p3, %p3;"
        "mov.pred %p4, %p3; selp.u32 %r5, 1, 0, %p4;",
        [](const Words& w) { return static_cast<uint32_t>((w[0] > w[3]) == (w[1] < 40)); });
    check_program(
        "mov.pred %p1, -1; mov.pred %p2, 0; and.pred %p3, %p1, %p2; or.pred %p4, %p1, %p2;"
        "selp.u32 %r5, 1, 0, %p3; @%p4 add.s32 %r5, %r5, 2;",
        [](const Words&) { return 2u; });
  }

  TEST_CASE("ordered comparisons are false for NaN, the others true") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<std::pair<float, float>> cases = {{1.0f, 2.0f}, {2.0f, 1.0f}, {1.0f, 1.0f}, {0.0f, -0.0f},
                                                        {nan, 1.0f},  {1.0f, nan},  {nan, nan}};
    struct Comparison {
      const char* name;
      bool (*holds)(float, float);
    };
    const Comparison comparisons[] = {{"eq", [](float a, float b) { return a == b; }},
                                      {"ne", [](float a, float b) { return a < b || a > b; }},
                                      {"lt", [](float a, float b) { return a < b; }},
                                      {"le", [](float a, float b) { return a <= b; }},
                                      {"gt", [](float a, float b) { return a > b; }},
                                      {"ge", [](float a, float b) { return a >= b; }},
                                      {"equ", [](float a, float b) { return !(a < b || a > b); }},
                                      {"neu", [](float a, float b) { return !(a == b); }},
                                      {"ltu", [](float a, float b) { return !(a >= b); }},
                                      {"leu", [](float a, float b) { return !(a > b); }},
                                      {"gtu", [](float a, float b) { return !(a <= b); }},
                                      {"geu", [](float a, float b) { return !(a < b); }},
                                      {"num", [](float a, float b) { return a == a && b == b; }},
                                      {"nan", [](float a, float b) { return a != a || b != b; }}};
    std::vector<Words> given;
    for (const auto& pair : cases) given.push_back({bits_of(pair.first), bits_of(pair.second), 0, 0});
    Setup setup;
    setup.threads = static_cast<uint32_t>(given.size());
    for (const Comparison& comparison : comparisons) {
      const auto got = run("mov.b32 %f1, %r1; mov.b32 %f2, %r2; setp." + std::string(comparison.name) +
                               ".f32 %p1, %f1, %f2; selp.u32 %r5, 1, 0, %p1;",
                           given, setup);
      for (std::size_t i = 0; i < cases.size(); ++i) {
        INFO(std::string(comparison.name), " of ", cases[i].first, " and ", cases[i].second);
        CHECK((got[i][0] != 0) == comparison.holds(cases[i].first, cases[i].second));
      }
    }
  }
}

}  // namespace test
}  // namespace tsugi
