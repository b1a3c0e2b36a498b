// Makes the emulator's backend: the GPU backend on the emulator's runtime.
#include <algorithm>
#include <string>

#include "kernels/cuda/gpu_backend.h"

namespace tsugi {

std::unique_ptr<RegistryBackend> make_simt_backend(int sm, ThreadOrder order, std::uint64_t seed) {
  const std::vector<int>& known = emulated_architectures();
  if (std::find(known.begin(), known.end(), sm) == known.end())
    throw Error("device simt: architecture " + std::to_string(sm) + ", expected one of emulated_architectures()");
  return std::unique_ptr<RegistryBackend>(new simt::GpuBackend("simt", simt::make_runtime(sm, order, seed)));
}

}  // namespace tsugi
