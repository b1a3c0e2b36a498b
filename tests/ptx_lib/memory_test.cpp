// Loads, stores and their bounds in the PTX interpreter, and what the checks for races and unwritten memory find.
#include "tests/ptx_lib/harness.h"

namespace tsugi {
namespace test {
namespace {

using std::uint32_t;

/// A thread's own 16 bytes of shared memory: their address in %r10.
const std::string kOwnShared = "mov.u32 %r10, memory; shl.b32 %r11, %r0, 4; add.s32 %r10, %r10, %r11;";
/// The word of shared memory that the thread after this one, of 32, writes.
const std::string kNeighbour =
    "shl.b32 %r11, %r0, 2; mov.u32 %r10, memory; add.s32 %r10, %r10, %r11; st.shared.u32 [%r10], %r0;"
    "add.s32 %r12, %r0, 1; and.b32 %r12, %r12, 63; shl.b32 %r12, %r12, 2; mov.u32 %r13, memory; add.s32 %r13, %r13, "
    "%r12;";

Setup checked(ptx::Checks& checks, uint32_t threads = 64) {
  Setup setup;
  setup.threads = threads;
  setup.checks = &checks;
  return setup;
}

}  // namespace

TEST_SUITE("ptx memory") {
  TEST_CASE("vectors are stored and loaded in order, at the thread's own place") {
    const auto got = run(
        kOwnShared +
        "add.s32 %r12, %r0, 1; add.s32 %r13, %r0, 2; st.shared.v4.u32 [%r10], {%r0, %r12, %r13, 7};"
        "bar.sync 0; ld.shared.v2.u32 {%r5, %r6}, [%r10+8]; ld.shared.u32 %r7, [%r10+4]; ld.shared.u32 %r8, [%r10];");
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t] == Words{t + 2, 7, t + 1, t});
  }

  TEST_CASE("narrow loads extend as their type says") {
    const auto got = run(kOwnShared +
                         "st.shared.u32 [%r10], 0x8182f384; ld.shared.s8 %r5, [%r10]; ld.shared.u8 %r6, [%r10+1];"
                         "ld.shared.s16 %r7, [%r10+2]; ld.shared.u16 %h1, [%r10]; cvt.u32.u16 %r8, %h1;");
    CHECK(got[5] == Words{0xffffff84u, 0xf3, 0xffff8182u, 0xf384});
    const auto wide = run(kOwnShared +
                          "st.shared.u32 [%r10], -5; ld.shared.s32 %q1, [%r10]; mov.b64 {%r5, %r6}, %q1;"
                          "mov.u64 %q2, 77; st.shared.u32 [%r10+4], %q2; ld.shared.u32 %r7, [%r10+4];");
    CHECK(wide[0] == Words{0xfffffffbu, 0xffffffffu, 77, 0});
  }

  TEST_CASE("a load may write the register that its address is in") {
    const auto got = run("mov.u64 %q1, %in; ld.global.u64 %q1, [%q1]; mov.b64 {%r5, %r6}, %q1;",
                         std::vector<Words>(32, Words{3, 4, 5, 6}));
    CHECK(got[9] == Words{3, 4, 0, 0});
  }

  TEST_CASE("inactive lanes keep their registers and touch no memory") {
    const auto got =
        run("mov.u32 %r5, 9; setp.eq.u32 %p1, %r0, 3; mov.u64 %q1, 16; @%p1 mov.u64 %q1, %in; @%p1 ld.global.u32 %r5, "
            "[%q1];"
            "@!%p1 add.s32 %r6, %r6, 1; @%p1 st.global.u32 [%q1], 1;");
    CHECK(got[3] == Words{0, 0, 0, 0});
    CHECK(got[4] == Words{9, 1, 0, 0});
  }

