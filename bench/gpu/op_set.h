// The tensors of one convolution or dense layer, in several copies, and the calls that work on them.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/gpu/cases.h"
#include "bench/gpu/timing.h"
#include "engine/core/arena.h"
#include "kernels/api/registry.h"

namespace tsugi::bench {

/// Working sets of this size fit in no device's cache.
constexpr std::size_t kColdBytes = std::size_t{192} << 20;
constexpr int kMaxCopies = 64;

class OpSet {
 public:
  /// Allocates on `owner`, whose memory the other backends of the same device see, too. Values: random, around zero,
  /// weights small enough that outputs stay of the size of inputs. cold_bytes: what all copies together should exceed.
  OpSet(Backend& owner, const OpCase& op_case, DType dtype, std::size_t cold_bytes);

  int copies() const { return copies_; }
  /// Least bytes that a pass moves: inputs read once, outputs written once.
  double bytes(KernelOp pass) const;
  /// The call of a pass on `backend`, overwriting, without bias and activation: the product alone, which every library
  /// computes. Plans the backend's workspace; rebind before another contender with another need: each keeps its own.
  Contender contender(const std::string& name, Backend& backend, KernelOp pass);

 private:
  Backend& owner_;
  OpCase case_;
  DType dtype_;
  int copies_ = 1;
  std::size_t x_count_, w_count_, y_count_;
  std::vector<DeviceBuffer> x_, w_, y_;
  DeviceBuffer d_w_;
  std::vector<std::unique_ptr<DeviceBuffer>> workspaces_;
};

}  // namespace tsugi::bench
