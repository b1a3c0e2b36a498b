// Column sums of a [rows,c] matrix in two passes of fixed order: d_bias of convolutions and dense layers.
#include "kernels/cuda/device/element.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/ops.h"
#include "kernels/cuda/split_reduce.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kColumnSumWidth = 32;  ///< columns of a block: a warp reads 128 bytes of a row (64 in float16)
constexpr int kColumnSumLines = 8;   ///< rows that a block reads at a time
constexpr int kColumnSumThreads = kColumnSumWidth * kColumnSumLines;

template <typename T>
struct ColumnSumParams {
  const T* matrix;
  float* sums;
  std::size_t rows, part_rows;  ///< part_rows: of a part (gridDim.y of them)
  int c;
  bool accumulate;
};

struct ColumnSumShared {
  float sum[kColumnSumLines][kColumnSumWidth];
};

/// sums[part,c] = sum over the part's rows of matrix[row,c] [+ sums]. A block owns 32 columns of a part, a thread every
/// 8th row of one column; the 8 threads of a column are added in order. The matrix streams once, a row's 32 neighbours
/// by one warp. 1 KB of shared memory. Overwrites sums, or adds to them (a single part only).
template <typename T>
__global__ void __launch_bounds__(kColumnSumThreads) column_sum_kernel(const ColumnSumParams<T> p) {
  ColumnSumShared& shared = shared_memory<ColumnSumShared>();
  const int lane = static_cast<int>(threadIdx.x) % kColumnSumWidth,
            line = static_cast<int>(threadIdx.x) / kColumnSumWidth;
  const int column = static_cast<int>(blockIdx.x) * kColumnSumWidth + lane;
  const std::size_t begin = static_cast<std::size_t>(blockIdx.y) * p.part_rows;
  const std::size_t end = begin + p.part_rows < p.rows ? begin + p.part_rows : p.rows;
  float sum = 0.0f;
  if (column < p.c) {
    const T* at = p.matrix + (begin + static_cast<std::size_t>(line)) * static_cast<std::size_t>(p.c) +
                  static_cast<std::size_t>(column);
    const std::size_t step = static_cast<std::size_t>(kColumnSumLines) * static_cast<std::size_t>(p.c);
#pragma unroll 4
    for (std::size_t row = begin + static_cast<std::size_t>(line); row < end; row += kColumnSumLines, at += step) {
      sum += to_float(*at);
    }
  }
  shared.sum[line][lane] = sum;
  __syncthreads();
  if (line != 0 || column >= p.c) return;
#pragma unroll
  for (int other = 1; other < kColumnSumLines; ++other) sum += shared.sum[other][lane];
  float* to = p.sums + static_cast<std::size_t>(blockIdx.y) * static_cast<std::size_t>(p.c) + column;
  *to = p.accumulate ? *to + sum : sum;
}

#ifndef __CUDACC_RTC__
namespace {

constexpr std::size_t kMaxParts = 128;
constexpr std::size_t kMinPartRows = 256;

std::size_t parts_of(std::size_t rows) {
  const std::size_t parts = rows / kMinPartRows;
  return parts < 1 ? 1 : parts > kMaxParts ? kMaxParts : parts;
}

template <typename T>
void sum_pass(Runtime& runtime, const void* matrix, std::size_t rows, int c, std::size_t parts, bool accumulate,
              float* sums) {
  const ColumnSumParams<T> params{static_cast<const T*>(matrix), sums, rows, blocks_for(rows, parts), c, accumulate};
  const std::size_t blocks = blocks_for(static_cast<std::size_t>(c), kColumnSumWidth);
  runtime.launch("column_sum", &column_sum_kernel<T>, dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(parts)),
                 dim3(kColumnSumThreads), params);
}

}  // namespace

std::size_t column_sum_workspace(std::size_t rows, int c) {
  const std::size_t parts = parts_of(rows);
  return parts == 1 ? 0 : (parts * static_cast<std::size_t>(c) * sizeof(float) + 15) / 16 * 16;
}

void column_sum(Runtime& runtime, const void* matrix, DType dtype, std::size_t rows, int c, Write write, float* sums,
                void* workspace) {
  const std::size_t parts = parts_of(rows);
  const bool accumulate = write == Write::accumulate;
  float* first = parts == 1 ? sums : static_cast<float*>(workspace);
  if (dtype == DType::f32) {
    sum_pass<float>(runtime, matrix, rows, c, parts, parts == 1 && accumulate, first);
  } else {
    sum_pass<__half>(runtime, matrix, rows, c, parts, parts == 1 && accumulate, first);
  }
  if (parts > 1) sum_pass<float>(runtime, first, parts, c, 1, accumulate, sums);
}

#else
template __global__ void column_sum_kernel<float>(const ColumnSumParams<float>);
template __global__ void column_sum_kernel<__half>(const ColumnSumParams<__half>);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
