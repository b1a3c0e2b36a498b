// The rows of the registry, one list a variant; each is expanded in the .cu file that implements the variant.
//   ROW(dtype, min_sm, max_sm, m, n, k, thread_m, thread_n)
// A block computes m x n results in stages of k terms with (m / thread_m) * (n / thread_n) threads. max_sm is where
// dispatch stops to offer the row (0: nowhere), not where it stops to work. In GEMM terms, m x n x k is
//   forward          output pixels x filters x (r, s, c)
//   backward data    input pixels x channels x (r, s, k)
//   backward weight  filters x (r, s, c) x output pixels
#pragma once

#define TSUGI_CONV2D_FORWARD_GEMM_ROWS(ROW) \
  ROW(f32, 53, 999, 128, 128, 8, 8, 8)      \
  ROW(f32, 53, 999, 128, 64, 8, 8, 8)       \
  ROW(f32, 53, 999, 128, 32, 8, 8, 4)       \
  ROW(f32, 53, 999, 64, 64, 8, 8, 4)        \
  ROW(f32, 53, 999, 32, 32, 8, 4, 4)        \
  ROW(f16, 53, 999, 64, 64, 8, 8, 4)

#define TSUGI_CONV2D_FORWARD_GEMM_1X1_ROWS(ROW) \
  ROW(f32, 53, 999, 128, 128, 8, 8, 8)          \
  ROW(f32, 53, 999, 128, 64, 8, 8, 8)           \
  ROW(f32, 53, 999, 64, 64, 8, 8, 4)            \
  ROW(f32, 53, 999, 32, 32, 8, 4, 4)            \
  ROW(f16, 53, 999, 64, 64, 8, 8, 4)
