// The tensors of one op, in several copies, and the calls that work on them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "bench/measure/op_cases.h"
#include "bench/measure/timing.h"
#include "engine/core/arena.h"

namespace tsugi::bench {

/// Working sets of this size fit in no GPU's cache; a CPU's may be larger: see cold_bytes().
constexpr std::size_t kColdBytes = std::size_t{192} << 20;

/// What all copies of an op's tensors together must exceed to come from memory: kColdBytes, or twice this machine's
/// last-level cache where that is more.
std::size_t cold_bytes();

/// Device memory that one set after another uses: it grows to the largest and stays. One set at a time.
class BenchMemory {
 public:
  explicit BenchMemory(Backend& backend) : backend_(backend) {}
  Backend& backend() const { return backend_; }

  /// Starts over with room for `bytes`: what was taken before is gone.
  void reset(std::size_t bytes);
  /// The next `bytes` of it, 256-byte aligned. Throws Error when reset() made no room for them.
  void* take(std::size_t bytes);
  static std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

 private:
  Backend& backend_;
  DeviceBuffer block_;
  std::size_t used_ = 0;
};

class OpSet {
 public:
  /// Lies in `memory`, which other backends of the same device see, too. Values: random, around zero, weights small
  /// enough that outputs stay of the size of inputs. cold: what all copies together should exceed, bytes; 0 = one copy.
  OpSet(BenchMemory& memory, const OpCase& op_case, DType dtype, std::size_t cold);

  int copies() const { return static_cast<int>(copies_.size()); }
  const OpCase& op_case() const { return case_; }
  /// The call of a pass on `backend`, overwriting; products with the epilogue of their case. Plans the backend's
  /// workspace, which each contender has to itself.
  Contender contender(const std::string& name, Backend& backend, OpPass pass);

 private:
  /// One copy. conv2d, dense: x, w, y. Others: inputs x and z, output y, and what backward passes write: d, w.
  struct Tensors {
    void *x = nullptr, *w = nullptr, *y = nullptr, *z = nullptr, *d = nullptr;
    std::uint8_t* saved = nullptr;  // argmax or dropout's mask
  };
  using Call = std::function<void(const Tensors&)>;
  struct Sizes {
    std::size_t x = 0, w = 0, y = 0, z = 0, d = 0, saved = 0;  // elements
  };

  Sizes sizes() const;
  void fill(void* to, std::size_t count, float scale);
  void* workspace(std::size_t bytes);
  Call product_call(Backend& backend, OpPass pass);
  Call norm_call(Backend& backend, OpPass pass);
  Call pool_call(Backend& backend, OpPass pass);
  Call pointwise_call(Backend& backend, OpPass pass);

  Backend& owner_;
  OpCase case_;
  DType dtype_;
  std::vector<Tensors> copies_;
  std::map<float, std::vector<std::uint8_t>> patterns_;  // elements as bytes, by scale
  float* d_w_ = nullptr;                                 // products: [w]
  float* filters_ = nullptr;                             // products: bias [k], and its gradient [k]
  float* channels_ = nullptr;                            // batch norm: 8 vectors of c, all ones
  std::uint8_t* step_ = nullptr;                         // dropout: StepState, then sample ids
  std::vector<std::unique_ptr<DeviceBuffer>> workspaces_;
};

}  // namespace tsugi::bench
