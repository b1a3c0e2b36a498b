// What --memory leaves for what. Where a device computes in the host's memory it bounds the whole process: the program
// itself, what stays in memory beside training, decoding, the training's tensors, and the copies that a checkpoint is
// written from. Elsewhere it bounds the device's memory alone. The shares depend on what is asked for and on nothing
// measured, so equal commands train in equal micro-batches.
#pragma once

#include <cstddef>

#include "engine/model/parameters.h"
#include "engine/optim/optimizer.h"

namespace tsugi {

/// Of a checkpoint in memory: weights and statistics in float32.
std::size_t weight_bytes(const ParameterLayout& layout);

/// The most that saving a checkpoint holds: its tensors, moments among them, the same ready to be written, and the
/// file.
std::size_t saving_bytes(const ParameterLayout& layout, const OptimizerSettings& optimizer);

/// Gives what was freed back to the system. The C library would keep it for more of its kind.
void give_back_memory();

struct MemoryShare {
  std::size_t photos = 0;    ///< bytes for decoded photos and for decoding them; 0 = no limit
  std::size_t training = 0;  ///< bytes, as TrainerOptions::memory_budget; 0 = no limit
};

/// budget: bytes of --memory, 0 = no limit. held: bytes that stay beside training, such as a bundle. Throws Error with
/// all values when nothing is left to train in.
MemoryShare share_memory(std::size_t budget, const Backend& backend, const ParameterLayout& layout,
                         const OptimizerSettings& optimizer, std::size_t held);

}  // namespace tsugi
