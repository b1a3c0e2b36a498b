// Divergence, barriers and orders in the PTX interpreter, and what its decoder refuses.
#include <random>

#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::uint32_t;

/// Collatz steps of 1 + a third of the thread's number, by a loop whose lanes leave one by one.
const char* const kCollatz =
    "mul.hi.u32 %r10, %r0, 1431655766; add.s32 %r10, %r10, 1;"
    "LOOP: setp.eq.u32 %p1, %r10, 1; @%p1 bra OUT; and.b32 %r11, %r10, 1; setp.eq.u32 %p2, %r11, 0; @%p2 bra EVEN;"
    "mad.lo.s32 %r10, %r10, 3, 1; bra.uni NEXT; EVEN: shr.u32 %r10, %r10, 1; NEXT: add.s32 %r5, %r5, 1; bra LOOP;"
    "OUT: vote.sync.ballot.b32 %r6, %p1, -1;";

uint32_t collatz(uint32_t v) {
  uint32_t steps = 0;
  for (; v != 1; ++steps) v = v % 2 == 0 ? v / 2 : 3 * v + 1;
  return steps;
}

std::string refusal(const std::string& body) { return failure(body); }

}  // namespace

TEST_SUITE("ptx control") {
  TEST_CASE("lanes part, loop as often as each must, and meet again, in any order") {
    for (std::uint64_t shuffle = 0; shuffle < 6; ++shuffle) {
      Setup setup;
      setup.threads = 96;
      setup.shuffle = shuffle;
      INFO("shuffle ", shuffle);
      const auto got = run(kCollatz, {}, setup);
      for (uint32_t t = 0; t < 96; ++t) {
        REQUIRE(got[t][0] == collatz(t / 3 + 1));
        REQUIRE(got[t][1] == 0xffffffffu);
      }
    }
  }

  TEST_CASE("nested branches take every path") {
    const auto got =
        run("and.b32 %r10, %r0, 1; and.b32 %r11, %r0, 2; setp.ne.u32 %p1, %r10, 0; setp.ne.u32 %p2, %r11, 0;"
            "@%p1 bra A; @%p2 bra B; mov.u32 %r5, 1; bra.uni END; B: mov.u32 %r5, 2; bra.uni END;"
            "A: @!%p2 bra C; mov.u32 %r5, 3; bra.uni END; C: mov.u32 %r5, 4; END: add.s32 %r6, %r5, 10;");
    const uint32_t want[] = {1, 4, 2, 3};
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t] == Words{want[t % 4], want[t % 4] + 10, 0, 0});
  }

  TEST_CASE("a guard with no lane skips, and one with some runs them alone") {
    const auto got =
        run("setp.gt.u32 %p1, %r0, 99; @%p1 trap; @%p1 bra DONE; setp.gt.u32 %p2, %r0, 15; @%p2 mov.u32 %r5, 1; @!%p2 "
            "mov.u32 %r5, 2;");
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t][0] == (t > 15 ? 1 : 2));
    CHECK(contains(failure("setp.gt.u32 %p1, %r0, 30; @%p1 trap;"), "thread (31, 0, 0)"));
  }

  TEST_CASE("threads, blocks and their sizes are where a kernel looks for them") {
    Setup setup;
    setup.threads = 40;
    setup.blocks = 3;
    const auto got =
        run("mov.u32 %r5, %ctaid.x; mov.u32 %r6, %nctaid.x; mov.u32 %r7, %ntid.x; mov.u32 %r8, %laneid;", {}, setup);
    for (uint32_t row = 0; row < 120; ++row) CHECK(got[row] == Words{row / 40, 3, 40, row % 40 % 32});
  }

  TEST_CASE("a barrier holds until the last warp is there, in any order") {
    for (std::uint64_t shuffle = 0; shuffle < 6; ++shuffle) {
      Setup setup;
      setup.threads = 128;
      setup.shuffle = shuffle;
      const auto got = run(
          "shl.b32 %r10, %r0, 2; mov.u32 %r11, memory; add.s32 %r10, %r10, %r11; st.shared.u32 [%r10], %r0; bar.sync 0;"
          "xor.b32 %r12, %r0, 127; shl.b32 %r12, %r12, 2; add.s32 %r12, %r12, %r11; ld.shared.u32 %r5, [%r12]; "
          "bar.sync 0;"
          "add.s32 %r13, %r5, 1; st.shared.u32 [%r12], %r13; bar.sync 0; ld.shared.u32 %r6, [%r10];",
          {}, setup);
      for (uint32_t t = 0; t < 128; ++t) REQUIRE(got[t] == Words{127 - t, t + 1, 0, 0});
    }
  }

  TEST_CASE("barriers that not every thread reaches are errors that say who is where") {
    Setup setup;
    setup.threads = 64;
    const std::string left = failure("setp.eq.u32 %p1, %r0, 40; @%p1 exit; bar.sync 0;", setup);
    INFO(left);
    CHECK(contains(left, "thread (40, 0, 0)"));
    CHECK(contains(left, "has left while others wait at a barrier"));
    CHECK(contains(failure("setp.lt.u32 %p1, %r0, 32; @%p1 bra LOW; bar.sync 0; bra.uni DONE; LOW: bar.sync 0;", setup),
                   "waits at another barrier"));
    CHECK(contains(failure("setp.lt.u32 %p1, %r0, 5; @%p1 bra DONE; bar.sync 0;"), "has left while others wait"));
  }

  TEST_CASE("what only lanes that go together may do shows in another order") {
    // Without a barrier of the warp, lane 0 may read before lane 31 wrote.
    bool differs = false;
    for (std::uint64_t shuffle = 1; shuffle < 40 && !differs; ++shuffle) {
      Setup setup;
      setup.shuffle = shuffle;
      const auto got =
          run("shl.b32 %r10, %r0, 2; mov.u32 %r11, memory; add.s32 %r10, %r10, %r11; st.shared.u32 [%r10], %r0; "
              "ld.shared.u32 %r5, [memory+124];",
              {}, setup);
      for (const Words& words : got) differs |= words[0] != 31;
    }
    CHECK(differs);
  }

  TEST_CASE("registers share places, and values still live as long as they are needed") {
    // 60 values that live across a loop with parting lanes, in an order that is drawn; each is checked at the end.
    const std::uint64_t seed = fresh_seed();
    INFO("TSUGI_TEST_SEED=", seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::string body = ".reg .b32 %v<400>; .reg .b64 %w<400>;";
    std::vector<uint32_t> want(400);
    for (int v = 0; v < 200; ++v) {
      const std::string name = std::to_string(v),
                        from = v < 8 ? "%r0" : "%v" + std::to_string(random() % static_cast<unsigned>(v));
      const uint32_t by = static_cast<uint32_t>(random() % 1000);
      const std::size_t source = v < 8 ? 0 : static_cast<std::size_t>(std::stoul(from.substr(2)));
      want[static_cast<std::size_t>(v)] = (v < 8 ? 0 : want[source]) + by;  // of thread 0; others add their number
      body += "add.s32 %v" + name + ", " + from + ", " + std::to_string(by) + "; mul.wide.u32 %w" + name + ", %v" +
              name + ", 3;";
    }
    body += "mov.u32 %r10, 0; AGAIN: add.s32 %r10, %r10, 1; setp.le.u32 %p1, %r10, %r0; @%p1 bra AGAIN;";
    uint32_t sum = 0;
    for (int v = 0; v < 200; v += 3) {
      body += "add.s32 %r5, %r5, %v" + std::to_string(v) + "; cvt.u32.u64 %r11, %w" + std::to_string(v) +
              "; add.s32 %r6, %r6, %r11;";
      sum += want[static_cast<std::size_t>(v)];
    }
    const auto got = run(body);
    for (uint32_t t = 0; t < 32; ++t) {
      CHECK(got[t][0] == sum + 67 * t);
      CHECK(got[t][1] == 3 * (sum + 67 * t));
    }
  }

  TEST_CASE("a name in an inner scope is another register") {
    const auto got = run(
        "mov.u32 %r5, 1; { .reg .b32 %r5; .reg .u64 wide; mov.u32 %r5, 2; mov.u64 wide, 40; cvt.u32.u64 %r6, wide; }");
    CHECK(got[0] == Words{1, 40, 0, 0});
  }

  TEST_CASE("what is not modelled is refused by the line that asks for it") {
    const std::string atomic = refusal("atom.global.add.f32 %f1, [%extra], %f2;");
    INFO(atomic);
    CHECK(contains(atomic, "atomics are refused"));
    CHECK(contains(atomic, "test.ptx line "));
    CHECK(contains(refusal("red.global.add.u32 [%extra], %r1;"), "atomics are refused"));
    CHECK(contains(refusal("add.rz.f32 %f1, %f2, %f3;"), "this instruction is not modelled: add.rz.f32 %f1, %f2, %f3"));
    CHECK(contains(refusal("add.ftz.f32 %f1, %f2, %f3;"), "not modelled"));
    CHECK(contains(refusal("fma.rn.sat.f32 %f1, %f2, %f3, %f4;"), "not modelled"));
    CHECK(contains(refusal("bar.sync 1;"), "not modelled"));
    CHECK(contains(refusal("bar.sync 0, 64;"), "not modelled"));
    CHECK(contains(refusal("frobnicate.b32 %r1, %r2;"), "not modelled"));
    CHECK(contains(refusal("ld.global.v4.u32 {%r5, %r6}, [%extra];"), "not modelled"));
    CHECK(contains(refusal("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f4, %f5, %f6, %f7}, {%r1, %r2}, {%r3}, "
                           "{%f0, %f1, %f2, %f3};"),
                   "not modelled"));
  }

  TEST_CASE("operands of another width or number are refused") {
    CHECK(contains(refusal("add.s32 %r1, %q1, %r2;"), "operand %q1 of another width"));
    CHECK(contains(refusal("add.s64 %r1, %q1, %q2;"), "a result of another width"));
    CHECK(contains(refusal("add.s32 %r1, %r2;"), "operands that are not modelled"));
    CHECK(contains(refusal("add.f64 %d1, %d2, 0f3F800000;"), "a literal of another type"));
    CHECK(contains(refusal("bra NOWHERE;"), "a branch to an unknown label"));
    CHECK(contains(refusal("mov.u32 %r1, nobody;"), "unknown name nobody"));
    CHECK(contains(refusal("mov.u32 %r1, %clock;"), "special register %clock is not modelled"));
    CHECK(contains(refusal("@%p99 add.s32 %r1, %r2, %r3;"), "unknown predicate"));
    CHECK(contains(refusal("mov.u32 %r1, %r2"), "DONE"));  // no semicolon: the label is taken for an operand
  }

  TEST_CASE("text that is no PTX names its line") {
    const auto of = [](const std::string& text) {
      return error_of([&] {
        ptx::Module module("m", text);
        module.kernel("k");
      });
    };
    CHECK(contains(of(".version 8.0\n.target sm_75\nnonsense\n"), "m line 3: unknown directive nonsense"));
    CHECK(contains(of(".entry k() {"), "a block does not end"));
    CHECK(contains(of(".version 8.0\n"), "m has no kernel k"));
    CHECK(contains(of(".entry k()\n{\n.reg .b99 %x;\n}"), "m line 3: unknown type .b99"));
    CHECK(contains(of(".entry k()\n{\n.reg .b32 %x<99999999>;\n}"), "too many registers"));
    CHECK(contains(of(".entry k()\n.frequency 3\n{ ret; }"), "unknown directive .frequency"));
    CHECK(contains(of(".global .align 4 .b8 t[2] = {1, 2, 3};"), "more values than it holds"));
  }
}

}  // namespace test
}  // namespace tsugi
