// The emulator's host twin of the CUDA runtime. Device memory is host memory, but the engine is not told so
// (integrated = false): every copy that a discrete GPU needs is made, and checked.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/simt/emulator.h"

namespace tsugi {
namespace simt {

class SimtRuntime : public Runtime {
 public:
  /// sm: the architecture to stand for; memory_limit: bytes that allocate() gives in all.
  SimtRuntime(int sm, ThreadOrder order, std::uint64_t seed, std::size_t memory_limit = std::size_t{4} << 30);
  ~SimtRuntime() override;

  const DeviceInfo& info() const override { return info_; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  std::size_t free_bytes() const override { return info_.total_memory - allocated_; }
  std::size_t allocations() const override { return allocations_; }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void* memory, std::size_t bytes) override;
  void synchronize() override { refuse_in_capture("synchronize"); }
  void begin_capture() override;
  std::unique_ptr<Graph> end_capture() override;

 private:
  void launch_function(const char* name, std::function<void()> thread, dim3 grid, dim3 block) override;
  void refuse_in_capture(const char* call) const;
  void check_device_range(const char* call, const void* memory, std::size_t bytes) const;

  DeviceInfo info_;
  Emulator emulator_;
  std::map<const char*, std::size_t> memory_;  ///< bytes by address
  std::size_t allocated_ = 0;
  std::size_t allocations_ = 0;
  bool capturing_ = false;
  std::vector<std::function<void()>> recorded_;
};

}  // namespace simt
}  // namespace tsugi
