// Parameters of dequantise-and-gather: stored 8-bit activations -> a batch, the first op of a step that trains on
// features.
#pragma once

#include "kernels/api/types.h"

namespace tsugi {

/// x[i,e] = offset[e % c] + scale[e % c] * rows[index[i],e] for the count elements e of a row: the channel comes last,
/// as in NHWC. A channel's values lie on 256 levels, scale apart, so a value within them is off by scale / 2 at most.
struct DequantizeGather {
  int n = 1;                             ///< rows of the batch
  int count = 1;                         ///< elements of a row, a multiple of c
  int c = 1;                             ///< channels
  const std::uint8_t* rows = nullptr;    ///< [*,count], device
  const std::uint32_t* index = nullptr;  ///< [n], device
  const float* scale = nullptr;          ///< [c], device
  const float* offset = nullptr;         ///< [c], device
  DType dtype = DType::f32;
  void* x = nullptr;  ///< [n,count], overwritten
};

}  // namespace tsugi
