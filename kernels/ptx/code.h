// A kernel ready to run: one Instruction a statement, its operands places in a warp's registers. Decoded once, run by
// every warp of every launch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/ptx/program.h"

namespace tsugi {
namespace ptx {

constexpr int kWarp = 32;
constexpr std::uint32_t kAllLanes = 0xffffffffu;

struct Warp;
struct Instruction;

/// Runs an instruction on the active lanes of a warp.
using Execute = void (*)(Warp& warp, const Instruction& instruction);

/// What decides where a warp goes on.
enum class Control : std::uint8_t {
  none,     ///< behind the instruction
  branch,   ///< at `target`
  barrier,  ///< when every thread of the block is there
  exit,     ///< nowhere
  together  ///< behind it, once the lanes of a mask have come: shuffles, votes, matrices, bar.warp.sync
};

/// Places are bytes from the start of a warp's registers: a register of up to 32 bits has 32 x 4 bytes there, one of 64
/// bits 32 x 8, a predicate 4 (a bit a lane).
struct Instruction {
  Execute execute = nullptr;
  Control control = Control::none;
  Space space = Space::generic;
  bool guarded = false, guard_negated = false;
  bool negated = false;       ///< the predicate that is read (selp, vote, setp.and) counts inverted
  bool wide_address = false;  ///< the address is a 64-bit register
  std::uint8_t count = 1;     ///< elements of a vector access, matrices of ldmatrix
  std::uint32_t guard = 0;
  std::uint32_t to[4] = {0, 0, 0, 0};
  std::uint32_t from[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  std::int64_t immediate = 0;
  int target = -1;
};

/// What each lane of a place holds from the start on.
struct Constant {
  std::uint32_t place;
  bool wide;
  std::uint64_t value;
};

/// %tid.x and its like, 32 bits each.
enum class Special : std::uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid
};

struct SpecialRegister {
  std::uint32_t place;
  Special which;
};

struct Kernel {
  Source source;                  ///< statements[i] is what code[i] was made of
  std::vector<Instruction> code;  ///< and an exit behind the last
  std::vector<Constant> constants;
  std::vector<SpecialRegister> specials;
  std::uint32_t register_bytes = 0;   ///< of a warp
  std::uint32_t shared_bytes = 0;     ///< of a block
  std::uint32_t local_bytes = 0;      ///< of a thread
  std::vector<std::uint64_t> visits;  ///< by instruction: warps that ran it, so far
};

/// Throws Error that names the line of an instruction, or a form of one, that is not modelled. globals: where the
/// module's variables lie, in the order of Module::globals().
std::unique_ptr<Kernel> decode(Source source, const Module& module, const std::vector<std::uint64_t>& globals);

}  // namespace ptx
}  // namespace tsugi
