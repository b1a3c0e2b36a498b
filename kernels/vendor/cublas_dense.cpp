// cuBLAS is column-major: a row-major [rows,columns] matrix is its columns x rows matrix. So y = x w^T is computed as
// y^T = w x^T, with every matrix passed as it lies in memory.
#include "kernels/vendor/cublas_dense.h"

#include "kernels/cuda/ops.h"
#include "kernels/vendor/check.h"
#include "kernels/vendor/cudnn_conv2d.h"
#include "kernels/vendor/epilogue.h"

namespace tsugi {
namespace cuda {
namespace {

constexpr std::size_t kScratchBytes = std::size_t{32} << 20;  // what NVIDIA's guide gives for Hopper; less elsewhere
constexpr float kOne = 1.0f, kZero = 0.0f;

/// A column-major operand: op(matrix) of the product.
struct Operand {
  const void* data;
  cublasOperation_t operation;
  int leading;  // rows in memory
};

/// c[m x n] = a b (+ c), float32 sums; a and b of `inputs`, c of `output`.
struct Product {
  int m, n, k;
  Operand a, b;
  void* c;
  DType inputs, output;
  Write write = Write::overwrite;
};

cudaDataType_t data_type(DType dtype) { return dtype == DType::f16 ? CUDA_R_16F : CUDA_R_32F; }

void multiply(cublasHandle_t handle, const Product& p, void* workspace) {
#if CUDART_VERSION >= 11000
  // cuBLAS would otherwise allocate a workspace of its own when a graph is captured.
  TSUGI_CHECK_CUBLAS(cublasSetWorkspace(handle, align_workspace(workspace), kScratchBytes));
  const cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  const cublasGemmAlgo_t algorithm = CUBLAS_GEMM_DEFAULT;
#else
  static_cast<void>(workspace);
  const cudaDataType_t compute = CUDA_R_32F;
  const cublasGemmAlgo_t algorithm = p.inputs == DType::f16 ? CUBLAS_GEMM_DEFAULT_TENSOR_OP : CUBLAS_GEMM_DEFAULT;
#endif
  const float* beta = p.write == Write::accumulate ? &kOne : &kZero;
  const cudaDataType_t type = data_type(p.inputs);
  TSUGI_CHECK_CUBLAS(cublasGemmEx(handle, p.a.operation, p.b.operation, p.m, p.n, p.k, &kOne, p.a.data, type,
                                  p.a.leading, p.b.data, type, p.b.leading, beta, p.c, data_type(p.output), p.m,
                                  compute, algorithm));
}

}  // namespace

void set_cublas_math(cublasHandle_t handle) {
#if CUDART_VERSION >= 11000
  TSUGI_CHECK_CUBLAS(cublasSetMathMode(handle, CUBLAS_DEFAULT_MATH));  // TF32 only where it is asked for
#else
  TSUGI_CHECK_CUBLAS(cublasSetMathMode(handle, CUBLAS_TENSOR_OP_MATH));  // concerns fp16 inputs only
#endif
}

std::size_t cublas_dense_workspace(const DenseShape& shape) {
  return kScratchBytes + kLibraryAlignment +
         aligned_bytes(column_sum_workspace(static_cast<std::size_t>(shape.n), shape.out));
}

void cublas_dense(Runtime& runtime, cublasHandle_t handle, const DenseForward& op) {
  const DenseShape& s = op.shape;
  Product product;
  product.m = s.out, product.n = s.n, product.k = s.in;
  product.a = {op.w, CUBLAS_OP_T, s.in};
  product.b = {op.x, CUBLAS_OP_N, s.in};
  product.c = op.y;
  product.inputs = product.output = op.dtype;
  multiply(handle, product, op.workspace);
  bias_activation(runtime, op.dtype, static_cast<std::size_t>(s.n), s.out, op.bias, op.activation, op.y);
}

void cublas_dense(Runtime&, cublasHandle_t handle, const DenseBackwardData& op) {
  const DenseShape& s = op.shape;
  Product product;
  product.m = s.in, product.n = s.n, product.k = s.out;
  product.a = {op.w, CUBLAS_OP_N, s.in};
  product.b = {op.d_y, CUBLAS_OP_N, s.out};
  product.c = op.d_x;
  product.inputs = product.output = op.dtype;
  product.write = op.write;
  multiply(handle, product, op.workspace);
}

void cublas_dense(Runtime& runtime, cublasHandle_t handle, const DenseBackwardWeight& op) {
  const DenseShape& s = op.shape;
  Product product;
  product.m = s.in, product.n = s.out, product.k = s.n;
  product.a = {op.x, CUBLAS_OP_N, s.in};
  product.b = {op.d_y, CUBLAS_OP_T, s.out};
  product.c = op.d_w;
  product.inputs = op.dtype, product.output = DType::f32;
  product.write = op.write;
  multiply(handle, product, op.workspace);
  if (op.d_bias == nullptr) return;
  column_sum(runtime, op.d_y, op.dtype, static_cast<std::size_t>(s.n), s.out, op.write, op.d_bias,
             align_workspace(op.workspace) + kScratchBytes);
}

}  // namespace cuda
}  // namespace tsugi
