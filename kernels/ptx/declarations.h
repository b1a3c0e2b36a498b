// Readers of single declarations, shared by modules and kernels.
#pragma once

#include "kernels/ptx/program.h"
#include "kernels/ptx/tokens.h"

namespace tsugi {
namespace ptx {

/// ".f32" -> 32, ".pred" -> 1, ".f16x2" -> 32. Throws Error.
int bits_of_type(const Tokens& tokens, const std::string& type);

/// ".shared .align 16 .b8 storage[1024];" with or without " = {1, 2}", from its space on to behind the semicolon.
Variable read_variable(Tokens& tokens);

/// ".visible .entry name(parameters) directives { ... }".
Source read_kernel(Tokens& tokens);

}  // namespace ptx
}  // namespace tsugi
