// Shuffles, votes and matrix instructions of the PTX interpreter.
#include <cmath>
#include <random>

#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::uint32_t;

/// What __shfl_*_sync give their segment as: its last lane, or for up its first, and the bits that tell segments apart.
uint32_t clamp_of(uint32_t width, bool up) { return (32 - width) << 8 | (up ? 0 : 31); }

/// A half that holds a small whole number.
uint32_t half_of(int v) {
  const float f = static_cast<float>(v);
  const uint32_t bits = bits_of(f);
  if (v == 0) return 0;
  return (bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 0x3ff));
}

}  // namespace

TEST_SUITE("ptx warp") {
  TEST_CASE("shuffles read the lane that they name, and their own beyond the segment") {
    for (const uint32_t width : {32u, 8u}) {
      const std::string up = std::to_string(clamp_of(width, true)), other = std::to_string(clamp_of(width, false));
      const auto got = run("add.s32 %r1, %r0, 100; shfl.sync.up.b32 %r5, %r1, 3, " + up + ", -1;" +
                           "shfl.sync.down.b32 %r6, %r1, 3, " + other + ", -1; shfl.sync.bfly.b32 %r7, %r1, 6, " +
                           other + ", -1; shfl.sync.idx.b32 %r8, %r1, 5, " + other + ", -1;");
      for (uint32_t lane = 0; lane < 32; ++lane) {
        const uint32_t segment = lane / width * width, at = lane - segment;
        INFO("lane ", lane, " of segments of ", width);
        CHECK(got[lane][0] == 100 + (at >= 3 ? lane - 3 : lane));
        CHECK(got[lane][1] == 100 + (at + 3 < width ? lane + 3 : lane));
        CHECK(got[lane][2] == 100 + (lane ^ 6));
        CHECK(got[lane][3] == 100 + segment + 5);
      }
    }
  }

  TEST_CASE("a shuffle tells whether its source lay within the segment") {
    const auto got = run("shfl.sync.down.b32 %r5|%p1, %r0, 30, 31, -1; selp.u32 %r6, 1, 0, %p1;");
    for (uint32_t lane = 0; lane < 32; ++lane) CHECK(got[lane][1] == (lane < 2 ? 1 : 0));
  }

  TEST_CASE("a shuffle may write the register that it reads") {
    const auto got = run("mov.u32 %r5, %r0; shfl.sync.bfly.b32 %r5, %r5, 1, 31, -1;");
    for (uint32_t lane = 0; lane < 32; ++lane) CHECK(got[lane][0] == (lane ^ 1));
  }

  TEST_CASE("two masks at one instruction are two meetings") {
    const auto got =
        run("and.b32 %r9, %r0, 1; setp.eq.s32 %p1, %r9, 0; selp.b32 %r10, 0x55555555, 0xaaaaaaaa, %p1;"
            "shfl.sync.bfly.b32 %r5, %r0, 2, 31, %r10;");
    for (uint32_t lane = 0; lane < 32; ++lane) CHECK(got[lane][0] == (lane ^ 2));
  }

  TEST_CASE("lanes that parted meet at a warp-level instruction") {
    const auto got =
        run("setp.lt.u32 %p1, %r0, 8; @%p1 bra LOW; mov.u32 %r9, 0; bra.uni JOIN; LOW: mov.u32 %r9, 1; JOIN:"
            "setp.ne.u32 %p2, %r9, 0; vote.sync.ballot.b32 %r5, %p2, -1;");
    for (const Words& words : got) CHECK(words[0] == 0xffu);
  }

  TEST_CASE("part of a warp may shuffle among itself") {
    const auto got = run("setp.ge.u32 %p1, %r0, 8; @%p1 bra DONE; shfl.sync.bfly.b32 %r5, %r0, 4, 31, 0xff;");
    for (uint32_t lane = 0; lane < 32; ++lane) CHECK(got[lane][0] == (lane < 8 ? (lane ^ 4) : 0));
  }

  TEST_CASE("what a mask promises is held against what comes") {
    CHECK(contains(failure("setp.ge.u32 %p1, %r0, 8; @%p1 exit; shfl.sync.bfly.b32 %r5, %r0, 4, 31, -1;"),
                   "its mask names a lane that has left"));
    CHECK(contains(failure("shfl.sync.bfly.b32 %r5, %r0, 4, 31, 0xff;"), "its mask leaves a lane out"));
    CHECK(contains(failure("setp.ge.u32 %p1, %r0, 8; @%p1 bra AWAY; shfl.sync.bfly.b32 %r5, %r0, 4, 31, -1; bra DONE;"
                           "AWAY: vote.sync.ballot.b32 %r5, %p1, -1;"),
                   "waits for lanes of its mask that never come"));
    CHECK(contains(failure("setp.ge.u32 %p1, %r0, 8; @%p1 bra DONE; shfl.sync.bfly.b32 %r5, %r0, 8, 31, 0xff;"),
                   "which does not take part"));
  }

  TEST_CASE("votes count the lanes of their mask") {
    const auto got =
        run("setp.lt.u32 %p1, %r0, 31; vote.sync.all.pred %p2, %p1, -1; vote.sync.any.pred %p3, !%p1, -1;"
            "vote.sync.uni.pred %p4, %p1, -1; vote.sync.ballot.b32 %r5, !%p1, -1;"
            "selp.u32 %r6, 1, 0, %p2; selp.u32 %r7, 1, 0, %p3; selp.u32 %r8, 1, 0, %p4;");
    CHECK(got[7] == Words{0x80000000u, 0, 1, 0});
  }

  TEST_CASE("ldmatrix gives each lane two neighbours of a row, or of a column") {
    // Word w of shared memory is the halves 2 w and 2 w + 1: row r of matrix m holds 64 m + 8 r and the seven behind.
    const std::string fill =
        "mov.u32 %r10, memory; shl.b32 %r11, %r0, 2; add.s32 %r11, %r11, %r10;"
        "shl.b32 %r12, %r0, 1; add.s32 %r13, %r12, 1; shl.b32 %r13, %r13, 16; or.b32 %r12, %r12, %r13;"
        "st.shared.u32 [%r11], %r12; add.s32 %r12, %r12, 0x00400040; st.shared.u32 [%r11+128], %r12;"
        "add.s32 %r12, %r12, 0x00400040; st.shared.u32 [%r11+256], %r12; add.s32 %r12, %r12, 0x00400040;"
        "st.shared.u32 [%r11+384], %r12; bar.sync 0; shl.b32 %r14, %r0, 4; add.s32 %r14, %r14, %r10;";
    const auto plain = run(fill + "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r5, %r6, %r7, %r8}, [%r14];");
    const auto transposed = run(fill + "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r5, %r6, %r7, %r8}, [%r14];");
    for (uint32_t lane = 0; lane < 32; ++lane) {
      for (uint32_t m = 0; m < 4; ++m) {
        const uint32_t row = lane / 4, column = lane % 4 * 2, base = 64 * m;
        CHECK(plain[lane][m] == ((base + 8 * row + column) | (base + 8 * row + column + 1) << 16));
        CHECK(transposed[lane][m] == ((base + 8 * column + row) | (base + 8 * (column + 1) + row) << 16));
      }
    }
  }

  TEST_CASE("mma is a plain matrix product in the layout of the manual") {
    const std::uint64_t seed = fresh_seed();
    INFO("TSUGI_TEST_SEED=", seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::uniform_int_distribution<int> draw(-9, 9);
    int a[16][8], b[8][8], c[16][8];
    for (auto& row : a)
      for (int& v : row) v = draw(random);
    for (auto& row : b)
      for (int& v : row) v = draw(random);
    for (auto& row : c)
      for (int& v : row) v = draw(random);
    std::vector<Words> given(32);
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      Words& words = given[static_cast<std::size_t>(lane)];
      words[0] = half_of(a[g][2 * t]) | half_of(a[g][2 * t + 1]) << 16;
      words[1] = half_of(a[g + 8][2 * t]) | half_of(a[g + 8][2 * t + 1]) << 16;
      words[2] = half_of(b[2 * t][g]) | half_of(b[2 * t + 1][g]) << 16;
      words[3] = 0;
      for (int n = 0; n < 4; ++n) words[3] |= static_cast<uint32_t>(c[g + n / 2 * 8][2 * t + n % 2] & 255) << 8 * n;
    }
    std::string body;
    for (int n = 0; n < 4; ++n) {
      const std::string at = std::to_string(8 * n), f = "%f" + std::to_string(n);
      body += "bfe.s32 %r10, %r4, " + at + ", 8; cvt.rn.f32.s32 " + f + ", %r10;";
    }
    body +=
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f4, %f5, %f6, %f7}, {%r1, %r2}, {%r3}, {%f0, %f1, %f2, "
        "%f3};"
        "mov.b32 %r5, %f4; mov.b32 %r6, %f5; mov.b32 %r7, %f6; mov.b32 %r8, %f7;";
    const auto got = run(body, given);
    for (int lane = 0; lane < 32; ++lane) {
      for (int n = 0; n < 4; ++n) {
        const int row = lane / 4 + n / 2 * 8, column = 2 * (lane % 4) + n % 2;
        int want = c[row][column];
        for (int k = 0; k < 8; ++k) want += a[row][k] * b[k][column];
        CHECK(float_of(got[static_cast<std::size_t>(lane)][static_cast<std::size_t>(n)]) == static_cast<float>(want));
      }
    }
  }

  TEST_CASE("a warp that is not whole cannot run a matrix instruction") {
    const std::string load = "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [memory];";
    CHECK(contains(failure("setp.lt.u32 %p1, %r0, 9; @%p1 exit;" + load), "has left"));
    Setup setup;
    setup.threads = 40;
    CHECK(contains(failure(load, setup), "takes all 32 lanes"));
  }
}

}  // namespace test
}  // namespace tsugi
