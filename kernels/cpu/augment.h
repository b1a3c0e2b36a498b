// Augmentation on the CPU: decoded photos in, an augmented and normalised batch out (kernels/api/augment.h).
#pragma once

#include <cstddef>

#include "kernels/api/augment.h"

namespace tsugi {
namespace cpu {

/// Scratch bytes that augment_forward needs at op.workspace (64-byte aligned): sizes are read, pointers are not.
std::size_t augment_workspace_bytes(const AugmentForward& op);

/// Runs the op on up to `threads` threads. The result depends on neither the threads nor the batch's
/// order. Throws Error as validate(op) does, and when the workspace is null or dtype is neither f32 nor bf16.
void augment_forward(const AugmentForward& op, int threads);

}  // namespace cpu
}  // namespace tsugi
