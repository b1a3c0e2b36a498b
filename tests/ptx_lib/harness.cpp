#include "tests/ptx_lib/harness.h"

#include <algorithm>

namespace tsugi {
namespace test {
namespace {

constexpr const char* kHead = R"(
.visible .entry program(.param .u64 out, .param .u64 in, .param .u64 other)
{
  .reg .b32 %r<64>; .reg .f32 %f<32>; .reg .f64 %d<32>; .reg .b16 %h<32>; .reg .b64 %q<32>; .reg .pred %p<32>;
  .reg .b64 %out; .reg .b64 %in; .reg .b64 %extra; .reg .b64 %row; .reg .b32 %block;
  .shared .align 16 .b8 memory[4096];
  .local .align 16 .b8 depot[64];
  ld.param.u64 %out, [out]; ld.param.u64 %in, [in]; ld.param.u64 %extra, [other];
  mov.u32 %r0, %tid.x; mov.u32 %block, %ctaid.x; mov.u32 %r9, %ntid.x;
  mad.lo.s32 %block, %block, %r9, %r0;
  mul.wide.u32 %row, %block, 16;
  add.s64 %out, %out, %row; add.s64 %in, %in, %row;
  ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%in];
  mov.u32 %r5, 0; mov.u32 %r6, 0; mov.u32 %r7, 0; mov.u32 %r8, 0;
)";
constexpr const char* kTail = R"(
DONE:
  st.global.v4.u32 [%out], {%r5, %r6, %r7, %r8};
  ret;
}
)";

}  // namespace

std::vector<Words> run(const std::string& body, const std::vector<Words>& given, const Setup& setup) {
  const std::size_t rows = std::size_t{setup.threads} * setup.blocks;
  const ptx::Module module("test.ptx", std::string(".version 8.0\n.target ") + setup.target + "\n.address_size 64\n" +
                                           setup.declarations + kHead + body + kTail);
  ptx::Memory memory(std::size_t{1} << 24, setup.checks != nullptr);
  std::vector<std::uint64_t> globals;
  for (const ptx::Variable& variable : module.globals()) {
    void* place = memory.allocate(variable.bytes);
    std::memset(place, 0, variable.bytes);
    std::copy(variable.initial.begin(), variable.initial.end(), static_cast<std::uint8_t*>(place));
    globals.push_back(ptx::Memory::address_of(place));
  }
  const auto kernel = ptx::decode(module.kernel("program"), module, globals);
  const std::size_t bytes = rows * sizeof(Words);
  void *out = memory.allocate(bytes), *in = memory.allocate(bytes);
  void* extra = memory.allocate(std::max<std::size_t>(setup.extra_bytes, 1));
  std::memset(in, 0, bytes);
  if (!given.empty()) {
    REQUIRE(given.size() == rows);
    std::memcpy(in, given.data(), bytes);
  }
  memory.mark_written(in, bytes);
  ptx::Launch launch;
  launch.grid[0] = setup.blocks;
  launch.block[0] = setup.threads;
  launch.shuffle = setup.shuffle;
  const void* parameters[] = {out, in, extra};
  launch.parameters.resize(sizeof parameters);
  std::memcpy(launch.parameters.data(), parameters, sizeof parameters);
  ptx::run(*kernel, launch, memory, setup.checks);
  std::vector<Words> left(rows);
  std::memcpy(left.data(), out, bytes);
  return left;
}

}  // namespace test
}  // namespace tsugi
