// The backend interface: a device's memory, and every op of training as one call on a parameter struct.
// The CPU backend, the naive reference, and the CUDA and cuDNN backends implement it; engine code knows nothing else.
// Calls are ordered (one stream) and, on a GPU, asynchronous until synchronize().
#pragma once

#include <memory>
#include <string>

#include "kernels/api/error.h"
#include "kernels/api/kernel_choice.h"
#include "kernels/api/ops.h"
#include "kernels/api/validate.h"

namespace tsugi {

/// A place in a device's stream of work, and the time at which the device got there: how work is timed without making
/// the host wait between ops. Marks of one backend can be compared with each other. A mark can be recorded again: the
/// new place replaces the old.
class TimeMark {
 public:
  virtual ~TimeMark() = default;
  /// Marks the end of everything issued so far.
  virtual void record() = 0;
  /// Seconds from `earlier`, a recorded mark of the same backend, to this one. Waits until the device has passed both.
  virtual double seconds_since(const TimeMark& earlier) const = 0;
};

/// Recorded ops, copies and fills. launch() runs them again, in order with everything else of their backend.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  virtual void launch() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // -- the device ---------------------------------------------------------------------------------------------
  virtual std::string name() const = 0;         ///< "cpu", "reference", "cuda", ...
  virtual std::string description() const = 0;  ///< for people: the chip, the libraries, the instruction set
  /// Whether kernels of this backend compute in `dtype` on this machine, at full speed or not.
  virtual bool supports(DType dtype) const = 0;
  /// The host can read and write device pointers directly (CPU, integrated GPU), once synchronize() has returned and
  /// until the next call: an integrated GPU and its host must not touch memory at the same time.
  virtual bool shares_host_memory() const = 0;
  /// Ops take pointers to any host memory (CPU). An integrated GPU does not: it sees only what allocate() gave.
  virtual bool reads_host_memory() const { return false; }
  virtual void* allocate(std::size_t bytes) = 0;  ///< 64-byte aligned or better; throws Error naming bytes
  virtual void release(void* memory) noexcept = 0;
  /// Bytes that allocate() can still give, about; the largest std::size_t where nobody knows (CPU).
  virtual std::size_t free_bytes() const { return static_cast<std::size_t>(-1); }
  /// Calls of allocate() so far, the backend's own included; 0 where nobody counts. Training steps must not add any.
  virtual std::size_t allocations() const { return 0; }
  virtual void copy_to_device(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;
  virtual void fill_zero(void* memory, std::size_t bytes) = 0;
  virtual void synchronize() = 0;

  // -- captured work: a GPU launches a recorded step with one call ------------------------------------------------
  virtual bool captures() const { return false; }
  /// From here to end_capture() ops and fills are recorded and not run; copies to the host, synchronize() and
  /// allocate() are errors. Pointers are recorded, not what lies behind them.
  virtual void begin_capture() { throw Error("device " + name() + " records no work"); }
  /// Throws Error when something could not be recorded; recording has ended then, too.
  virtual std::unique_ptr<CapturedWork> end_capture() { throw Error("device " + name() + " records no work"); }

  // -- timing ---------------------------------------------------------------------------------------------------
  /// A mark for this backend's stream; not recorded yet. By default the host's clock, which is right for backends whose
  /// calls return when their work is done. Must not outlive the backend.
  virtual std::unique_ptr<TimeMark> make_time_mark();
  /// Names what is issued until the matching end_range(), for profilers that watch the device (NVTX). Ranges nest.
  virtual void begin_range(const char* name) { (void)name; }
  virtual void end_range() {}
  /// One call that fills the device with multiply-adds of `dtype` (CUDA's f16: pairs) and loads nothing; `steps` sets
  /// its length. Returns its floating-point operations. out: 4 bytes (device), not written. Throws Error where the
  /// device has no such instruction, or nobody wrote the loop.
  virtual double fma_burst(DType dtype, int steps, float* out);
  /// One call that copies `bytes` (a multiple of 16, less than 64 GiB) from device to device memory, both multiples of
  /// 16 bytes. Throws as fma_burst(), and where they are not.
  virtual void copy_burst(const void* from, std::size_t bytes, void* to);

  // -- kernels ----------------------------------------------------------------------------------------------------
  /// Which kernels compute the calls, where there is a choice; null where there is none. Lives as long as the backend.
  virtual KernelChoice* kernel_choice() { return nullptr; }

  // -- scratch memory: what an op needs beside its tensors, planned into the arena --------------------------------
  virtual std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const = 0;
  virtual std::size_t workspace_bytes(const DenseShape& shape, DType dtype) const = 0;
  virtual std::size_t workspace_bytes(const BatchNormShape& shape, DType dtype) const = 0;
  virtual std::size_t workspace_bytes(const AugmentForward& op) const = 0;
  virtual std::size_t workspace_bytes(const GradientNorm& op) const = 0;

  // -- ops: name(op) of each in ops.h -----------------------------------------------------------------------------
  // Throws as validate(op), then computes it.
#define TSUGI_OP(name, Op)  \
  void name(const Op& op) { \
    validate(op);           \
    compute_##name(op);     \
  }
  TSUGI_OPS(TSUGI_OP)
#undef TSUGI_OP

 protected:
#define TSUGI_OP(name, Op) virtual void compute_##name(const Op& op) = 0;
  TSUGI_OPS(TSUGI_OP)
#undef TSUGI_OP
};

/// The production CPU backend: oneDNN and vectorised C++ on `threads` threads (0 = all cores). Where the build has no
/// oneDNN this is the reference backend, and description() says so. Throws Error on a negative count.
std::unique_ptr<Backend> make_cpu_backend(int threads);

/// The naive double-precision oracle (kernels/cpu/reference.h): slow, simple, what everything is checked against.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace tsugi