  TEST_CASE("local memory is each thread's own") {
    const auto got =
        run("mov.u64 %q1, depot; cvta.local.u64 %q2, %q1; cvta.to.local.u64 %q3, %q2; st.local.u32 [%q3+60], %r0;"
            "bar.sync 0; ld.local.u32 %r5, [depot+60]; ld.u32 %r6, [%q2+60];");
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t] == Words{t, t, 0, 0});
  }

  TEST_CASE("generic addresses reach every space, lanes of a warp different ones") {
    const auto got =
        run(kOwnShared +
                "st.shared.u32 [%r10], 50; cvt.u64.u32 %q1, %r10; cvta.shared.u64 %q2, %q1; setp.lt.u32 %p1, %r0, 16;"
                "selp.b64 %q3, %q2, %in, %p1; ld.u32 %r5, [%q3]; ld.u32 %r6, [%in];",
            std::vector<Words>(32, Words{60, 0, 0, 0}));
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t] == Words{t < 16 ? 50u : 60u, 60, 0, 0});
  }

  TEST_CASE("lanes may read different allocations at once") {
    Setup setup;
    setup.extra_bytes = 4;
    const auto got =
        run("and.b32 %r9, %r0, 1; setp.eq.u32 %p1, %r9, 0; selp.b64 %q1, %extra, %in, %p1; ld.global.u32 %r5, [%q1];",
            {}, setup);
    for (uint32_t t = 0; t < 32; ++t) CHECK(got[t][0] == (t % 2 == 0 ? 0xffffffffu : 0));  // new memory, and zeros
  }

  TEST_CASE("variables of the module hold what they are given, and zeros behind") {
    Setup setup;
    setup.declarations =
        ".global .align 4 .b8 table[12] = {1, 0, 0, 0, 255, 255, 255, 255};\n.global .u32 word = 9;\n.global .f32 one "
        "= 0f3F800000;\n";
    const auto got =
        run("ld.global.u32 %r5, [table]; ld.global.u32 %r6, [table+4]; mov.u64 %q1, table; ld.global.u32 %r7, [%q1+8];"
            "ld.global.u32 %r8, [word]; ld.global.f32 %f1, [one]; cvt.rni.s32.f32 %r9, %f1; add.s32 %r8, %r8, %r9;",
            {}, setup);
    CHECK(got[1] == Words{1, 0xffffffffu, 0, 10});
  }

  TEST_CASE("an access outside of what it reaches names thread, line and address") {
    Setup setup;
    setup.extra_bytes = 100;
    const std::string over = failure("setp.eq.u32 %p1, %r0, 7;\n@%p1 ld.global.u32 %r5, [%extra+100];", setup);
    INFO(over);
    CHECK(contains(over, "program: block (0, 0, 0) thread (7, 0, 0)"));
    CHECK(contains(over, "test.ptx line "));
    CHECK(contains(over, "@%p1 ld.global.u32 %r5, [%extra+100]"));
    CHECK(contains(over, "reads 4 bytes at 0x"));
    CHECK(contains(over, "outside of global memory"));
    CHECK(contains(failure("st.global.u32 [%extra+-4], 1;", setup), "writes 4 bytes"));
    CHECK(contains(failure("ld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%extra+96];", setup), "reads 16 bytes"));
    CHECK(contains(failure("ld.shared.u32 %r5, [memory+4096];"), "outside of shared memory, which has 4096 bytes"));
    CHECK(contains(failure("ld.local.u32 %r5, [depot+64];"), "outside of local memory, which has 64 bytes"));
    CHECK(contains(failure("ld.param.u64 %q1, [out+24];"), "outside of parameter memory"));
    CHECK(contains(failure("ld.global.u32 %r5, [64];"), "outside of global memory"));
    CHECK(contains(failure("mov.u64 %q1, 0; st.u32 [%q1], 1;"), "outside of global memory"));
    CHECK(contains(failure("mov.u64 %q1, out; cvta.param.u64 %q1, %q1; st.u32 [%q1], 1;"),
                   "outside of parameter memory"));
  }

  TEST_CASE("an access that is not aligned to its whole vector fails") {
    CHECK(contains(failure("ld.shared.u32 %r5, [memory+2];"), "is not a multiple of 4"));
    CHECK(contains(failure("ld.shared.v4.u32 {%r5, %r6, %r7, %r8}, [memory+8];"), "is not a multiple of 16"));
    CHECK(contains(failure("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [memory+8];"), "is not a multiple of 16"));
  }

  TEST_CASE("new memory is NaN, and what a block finds in shared memory is not the last one's") {
    Setup setup;
    setup.blocks = 2;
    const auto got = run("ld.shared.u32 %r5, [memory+400]; bar.sync 0; st.shared.u32 [memory+400], 1;", {}, setup);
    for (const Words& words : got) CHECK(words[0] == 0xffffffffu);
  }
}

