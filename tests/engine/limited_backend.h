// The CPU posing as a GPU: ops must not read host memory, and device memory ends somewhere.
#pragma once

#include <memory>
#include <utility>

#include "tests/engine/counting_backend.h"

namespace tsugi::test {

class LimitedBackend : public CountingBackend {
 public:
  LimitedBackend(std::unique_ptr<Backend> inner, std::size_t memory)
      : CountingBackend(std::move(inner)), memory_(memory) {}

  bool shares_host_memory() const override { return false; }
  bool reads_host_memory() const override { return false; }
  std::size_t free_bytes() const override { return memory_ > live_bytes ? memory_ - live_bytes : 0; }
  void* allocate(std::size_t bytes) override {
    if (bytes > free_bytes())
      throw Error("limited: " + std::to_string(bytes) + " bytes needed, " + std::to_string(free_bytes()) + " free");
    return CountingBackend::allocate(bytes);
  }

 private:
  std::size_t memory_;
};

}  // namespace tsugi::test
