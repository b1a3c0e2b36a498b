// Stands in for the cudnn device in builds that have a CUDA toolkit but no cuDNN.
#include "kernels/api/registry.h"

namespace tsugi {

std::unique_ptr<Backend> make_cudnn_backend(TensorLayout) {
  throw Error("device cudnn: this build does not have it; install cuDNN (cudnn.h, libcudnn) and build again");
}

}  // namespace tsugi
