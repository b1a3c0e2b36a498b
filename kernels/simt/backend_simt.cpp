#include <string>

#include "kernels/cuda/gpu_backend.h"

namespace tsugi {

std::unique_ptr<RegistryBackend> make_simt_backend(int sm, ThreadOrder order, std::uint64_t seed) {
  if (sm < 53 || sm > 999) {
    throw Error("device simt: architecture " + std::to_string(sm) + ", expected a compute capability from 53 to 999");
  }
  return std::unique_ptr<RegistryBackend>(new simt::GpuBackend("simt", simt::make_runtime(sm, order, seed)));
}

}  // namespace tsugi
