// Stands in for the CUDA and cuDNN backends in builds without a CUDA toolkit.
#include "kernels/api/registry.h"

namespace tsugi {

std::unique_ptr<RegistryBackend> make_cuda_backend() {
  throw Error("device cuda: this build does not have it; build with the preset cuda-server or cuda-jetson");
}

std::unique_ptr<Backend> make_cudnn_backend(TensorLayout) {
  throw Error("device cudnn: this build does not have it; build with the preset cuda-server or cuda-jetson");
}

}  // namespace tsugi