TEST_SUITE("ptx checks") {
  TEST_CASE("a neighbour's word behind a barrier is none, without it a race") {
    ptx::Checks checks(true, true);
    const auto got = run(kNeighbour + "bar.sync 0; ld.shared.u32 %r5, [%r13];", {}, checked(checks));
    for (uint32_t t = 0; t < 64; ++t) CHECK(got[t][0] == (t + 1) % 64);
    CHECK(contains(failure(kNeighbour + "ld.shared.u32 %r5, [%r13];", checked(checks)), "a race: "));
    CHECK(contains(
        failure(kNeighbour + "bar.sync 0; ld.shared.u32 %r5, [%r13]; st.shared.u32 [%r10], 5;", checked(checks)),
        "a race: writes what was read by block 0 thread"));
    CHECK(contains(failure("st.shared.u8 [memory], 1;", checked(checks)), "a race: writes what was written by"));
  }

  TEST_CASE("neighbouring bytes are no race") {
    ptx::Checks checks(true, true);
    run("mov.u32 %r10, memory; add.s32 %r10, %r10, %r0; st.shared.u8 [%r10], %r0; ld.shared.u8 %r5, [%r10];", {},
        checked(checks));
  }

  TEST_CASE("within a warp a warp-level instruction orders, and nothing else does") {
    ptx::Checks checks(true, true);
    const std::string swap =
        "shl.b32 %r11, %r0, 2; mov.u32 %r10, memory; add.s32 %r10, %r10, %r11; st.shared.u32 [%r10], %r0;";
    const std::string read =
        "xor.b32 %r12, %r11, 4; mov.u32 %r13, memory; add.s32 %r13, %r13, %r12; ld.shared.u32 %r5, [%r13];";
    const auto got = run(swap + "bar.warp.sync -1;" + read, {}, checked(checks, 32));
    CHECK(got[6][0] == 7);
    CHECK(contains(failure(swap + read, checked(checks, 32)), "a race: reads what was written by"));
  }

  TEST_CASE("blocks must not share what one of them writes") {
    ptx::Checks checks(true, false);
    Setup setup = checked(checks, 1);
    setup.blocks = 3;
    setup.extra_bytes = 64;
    run("mul.wide.u32 %q1, %block, 4; add.s64 %q1, %q1, %extra; st.global.u32 [%q1], 1; ld.global.u32 %r5, [%q1];", {},
        setup);
    CHECK(contains(failure("st.global.u32 [%extra], 1;", setup), "a race: writes what was written by block 0"));
    CHECK(contains(failure("bar.sync 0; setp.ne.u32 %p1, %block, 2; @%p1 ld.global.u32 %r5, [%extra]; @!%p1 "
                           "st.global.u32 [%extra], 1;",
                           setup),
                   "a race: writes what was read by block"));
  }

  TEST_CASE("memory that nothing wrote is not read, shared or global") {
    ptx::Checks checks(false, true);
    Setup setup = checked(checks, 32);
    setup.extra_bytes = 8;
    CHECK(contains(failure("ld.global.u32 %r5, [%extra];", setup), "reads memory that nothing wrote"));
    CHECK(contains(failure("ld.shared.u8 %r5, [memory];", setup), "reads memory that nothing wrote"));
    run("st.global.u32 [%extra], 1; ld.global.u32 %r5, [%extra];", {}, setup);
    run("st.global.u32 [%extra], 1; ld.global.u64 %q1, [%extra];", {}, setup);  // a vector may end in padding
  }

  TEST_CASE("a release ends a life, and memory that is too large is refused") {
    ptx::Memory memory(4096, false);
    void* first = memory.allocate(1000);
    REQUIRE(first != nullptr);
    CHECK(ptx::Memory::address_of(first) % 256 == 0);
    CHECK(memory.free_bytes() == 4096 - 1024);
    CHECK(memory.allocate(3073) == nullptr);
    CHECK(memory.holds(first, 1000));
    CHECK_FALSE(memory.holds(first, 1001));
    CHECK(memory.release(first));
    CHECK_FALSE(memory.release(first));
    CHECK_FALSE(memory.owns(first));
    CHECK(memory.free_bytes() == 4096);
  }
}

}  // namespace test
}  // namespace tsugi
