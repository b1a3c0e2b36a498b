// Where a kernel's registers lie. PTX gives every result a register of its own, thousands of them; those that never
// live at the same time share a place, so that a warp's registers stay in the processor's first caches.
#pragma once

#include "kernels/ptx/code.h"

namespace tsugi {
namespace ptx {

struct Places {
  std::vector<std::uint32_t> of_register;  ///< by register
  std::uint32_t end = 0;                   ///< bytes
};

/// A register that a lane writes while the guard is false for others keeps those lanes' values: it lives before, too.
Places place_registers(const Source& source);

/// Which operands a statement writes: the first, if any. Stores, branches and barriers write none.
bool writes_first_operand(const Statement& statement);

}  // namespace ptx
}  // namespace tsugi
