// Checks of cuDNN's and cuBLAS's return codes: a failure is an Error that names the library, the call and the status.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

#include <string>

#include "kernels/api/error.h"

namespace tsugi {
namespace cuda {

/// "cudnn: cudnnConvolutionForward: CUDNN_STATUS_NOT_SUPPORTED". `call` is the source text of the call.
[[noreturn]] void throw_library_error(const char* library, const std::string& call, const std::string& status);

inline void check_cudnn(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw_library_error("cudnn", call, cudnnGetErrorString(status));
}

void check_cublas(cublasStatus_t status, const char* call);

}  // namespace cuda
}  // namespace tsugi

#define TSUGI_CHECK_CUDNN(call) ::tsugi::cuda::check_cudnn((call), #call)
#define TSUGI_CHECK_CUBLAS(call) ::tsugi::cuda::check_cublas((call), #call)
