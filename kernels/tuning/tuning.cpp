// The tuning tables, read from the .inc files, and the cost estimate that stands in where a table has no row.
#include "kernels/tuning/tuning.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace tsugi {
namespace {

struct VariantSpeed {
  KernelOp op;
  const char* variant;
  DType dtype;
  double speed;  ///< useful multiply-adds a unit of time; 1 = an ideal float32 kernel
};

struct Tuned {
  KernelOp op;
  DType dtype;
  Conv2dShape shape;
  const char* row;
};

struct Table {
  double tile_traffic;  ///< what a tile of m x n adds to its cost, times (1/m + 1/n)
  std::vector<VariantSpeed> speeds;
  std::vector<Tuned> tuned;
};

#define TSUGI_SPEED(op, variant, dtype, speed) table.speeds.push_back({KernelOp::op, variant, DType::dtype, speed});
#define TSUGI_TUNED(op, dtype, n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups, row) \
  table.tuned.push_back(                                                                           \
      {KernelOp::op, DType::dtype, {n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups}, row});

Table sm_53() {
  Table table{};
#include "kernels/tuning/sm_53.inc"
  return table;
}

Table sm_75() {
  Table table{};
#include "kernels/tuning/sm_75.inc"
  return table;
}

Table generic() {
  Table table{};
#include "kernels/tuning/generic.inc"
  return table;
}

#undef TSUGI_SPEED
#undef TSUGI_TUNED

const Table& table_of(int sm) {
  static const Table kSm53 = sm_53(), kSm75 = sm_75(), kGeneric = generic();
  return sm == 53 ? kSm53 : sm == 75 ? kSm75 : kGeneric;
}

bool same(const Conv2dShape& a, const Conv2dShape& b) {
  return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c && a.k == b.k && a.r == b.r && a.s == b.s &&
         a.stride_h == b.stride_h && a.stride_w == b.stride_w && a.pad_h == b.pad_h && a.pad_w == b.pad_w &&
         a.groups == b.groups;
}

/// An op as `batches` matrix products of m x k by k x n.
struct Gemm {
  double m, n, k, batches;
};

Gemm gemm_of(KernelOp op, const Conv2dShape& s) {
  const double pixels = 1.0 * s.n * s.p() * s.q(), taps = 1.0 * s.r * s.s;
  const double filters = s.k / s.groups, channels = s.c / s.groups;
  if (op == KernelOp::conv2d_forward) return {pixels, filters, taps * channels, 1.0 * s.groups};
  if (op == KernelOp::conv2d_backward_weight) return {filters, taps * channels, pixels, 1.0 * s.groups};
  // One product for each phase of the stride, each with its share of the taps.
  const double phases = 1.0 * s.stride_h * s.stride_w;
  return {1.0 * s.n * s.h * s.w / phases, channels, std::max(1.0, taps / phases) * filters, phases * s.groups};
}

double tiles(double size, int tile) {
  const double whole = static_cast<double>(static_cast<long long>(size / tile));
  return whole * tile < size ? whole + 1.0 : std::max(whole, 1.0);
}

}  // namespace

std::string tuned_row(int sm, KernelOp op, const Conv2dShape& shape, DType dtype) {
  for (const Tuned& tuned : table_of(sm).tuned)
    if (tuned.op == op && tuned.dtype == dtype && same(tuned.shape, shape)) return tuned.row;
  return std::string();
}

double estimated_cost(int sm, int multiprocessors, const Row& row, const Conv2dShape& shape) {
  const Table& table = table_of(sm);
  double speed = 0.5;  // a variant that no table knows
  for (const VariantSpeed& known : table.speeds)
    if (known.op == row.op && known.dtype == row.dtype && std::strcmp(known.variant, row.variant) == 0)
      speed = known.speed;
  const Gemm gemm = gemm_of(row.op, shape);
  const bool direct = std::strcmp(row.variant, "direct") == 0 || std::strcmp(row.variant, "depthwise") == 0;
  if (direct) return gemm.m * gemm.n * gemm.k * gemm.batches / multiprocessors / speed;

  const double blocks = tiles(gemm.m, row.tile.m) * tiles(gemm.n, row.tile.n) * gemm.batches;
  const double block_work = 1.0 * row.tile.m * row.tile.n * gemm.k;
  const double traffic = 1.0 + table.tile_traffic * (1.0 / row.tile.m + 1.0 / row.tile.n);
  // Sums are split over idle multiprocessors, so fewer blocks than those cost their share only, and a second pass.
  const double waves = blocks >= multiprocessors ? tiles(blocks, multiprocessors) : blocks / multiprocessors;
  return waves * block_work * traffic / speed;
}

}  // namespace tsugi
