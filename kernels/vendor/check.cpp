#include "kernels/vendor/check.h"

namespace tsugi {
namespace cuda {
namespace {

/// cublasGetStatusName() came with CUDA 11.4; the Nano's toolkit is older.
std::string name_of(cublasStatus_t status) {
#define TSUGI_STATUS(name) \
  if (status == name) return #name;
  TSUGI_STATUS(CUBLAS_STATUS_SUCCESS)
  TSUGI_STATUS(CUBLAS_STATUS_NOT_INITIALIZED)
  TSUGI_STATUS(CUBLAS_STATUS_ALLOC_FAILED)
  TSUGI_STATUS(CUBLAS_STATUS_INVALID_VALUE)
  TSUGI_STATUS(CUBLAS_STATUS_ARCH_MISMATCH)
  TSUGI_STATUS(CUBLAS_STATUS_MAPPING_ERROR)
  TSUGI_STATUS(CUBLAS_STATUS_EXECUTION_FAILED)
  TSUGI_STATUS(CUBLAS_STATUS_INTERNAL_ERROR)
  TSUGI_STATUS(CUBLAS_STATUS_NOT_SUPPORTED)
#undef TSUGI_STATUS
  return "status " + std::to_string(static_cast<int>(status));
}

}  // namespace

void throw_library_error(const char* library, const std::string& call, const std::string& status) {
  throw Error(std::string(library) + ": " + call.substr(0, call.find('(')) + ": " + status);
}

void check_cublas(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) throw_library_error("cublas", call, name_of(status));
}

}  // namespace cuda
}  // namespace tsugi
