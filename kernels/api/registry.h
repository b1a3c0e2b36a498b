// The registry: one row for each kernel that a GPU backend can pick, by op, algorithm, type, lowest architecture and
// tile. The rows themselves stand in rows.h. Dispatch, tuner, tests and benchmarks walk the same list, so no row
// escapes them.
#pragma once

#include <string>
#include <vector>

#include "kernels/api/backend.h"

namespace tsugi {

/// Sizes of a block's share of the GEMM view of an op: m x n results, k terms a stage; thread_m x thread_n results a
/// thread. Direct kernels use the fields as rows.h says.
struct Tile {
  int m, n, k;
  int thread_m, thread_n;
};

struct KernelRow {
  KernelOp op;
  const char* algorithm;  ///< "gemm", "gemm_1x1", "winograd", "direct", "depthwise", "mma", "half2"
  DType dtype;
  int min_sm;  ///< lowest architecture that its code runs on, as 53, 75
  int max_sm;  ///< highest that it is meant for; tests run it everywhere above min_sm
  Tile tile;
};

/// "conv2d_forward gemm f32 128x64x8 8x8": how tables and messages name a row.
std::string name_of(const KernelRow& row);

/// Whether a block of the algorithm computes its m x n results however few are left of them. Direct and depthwise
/// kernels take pixels and channels as they come.
bool computes_whole_blocks(const char* algorithm);

/// What one of the kernels that a row is compiled into reaches at best.
struct KernelSpeed {
  KernelOp op;
  const char* algorithm;
  DType dtype;
  Tile tile;
  const char* instance;  ///< "by 4", "DepthwiseFilter(3, 1) by 4"; may be empty
  double share;          ///< of the peak of its type, in FLOP of the op: above 1 where Winograd saves some
};

/// Every row on the usual shapes, by its machine code for sm_53 (also below sm_70) or sm_75: an upper bound, not
/// measured. tests/machine_code --update writes the tables (kernels/tuning).
const std::vector<KernelSpeed>& kernel_speeds(int sm);

/// A backend that picks its kernels from the registry: cuda and simt.
class RegistryBackend : public Backend {
 public:
  virtual int sm() const = 0;
  /// Every row of this build.
  virtual std::vector<KernelRow> rows() const = 0;
  /// Whether rows()[row] computes this shape.
  virtual bool covers(std::size_t row, const Conv2dShape& shape) const = 0;
  /// Takes rows()[row] for every call of its op and type from now on (workspace_bytes too); a shape that it does not
  /// cover is then an Error. -1: by table again.
  virtual void pin(int row) = 0;
  /// The row that a call would take. Throws Error where none covers the shape.
  virtual std::size_t row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const = 0;
  /// The whole name of what runs where the row of this name is taken for a call: a row is several compiled kernels,
  /// "conv2d_forward gemm f32 64x64x8 8x4 by 4". Throws Error when the row does not compute it here.
  virtual std::string compiled(const KernelCall& call, const std::string& row) const = 0;
};

/// The first CUDA device. Throws Error where the build or the machine has none.
std::unique_ptr<RegistryBackend> make_cuda_backend();

/// The order of a tensor's dimensions that cuDNN is told. nhwc is tsugi's. With nchw cuDNN reads and writes the same
/// memory as NCHW tensors and K,C,R,S weights: of no use in a model, but where that is cuDNN's faster side, benchmarks
/// must know.
enum class TensorLayout : std::uint8_t { nhwc, nchw };

/// cuDNN and cuBLAS on the same device: the baseline of every comparison. Throws as make_cuda_backend().
std::unique_ptr<Backend> make_cudnn_backend(TensorLayout layout = TensorLayout::nhwc);

/// The order in which the emulator runs the threads of a block between two barriers. Results must not depend on it.
enum class ThreadOrder : std::uint8_t { forward, reverse, shuffled };

/// The compute capabilities that the emulator can stand for, as 53 and 75: those that NVIDIA made, from the oldest with
/// kernels on.
const std::vector<int>& emulated_architectures();

/// The emulator. sm: one of emulated_architectures(); seed: of ThreadOrder::shuffled. Throws Error where the build
/// does not have it.
std::unique_ptr<RegistryBackend> make_simt_backend(int sm, ThreadOrder order = ThreadOrder::forward,
                                                   std::uint64_t seed = 1);

}  // namespace tsugi
