// What backends that compute on the host have in common: its memory, and what its processor can do at most.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <string>

#include "kernels/api/backend.h"
#include "kernels/cpu/peak.h"

namespace tsugi {
namespace cpu {

class HostBackend : public Backend {
 public:
  bool shares_host_memory() const override { return true; }
  bool reads_host_memory() const override { return true; }
  void* allocate(std::size_t bytes) override {
    void* memory = bytes <= PTRDIFF_MAX ? ::operator new(bytes, kAlignment, std::nothrow) : nullptr;
    if (memory == nullptr) throw Error(name() + ": cannot allocate " + std::to_string(bytes) + " bytes");
    return memory;
  }
  void release(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    if (bytes != 0 && to != from) std::memcpy(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override { copy_to_device(to, from, bytes); }
  void fill_zero(void* memory, std::size_t bytes) override {
    if (bytes != 0) std::memset(memory, 0, bytes);
  }
  void synchronize() override {}
  double fma_burst(DType dtype, int steps, float*) override { return cpu::fma_burst(dtype, steps, threads_); }
  void copy_burst(const void* from, std::size_t bytes, void* to) override {
    cpu::copy_burst(from, bytes, to, threads_);
  }

 protected:
  explicit HostBackend(int threads) : threads_(threads) {}
  const int threads_;

 private:
  static constexpr std::align_val_t kAlignment{64};
};

}  // namespace cpu
}  // namespace tsugi
