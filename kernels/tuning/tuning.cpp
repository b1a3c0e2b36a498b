// The tuning tables, read from the .inc files, and the cost estimate where nothing was measured for a shape.
#include "kernels/tuning/tuning.h"

#include <algorithm>
#include <cstring>

namespace tsugi {
namespace {

struct Tuned {
  KernelCall call;
  const char* row;
};

struct Table {
  std::vector<KernelSpeed> speeds;
  std::vector<Tuned> tuned;
};

#define TSUGI_SPEED(op, algorithm, dtype, m, n, k, thread_m, thread_n, instance, share) \
  table.speeds.push_back({KernelOp::op, #algorithm, DType::dtype, {m, n, k, thread_m, thread_n}, instance, share});
#define TSUGI_TUNED(op, dtype, n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups, row) \
  table.tuned.push_back(                                                                           \
      {{KernelOp::op, {n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups}, DType::dtype, false}, row});

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

#undef TSUGI_SPEED
#undef TSUGI_TUNED

const Table& table_of(int sm) {
  static const Table kSm53 = sm_53(), kSm75 = sm_75();
  return sm < 70 ? kSm53 : kSm75;
}

/// Of the row, on the usual shapes; a guess where it is newer than the tables.
double share_of(int sm, const KernelRow& row) {
  const auto same_tile = [](const Tile& a, const Tile& b) {
    return a.m == b.m && a.n == b.n && a.k == b.k && a.thread_m == b.thread_m && a.thread_n == b.thread_n;
  };
  for (const KernelSpeed& speed : table_of(sm).speeds)
    if (speed.op == row.op && speed.dtype == row.dtype && same_tile(speed.tile, row.tile) &&
        std::strcmp(speed.algorithm, row.algorithm) == 0)
      return speed.share;
  return 0.5;
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

const std::vector<KernelSpeed>& kernel_speeds(int sm) { return table_of(sm).speeds; }

std::string tuned_row(int sm, KernelOp op, const Conv2dShape& shape, DType dtype) {
  if (sm != 53 && sm != 75) return std::string();  // what was measured holds where it was
  for (const Tuned& tuned : table_of(sm).tuned)
    if (tuned.call == KernelCall{op, shape, dtype, false}) return tuned.row;
  return std::string();
}

double estimated_cost(int sm, int multiprocessors, const KernelRow& row, const Conv2dShape& shape) {
  const double share = share_of(sm, row);
  const Gemm gemm = gemm_of(row.op, shape);
  if (!computes_whole_blocks(row.algorithm)) return gemm.m * gemm.n * gemm.k * gemm.batches / multiprocessors / share;

  const double m = row.tile.m, n = row.tile.n;
  const double blocks = tiles(gemm.m, row.tile.m) * tiles(gemm.n, row.tile.n) * gemm.batches;
  // Sums are split over idle multiprocessors, so fewer blocks than those cost their share only, and a second pass.
  const double waves = blocks >= multiprocessors ? tiles(blocks, multiprocessors) : blocks / multiprocessors;
  // A stage is computed in full. Winograd's are of channels; it loads 16 inputs for four results, and 16 weights for 9.
  const bool winograd = std::strcmp(row.algorithm, "winograd") == 0;
  const int stage = winograd ? 9 * row.tile.k : row.tile.k;
  const double loads = winograd ? 16.0 / 9.0 * (1.0 / m + 0.25 / n) : 1.0 / m + 1.0 / n;
  const double load_cost = sm == 53 ? 24.0 : 16.0;  // in multiply-adds; assumed: memory decides on the Nano
  return waves * m * n * (tiles(gemm.k, stage) * stage / share + gemm.k * loads * load_cost);
}

}  // namespace tsugi
