// The device cuda: the GPU backend on the CUDA runtime.
#include "kernels/cuda/gpu_backend.h"

namespace tsugi {

std::unique_ptr<RegistryBackend> make_cuda_backend() {
  return std::make_unique<cuda::GpuBackend>("cuda", cuda::make_runtime());
}

}  // namespace tsugi
