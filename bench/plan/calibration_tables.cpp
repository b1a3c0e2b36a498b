// The shapes of calibration: channels by powers of four, image sides of the ImageNet networks (7, 14, 28, 56, 112),
// work of about a millisecond. No layer of a built-in model is among them.
#include <algorithm>
#include <cmath>

#include "bench/plan/calibration.h"

namespace tsugi::bench {
namespace {

/// A case at one combination of axis values.
using MakeCase = OpCase (*)(const std::vector<double>& at, int threads, DType dtype);

void fill(CalibrationTable& table, MakeCase make, int threads, DType dtype) {
  std::vector<std::size_t> index(table.axes.size(), 0);
  for (;;) {
    std::vector<double> at;
    for (std::size_t i = 0; i < index.size(); ++i) at.push_back(table.axes[i].points[index[i]]);
    table.cases.push_back(make(at, threads, dtype));
    std::size_t axis = index.size();
    while (axis > 0 && ++index[axis - 1] == table.axes[axis - 1].points.size()) index[--axis] = 0;
    if (axis == 0) return;
  }
}

int whole(double value) { return static_cast<int>(std::lround(value)); }

OpCase conv(double c, double k, double width, int r, int stride, int threads) {
  constexpr double kPixels = 1600.0;  // enough that weights are packed for many
  OpCase made;
  made.model = "calibration";
  Conv2dShape& s = made.shape;
  s.c = whole(c), s.k = whole(k), s.r = s.s = r;
  s.stride_h = s.stride_w = stride, s.pad_h = s.pad_w = r / 2;
  s.h = s.w = whole(width) * stride;
  s.n = std::max(2 * threads, whole(kPixels / (width * width)));
  return made;
}

OpCase window(const std::vector<double>& at, int threads, DType) { return conv(at[0], at[1], at[2], 3, 1, threads); }
OpCase pointwise(const std::vector<double>& at, int threads, DType) { return conv(at[0], at[1], at[2], 1, 1, threads); }
OpCase strided(const std::vector<double>& at, int threads, DType) { return conv(at[0], at[1], at[2], 3, 2, threads); }
OpCase shallow(const std::vector<double>& at, int threads, DType) { return conv(3.0, at[0], at[1], 3, 1, threads); }

OpCase grouped(const std::vector<double>& at, int threads, DType) {
  OpCase made = conv(at[0], at[0], 14.0, 3, 1, threads);
  made.shape.groups = 4;
  return made;
}

/// Depthwise: images enough for about kBytes of input.
OpCase depthwise_of(double c, double width, int stride, int threads, DType dtype) {
  constexpr double kBytes = 2e6;
  OpCase made = conv(c, c, width, 3, stride, threads);
  made.shape.groups = made.shape.c;
  const double image = static_cast<double>(made.shape.h) * made.shape.w * c * static_cast<double>(size_of(dtype));
  made.shape.n = std::max(2 * threads, whole(kBytes / image));
  return made;
}
OpCase depthwise(const std::vector<double>& at, int threads, DType dtype) {
  return depthwise_of(at[0], at[1], 1, threads, dtype);
}
OpCase depthwise_strided(const std::vector<double>& at, int threads, DType dtype) {
  return depthwise_of(at[0], at[1], 2, threads, dtype);
}

OpCase dense(const std::vector<double>& at, int, DType) {
  OpCase made;
  made.model = "calibration";
  made.kind = NodeKind::dense;
  made.shape.n = whole(at[0]), made.shape.c = whole(at[1]), made.shape.k = whole(at[2]);
  return made;
}

/// Ops that stream: images of side x side x c, as many as move about `bytes` forward.
OpCase streaming(NodeKind kind, double c, double bytes, int side, DType dtype) {
  OpCase made;
  made.model = "calibration";
  made.kind = kind;
  made.shape.h = made.shape.w = side, made.shape.c = whole(c);
  if (kind == NodeKind::pool) made.pool.h = made.pool.w = side, made.pool.c = whole(c);
  const double one = cost_of(made, OpPass::forward, dtype).bytes;
  made.shape.n = made.pool.n = std::max(1, whole(bytes / one));
  return made;
}

OpCase norm(const std::vector<double>& at, int, DType dtype) {
  OpCase made = streaming(NodeKind::batch_norm, at[0], at[1], 14, dtype);
  made.activation = {ActivationKind::relu, 0.0f};
  return made;
}
OpCase residual_norm(const std::vector<double>& at, int, DType dtype) {
  OpCase made = streaming(NodeKind::batch_norm, at[0], at[1] / 1.5, 14, dtype);
  made.activation = {ActivationKind::relu, 0.0f};
  made.residual = true;
  return made;
}
OpCase max_pool(const std::vector<double>& at, int, DType dtype) {
  return streaming(NodeKind::pool, at[0], at[1], 28, dtype);
}
OpCase overlapping_pool(const std::vector<double>& at, int threads, DType dtype) {
  OpCase made = max_pool(at, threads, dtype);
  made.pool.r = made.pool.s = 3, made.pool.pad_h = made.pool.pad_w = 1;
  return made;
}
OpCase average_pool(const std::vector<double>& at, int, DType dtype) {
  OpCase made = streaming(NodeKind::pool, at[0], at[1], 28, dtype);
  made.pool.kind = PoolKind::average;
  return made;
}
OpCase global_pool(const std::vector<double>& at, int, DType dtype) {
  OpCase made = streaming(NodeKind::pool, at[0], at[1], 7, dtype);
  made.pool.kind = PoolKind::average;
  made.pool.r = made.pool.s = made.pool.stride_h = made.pool.stride_w = 7;
  return made;
}
OpCase dropout(const std::vector<double>& at, int, DType dtype) {
  return streaming(NodeKind::dropout, 64.0, at[0], 7, dtype);
}
OpCase addition(const std::vector<double>& at, int, DType dtype) {
  return streaming(NodeKind::add, 64.0, at[0], 7, dtype);
}
OpCase activation(const std::vector<double>& at, int, DType dtype) {
  OpCase made = streaming(NodeKind::activation, 64.0, at[0], 7, dtype);
  made.activation = {ActivationKind::relu, 0.0f};
  return made;
}

struct Plan {
  MakeCase make;
  std::vector<AxisPoints> axes;
  std::vector<double> cold;          ///< where
  std::vector<double> weights = {};  ///< where; empty: nowhere
};

}  // namespace

std::vector<CalibrationTable> calibration_tables(int threads, DType dtype, bool brief) {
  const auto axis = [&](Axis name, std::vector<double> points) {
    if (brief) points.resize(1);
    return AxisPoints{name, points};
  };
  const AxisPoints c = axis(Axis::channels, {16, 32, 96, 256}), k = axis(Axis::filters, {16, 32, 96, 256}),
                   sides = axis(Axis::width, {7, 28});
  const AxisPoints pool_c = axis(Axis::channels, {16, 32, 128}), ragged = axis(Axis::channels, {24});
  const AxisPoints few_c = axis(Axis::channels, {32, 256}), few_k = axis(Axis::filters, {32, 256});
  const AxisPoints traffic = axis(Axis::bytes, {3e5, 5e6}), any_traffic = axis(Axis::bytes, {3e4, 3e5, 5e6});
  std::vector<Plan> plans = {
      {window, {c, k, sides}, {32, 32, 28}, {256, 256, 7}},
      {pointwise, {c, k, sides}, {32, 32, 28}, {512, 512, 7}},
      {strided, {few_c, few_k, axis(Axis::width, {14})}, {32, 32, 14}, {256, 256, 7}},
      {shallow, {axis(Axis::filters, {16, 32, 64}), axis(Axis::width, {28, 112})}, {32, 112}},
      {grouped, {axis(Axis::channels, {64, 256})}, {64}},
      {depthwise, {few_c, axis(Axis::width, {7, 28, 56})}, {128, 28}},
      {depthwise_strided, {few_c, axis(Axis::width, {7, 28})}, {128, 14}},
      {dense,
       {axis(Axis::samples, {8, 64}), axis(Axis::channels, {512, 4096}), axis(Axis::filters, {64, 512})},
       {64, 4096, 512}},
      {norm, {pool_c, traffic}, {64, 5e6}},
      {residual_norm, {pool_c, traffic}, {64, 5e6}},
      {norm, {ragged, traffic}, {24, 5e6}},
      {residual_norm, {ragged, traffic}, {24, 5e6}},
      {max_pool, {ragged, traffic}, {24, 5e6}},
      {average_pool, {ragged, traffic}, {24, 5e6}},
      {overlapping_pool, {pool_c, traffic}, {64, 5e6}},
      {max_pool, {pool_c, traffic}, {64, 5e6}},
      {average_pool, {pool_c, traffic}, {64, 5e6}},
      {global_pool, {few_c, traffic}, {128, 5e6}},
      {dropout, {any_traffic}, {5e6}},
      {addition, {any_traffic}, {5e6}},
      {activation, {any_traffic}, {5e6}}};
  std::vector<CalibrationTable> tables;
  for (const Plan& plan : plans) {
    CalibrationTable table;
    table.axes = plan.axes;
    fill(table, plan.make, threads, dtype);
    if (!plan.weights.empty() && !brief) {
      table.weights.assign(2, plan.make(plan.weights, threads, dtype));
      table.weights[1].shape.n = threads;
    }
    if (brief)
      for (OpCase& op_case : table.cases) op_case.shape.n = op_case.pool.n = 1;
    table.cold = brief ? table.cases.front() : plan.make(plan.cold, threads, dtype);
    tables.push_back(table);
  }
  return tables;
}

}  // namespace tsugi::bench
