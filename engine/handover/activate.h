// Photos to activations at a cut: what a server sends instead of photos, and what a device computes once of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/handover/channel_quantization.h"
#include "engine/train/network.h"
#include "engine/train/sample_source.h"

namespace tsugi {

/// 8-bit activations, host memory.
struct Activated {
  ChannelQuantization quantization;
  std::vector<std::uint8_t> rows;  ///< [*, shape]
};

/// Which variants of which photos. A row a photo and variant, photo by photo.
struct ActivateRequest {
  struct Photos {
    std::vector<std::uint32_t> items;  ///< of the source
    std::uint32_t variants = 1;        ///< variant 0 is the photo itself
  };
  std::vector<Photos> groups;  ///< one behind the other; together they share one table of levels
  AugmentStrength strength;
  std::uint64_t seed = 0;              ///< of the variants' draws
  std::function<void()> before_batch;  ///< what it throws leaves activate()
  FileLog* files = nullptr;            ///< hears of the temporary file
};

/// Runs `lower` (the lower part of a cut model, whose last layer's output is wanted), in float32 and inference mode:
/// running statistics, no dropout. Between the passes the float32 activations lie in memory, or in an unlinked
/// temporary file where they are more than 2 GiB. Throws Error naming `place` when an activation is not finite.
Activated activate(const Network& lower, const SampleSource& source, const ActivateRequest& request,
                   const std::string& place);

}  // namespace tsugi
