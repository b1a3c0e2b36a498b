#include "engine/train/memory_share.h"

#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// Code, libraries, threads, and the kernels that oneDNN generates: 24 to 36 MiB measured with the built-in models.
constexpr std::size_t kProcessBytes = std::size_t{48} << 20;

std::string mib(std::size_t bytes) { return std::to_string((bytes + (std::size_t{1} << 19)) >> 20) + " MiB"; }

}  // namespace

std::size_t weight_bytes(const ParameterLayout& layout) {
  return (layout.count() + layout.statistics_count()) * sizeof(float);
}

std::size_t saving_bytes(const ParameterLayout& layout, const OptimizerSettings& optimizer) {
  return 3 * (weight_bytes(layout) + Optimizer::bytes(optimizer, layout.count()));
}

void give_back_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

MemoryShare share_memory(std::size_t budget, const Backend& backend, const ParameterLayout& layout,
                         const OptimizerSettings& optimizer, std::size_t held) {
  if (budget == 0) return {};
  if (!backend.reads_host_memory()) return {0, budget};
  const std::size_t saving = saving_bytes(layout, optimizer);
  const std::size_t taken = kProcessBytes + held;
  if (budget <= taken + saving)
    throw Error("--memory is " + mib(budget) + ", but without even one sample the program takes " + mib(kProcessBytes) +
                ", what it read " + mib(held) + ", and saving the checkpoint " + mib(saving));
  return {budget - taken, budget - taken - saving};
}

}  // namespace tsugi
