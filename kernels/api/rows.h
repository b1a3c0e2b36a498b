// The rows of the registry, one list an algorithm; each is expanded in the .cu file that implements the algorithm.
//   ROW(..., dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)
// "...": what a list is given behind ROW, such as the algorithm's own templates.
// A block computes m x n results in stages of k terms with (m / thread_m) * (n / thread_n) threads. max_sm is where
// dispatch stops to offer the row (0: nowhere), not where it stops to work. In GEMM terms, m x n x k is
//   forward          output pixels x filters x (r, s, c)
//   backward data    input pixels x channels x (r, s, k)
//   backward weight  filters x (r, s, c) x output pixels
#pragma once

// gemm: forward and backward data share a list.
#define TSUGI_CONV2D_GEMM_ROWS(ROW, ...)            \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 128, 8, 8, 8) \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 64, 8, 8, 8)  \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 32, 8, 8, 4)  \
  ROW(__VA_ARGS__, f32, 53, 999, 64, 64, 8, 8, 4)   \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 32, 8, 4, 4)   \
  ROW(__VA_ARGS__, f16, 53, 999, 64, 64, 8, 8, 4)

#define TSUGI_CONV2D_GEMM_1X1_ROWS(ROW, ...)        \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 128, 8, 8, 8) \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 64, 8, 8, 8)  \
  ROW(__VA_ARGS__, f32, 53, 999, 64, 64, 8, 8, 4)   \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 32, 8, 4, 4)   \
  ROW(__VA_ARGS__, f16, 53, 999, 64, 64, 8, 8, 4)

#define TSUGI_CONV2D_BACKWARD_WEIGHT_GEMM_ROWS(ROW, ...) \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 128, 8, 8, 8)      \
  ROW(__VA_ARGS__, f32, 53, 999, 64, 128, 8, 8, 8)       \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 128, 8, 4, 8)       \
  ROW(__VA_ARGS__, f32, 53, 999, 64, 64, 8, 8, 4)        \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 32, 8, 4, 4)        \
  ROW(__VA_ARGS__, f16, 53, 999, 64, 64, 8, 8, 4)

// Depthwise: m pixels x n channels a block; k is not used. A thread has thread_m pixels (rows of 4) x thread_n
// channels, or one channel where they do not come in vectors of thread_n. Forward and backward data share a list;
// backward weight: m output pixels a step.
#define TSUGI_CONV2D_DEPTHWISE_ROWS(ROW, ...)      \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 32, 1, 8, 4) \
  ROW(__VA_ARGS__, f16, 53, 999, 128, 32, 1, 8, 4)

#define TSUGI_CONV2D_BACKWARD_WEIGHT_DEPTHWISE_ROWS(ROW, ...) \
  ROW(__VA_ARGS__, f32, 53, 999, 64, 32, 1, 4, 4)             \
  ROW(__VA_ARGS__, f16, 53, 999, 64, 32, 1, 4, 4)

// mma, all three passes: (m / thread_m) * (n / thread_n) threads too; a warp owns 8 thread_m x 4 thread_n results.
#define TSUGI_CONV2D_MMA_ROWS(ROW, ...)              \
  ROW(__VA_ARGS__, f16, 75, 999, 128, 128, 32, 8, 8) \
  ROW(__VA_ARGS__, f16, 75, 999, 128, 64, 32, 8, 8)  \
  ROW(__VA_ARGS__, f16, 75, 999, 64, 64, 32, 4, 8)

// half2, all three passes: a stage is one run of float16 sums, k / 2 products (kernels/api/half2.h). sm_61 and sm_62
// differ, so dispatch stops at 60: sm_61 has HFMA2 at 1/64 of its float32 rate.
#define TSUGI_CONV2D_HALF2_ROWS(ROW, ...)          \
  ROW(__VA_ARGS__, f16, 53, 60, 128, 64, 32, 8, 4) \
  ROW(__VA_ARGS__, f16, 53, 60, 64, 64, 32, 8, 4)

// Direct (few input channels): m output pixels, in rows of 16, x n filters a block; k is not used.
#define TSUGI_CONV2D_FORWARD_DIRECT_ROWS(ROW, ...) \
  ROW(__VA_ARGS__, f32, 53, 999, 256, 32, 1, 8, 8) \
  ROW(__VA_ARGS__, f32, 53, 999, 128, 64, 1, 8, 8) \
  ROW(__VA_ARGS__, f16, 53, 999, 256, 32, 1, 8, 8) \
  ROW(__VA_ARGS__, f16, 53, 999, 128, 64, 1, 8, 8)

// Direct backward weight: a block has m filters, a thread thread_m of them x thread_n neighbouring terms (s,c); as many
// threads as fit share a filter row each, the others take other pixels. n: terms of a thread again; k is not used.
#define TSUGI_CONV2D_BACKWARD_WEIGHT_DIRECT_ROWS(ROW, ...) \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 9, 1, 8, 9)           \
  ROW(__VA_ARGS__, f32, 53, 999, 32, 7, 1, 8, 7)           \
  ROW(__VA_ARGS__, f16, 53, 999, 32, 9, 1, 8, 9)           \
  ROW(__VA_ARGS__, f16, 53, 999, 32, 7, 1, 8, 7)

// Winograd F(2x2,3x3), forward and backward data: m results are m / 4 tiles of 2x2, k channels a stage; a thread holds
// two of the 16 products of 8 tiles x 4 filters, and ends up with thread_m x thread_n results.
#define TSUGI_CONV2D_WINOGRAD_ROWS(ROW, ...) ROW(__VA_ARGS__, f32, 53, 999, 128, 32, 8, 4, 4)

/// For the device half of a .cu file: compiles a row's kernel, a template of the type, the tile and `Argument`, or of
/// the tile alone.
#define TSUGI_INSTANCE(kernel, Params, TileType, Argument, dtype, min_sm, max_sm, ...) \
  template __global__ void kernel<element::dtype, TileType<__VA_ARGS__>, Argument>(const Params<element::dtype>);
#define TSUGI_TILE_INSTANCE(kernel, Params, TileType, dtype, min_sm, max_sm, ...) \
  template __global__ void kernel<TileType<__VA_ARGS__>>(const Params);
