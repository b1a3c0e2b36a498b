// Batch normalisation on the CPU, fused with the residual add and the activation. Statistics are taken over blocks of
// rows that stay in L1: sums within a block in float32 around the block's own mean, blocks and threads combined in
// float64, in a fixed order (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm", 1979).
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr std::size_t kBlockRows = 32;  ///< rows of a statistics block

/// Neighbouring channels that are computed together: kCount vectors, or, with 0, a single channel.
template <int kCount>
struct Group {
  using Vector = FloatVector;
  static constexpr int kVectors = kCount;
  static constexpr std::size_t kLanes = kVector, kChannels = kVectors * kLanes;
};
template <>
struct Group<0> {
  using Vector = float;
  static constexpr int kVectors = 1;
  static constexpr std::size_t kLanes = 1, kChannels = 1;
};

/// Calls f(first channel, Group) for groups of two vectors, one, and single channels.
template <typename F>
void for_channel_groups(std::size_t c, const F& f) {
  std::size_t at = 0;
  for (; at + 2 * kVector <= c; at += 2 * kVector) f(at, Group<2>());
  for (; at + kVector <= c; at += kVector) f(at, Group<1>());
  for (; at < c; ++at) f(at, Group<0>());
}

/// The workspace: two float64 sums a channel and a thread, then two float32 coefficients a channel and three more.
struct Scratch {
  Scratch(void* workspace, std::size_t channels, int threads)
      : c(channels), partial(static_cast<double*>(workspace)), a(reinterpret_cast<float*>(partial + 2 * c * threads)) {}
  double* first(int part) const { return partial + 2 * c * static_cast<std::size_t>(part); }
  double* second(int part) const { return first(part) + c; }
  float* coefficient(int i) const { return a + c * static_cast<std::size_t>(i); }

  std::size_t c;
  double* partial;
  float* a;
};

/// Mean and sum of squared deviations of `rows` rows of a group of channels; `rows` fit L1.
template <typename G, typename T>
void group_statistics(const T* x, std::size_t c, std::size_t rows, float* mean, float* squares) {
  using V = typename G::Vector;
  const float inverse = 1.0f / static_cast<float>(rows);
  V sum[G::kVectors] = {}, square[G::kVectors] = {};
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < G::kVectors; ++v) sum[v] += load_as<V>(x + r * c + v * G::kLanes);
  }
  for (int v = 0; v < G::kVectors; ++v) sum[v] *= inverse;
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < G::kVectors; ++v) {
      const V d = load_as<V>(x + r * c + v * G::kLanes) - sum[v];
      square[v] += d * d;
    }
  }
  for (int v = 0; v < G::kVectors; ++v) {
    store_lanes(mean + v * G::kLanes, sum[v]);
    store_lanes(squares + v * G::kLanes, square[v]);
  }
}

/// Sum and sum of squared deviations of rows [begin, end), merged block by block into mean[c] and m2[c].
template <typename T>
void accumulate_statistics(const T* x, std::size_t c, Range rows, double* mean, double* m2) {
  std::fill(mean, mean + c, 0.0);
  std::fill(m2, m2 + c, 0.0);
  for (std::size_t r0 = rows.begin; r0 < rows.end; r0 += kBlockRows) {
    const std::size_t count = std::min(rows.end, r0 + kBlockRows) - r0, seen = r0 - rows.begin;
    const double share = static_cast<double>(count) / static_cast<double>(seen + count);
    for_channel_groups(c, [&](std::size_t c0, auto group) {
      using G = decltype(group);
      float block_mean[G::kChannels], block_squares[G::kChannels];
      group_statistics<G>(x + r0 * c + c0, c, count, block_mean, block_squares);
      for (std::size_t i = 0; i < G::kChannels; ++i) {
        const double delta = static_cast<double>(block_mean[i]) - mean[c0 + i];
        mean[c0 + i] += delta * share;
        m2[c0 + i] += block_squares[i] + delta * delta * share * static_cast<double>(seen);
      }
    });
  }
}

/// Batch mean and biased variance into mean[c], var[c] (float32): the threads' parts merged in order.
template <typename T>
void batch_statistics(const BatchNormForward& op, const Scratch& scratch, int threads, float* mean, float* var) {
  const std::size_t rows = static_cast<std::size_t>(op.shape.rows), c = scratch.c;
  parallel(threads, [&](int part) {
    accumulate_statistics(static_cast<const T*>(op.x), c, split(rows, threads, part, kBlockRows), scratch.first(part),
                          scratch.second(part));
  });
  double* total_mean = scratch.first(0);
  double* total_m2 = scratch.second(0);
  std::size_t seen = split(rows, threads, 0, kBlockRows).end;
  for (int part = 1; part < threads; ++part) {
    const Range range = split(rows, threads, part, kBlockRows);
    const std::size_t count = range.end - range.begin;
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(seen + count);
    for (std::size_t i = 0; i < c; ++i) {
      const double delta = scratch.first(part)[i] - total_mean[i];
      total_mean[i] += delta * share;
      total_m2[i] += scratch.second(part)[i] + delta * delta * share * static_cast<double>(seen);
    }
    seen += count;
  }
  for (std::size_t i = 0; i < c; ++i) {
    mean[i] = static_cast<float>(total_mean[i]);
    var[i] = static_cast<float>(total_m2[i] / static_cast<double>(rows));
  }
}

void update_running(const BatchNormForward& op, const float* mean, const float* var) {
  const float rows = static_cast<float>(op.shape.rows);
  const float unbiased = op.shape.rows > 1 ? rows / (rows - 1.0f) : 1.0f;
  for (int i = 0; i < op.shape.c; ++i) {
    op.running_mean[i] += op.momentum * (mean[i] - op.running_mean[i]);
    op.running_var[i] += op.momentum * (var[i] * unbiased - op.running_var[i]);
  }
}

/// y = act(x * scale + shift [+ residual]) on `rows` rows of a group of channels.
template <typename G, typename T, typename Act>
void normalise_group(const BatchNormForward& op, Act act, const float* scale, const float* shift, std::size_t at,
                     std::size_t rows) {
  using V = typename G::Vector;
  const std::size_t c = static_cast<std::size_t>(op.shape.c);
  const T* x = static_cast<const T*>(op.x) + at;
  const T* residual = op.residual == nullptr ? nullptr : static_cast<const T*>(op.residual) + at;
  T* y = static_cast<T*>(op.y) + at;
  T* saved = Act::kSavesInput && op.saved != nullptr ? static_cast<T*>(op.saved) + at : nullptr;
  for (std::size_t i = 0; i < rows * c; i += c) {
    for (std::size_t j = 0; j < G::kChannels; j += G::kLanes) {
      V value = load_as<V>(x + i + j) * load_as<V>(scale + j) + load_as<V>(shift + j);
      if (residual != nullptr) value += load_as<V>(residual + i + j);
      if (saved != nullptr) store_lanes(saved + i + j, value);
      store_lanes(y + i + j, forward_lanes(act, value));
    }
  }
}

template <typename T, typename Act>
void normalise(const BatchNormForward& op, Act act, const float* scale, const float* shift, std::size_t begin,
               std::size_t end) {
  const std::size_t c = static_cast<std::size_t>(op.shape.c);
  for (std::size_t r = begin; r < end; r += kBlockRows) {
    for_channel_groups(c, [&](std::size_t c0, auto group) {
      normalise_group<decltype(group), T>(op, act, scale + c0, shift + c0, r * c + c0, std::min(kBlockRows, end - r));
    });
  }
}

/// sum g and sum g * (x - mean) of `rows` rows of a group of channels, with g = act' * d_y; added to float64 sums.
template <typename G, typename T, typename Act>
void sum_gradients_group(Act act, const T* x, const T* saved, const T* d_y, std::size_t c, std::size_t rows,
                         const float* mean, double* sum_g, double* sum_gx) {
  using V = typename G::Vector;
  V g_sum[G::kVectors] = {}, gx_sum[G::kVectors] = {}, m[G::kVectors];
  for (int v = 0; v < G::kVectors; ++v) m[v] = load_as<V>(mean + v * G::kLanes);
  for (std::size_t i = 0; i < rows * c; i += c) {
    for (int v = 0; v < G::kVectors; ++v) {
      const std::size_t at = i + v * G::kLanes;
      const V g = backward_lanes(act, load_as<V>(saved + at), load_as<V>(d_y + at));
      g_sum[v] += g;
      gx_sum[v] += g * (load_as<V>(x + at) - m[v]);
    }
  }
  float g_lanes[G::kChannels], gx_lanes[G::kChannels];
  for (int v = 0; v < G::kVectors; ++v) {
    store_lanes(g_lanes + v * G::kLanes, g_sum[v]);
    store_lanes(gx_lanes + v * G::kLanes, gx_sum[v]);
  }
  for (std::size_t i = 0; i < G::kChannels; ++i) {
    sum_g[i] += g_lanes[i];
    sum_gx[i] += gx_lanes[i];
  }
}

template <typename T, typename Act>
void accumulate_gradients(const BatchNormBackward& op, Act act, Range rows, double* sum_g, double* sum_gx) {
  const std::size_t c = static_cast<std::size_t>(op.shape.c);
  const T* x = static_cast<const T*>(op.x);
  const T* d_y = static_cast<const T*>(op.d_y);
  const T* saved = act.kMasks ? static_cast<const T*>(op.saved) : d_y;
  std::fill(sum_g, sum_g + c, 0.0);
  std::fill(sum_gx, sum_gx + c, 0.0);
  for (std::size_t r = rows.begin; r < rows.end; r += kBlockRows) {
    for_channel_groups(c, [&](std::size_t c0, auto group) {
      const std::size_t at = r * c + c0;
      sum_gradients_group<decltype(group)>(act, x + at, saved + at, d_y + at, c, std::min(kBlockRows, rows.end - r),
                                           op.saved_mean + c0, sum_g + c0, sum_gx + c0);
    });
  }
}

/// d_x = g * a - (x - mean) * b - m with the coefficients a, b, m, and d_residual (=|+=) g, on `rows` rows of the group
/// of channels from c0 on; at: its first element.
template <typename G, typename T, typename Act>
void gradient_group(const BatchNormBackward& op, Act act, const Scratch& scratch, std::size_t c0, std::size_t at,
                    std::size_t rows) {
  using V = typename G::Vector;
  const std::size_t c = scratch.c;
  const T *x = static_cast<const T*>(op.x) + at, *d_y = static_cast<const T*>(op.d_y) + at;
  const T* saved = act.kMasks ? static_cast<const T*>(op.saved) + at : d_y;
  T* d_x = static_cast<T*>(op.d_x) + at;
  T* d_residual = op.d_residual == nullptr ? nullptr : static_cast<T*>(op.d_residual) + at;
  const float *a = scratch.coefficient(0) + c0, *b = scratch.coefficient(1) + c0, *m = scratch.coefficient(2) + c0;
  const float* mean = op.saved_mean + c0;
  const bool add = op.write_residual == Write::accumulate;
  for (std::size_t row = 0; row < rows * c; row += c) {
    for (std::size_t j = 0; j < G::kChannels; j += G::kLanes) {
      const std::size_t i = row + j;
      const V g = backward_lanes(act, load_as<V>(saved + i), load_as<V>(d_y + i));
      const V centred = load_as<V>(x + i) - load_as<V>(mean + j);
      store_lanes(d_x + i, g * load_as<V>(a + j) - centred * load_as<V>(b + j) - load_as<V>(m + j));
      if (d_residual != nullptr) store_lanes(d_residual + i, add ? load_as<V>(d_residual + i) + g : g);
    }
  }
}

template <typename T, typename Act>
void backward_rows(const BatchNormBackward& op, Act act, const Scratch& scratch, std::size_t begin, std::size_t end) {
  for (std::size_t r = begin; r < end; r += kBlockRows) {
    for_channel_groups(scratch.c, [&](std::size_t c0, auto group) {
      gradient_group<decltype(group), T>(op, act, scratch, c0, r * scratch.c + c0, std::min(kBlockRows, end - r));
    });
  }
}

/// Sums the threads' parts, writes d_gamma and d_beta, and sets the coefficients of backward_rows.
void finish_gradients(const BatchNormBackward& op, const Scratch& scratch, int parts) {
  const bool add = op.write == Write::accumulate;
  const bool batch = op.mode == BatchNormMode::batch_statistics;
  const double rows = static_cast<double>(op.shape.rows);
  for (std::size_t i = 0; i < scratch.c; ++i) {
    double sum_g = 0.0, sum_gx = 0.0;
    for (int part = 0; part < parts; ++part) {
      sum_g += scratch.first(part)[i];
      sum_gx += scratch.second(part)[i];
    }
    const double inv_std = op.saved_inv_std[i];
    const double d_gamma = sum_gx * inv_std;
    op.d_gamma[i] = static_cast<float>(add ? op.d_gamma[i] + d_gamma : d_gamma);
    op.d_beta[i] = static_cast<float>(add ? op.d_beta[i] + sum_g : sum_g);
    const double a = op.gamma[i] * inv_std;
    scratch.coefficient(0)[i] = static_cast<float>(a);
    scratch.coefficient(1)[i] = batch ? static_cast<float>(a * inv_std * d_gamma / rows) : 0.0f;
    scratch.coefficient(2)[i] = batch ? static_cast<float>(a * sum_g / rows) : 0.0f;
  }
}

}  // namespace

std::size_t batch_norm_workspace_bytes(const BatchNormShape& shape, int threads) {
  const std::size_t c = static_cast<std::size_t>(shape.c);
  return 2 * c * static_cast<std::size_t>(threads) * sizeof(double) + 4 * c * sizeof(float);
}

void batch_norm_forward(const BatchNormForward& op, int threads) {
  const std::size_t rows = static_cast<std::size_t>(op.shape.rows), c = static_cast<std::size_t>(op.shape.c);
  const int parts = rows * c < kSerialBelow ? 1 : threads;
  const Scratch scratch(op.workspace, c, threads);
  float* scale = scratch.coefficient(0);
  float* shift = scratch.coefficient(1);
  float* mean = scratch.coefficient(2);
  float* var = scratch.coefficient(3);
  with_dtype(op.dtype, "batch_norm_forward", [&](auto element) {
    using T = decltype(element);
    if (op.mode == BatchNormMode::batch_statistics) {
      batch_statistics<T>(op, scratch, parts, mean, var);
      update_running(op, mean, var);
    } else {
      std::copy(op.running_mean, op.running_mean + c, mean);
      std::copy(op.running_var, op.running_var + c, var);
    }
    for (std::size_t i = 0; i < c; ++i) {
      const float inv_std = 1.0f / std::sqrt(var[i] + op.eps);
      scale[i] = op.gamma[i] * inv_std;
      shift[i] = op.beta[i] - mean[i] * scale[i];
      if (op.saved_mean != nullptr) op.saved_mean[i] = mean[i];
      if (op.saved_inv_std != nullptr) op.saved_inv_std[i] = inv_std;
    }
    with_activation(op.activation, [&](auto act) {
      parallel_for(
          parts, rows, c, [&](std::size_t begin, std::size_t end) { normalise<T>(op, act, scale, shift, begin, end); },
          kBlockRows);
    });
  });
}

void batch_norm_backward(const BatchNormBackward& op, int threads) {
  const std::size_t rows = static_cast<std::size_t>(op.shape.rows), c = static_cast<std::size_t>(op.shape.c);
  const int parts = rows * c < kSerialBelow ? 1 : threads;
  const Scratch scratch(op.workspace, c, threads);
  with_dtype(op.dtype, "batch_norm_backward", [&](auto element) {
    using T = decltype(element);
    with_activation(op.activation, [&](auto act) {
      parallel(parts, [&](int part) {
        accumulate_gradients<T>(op, act, split(rows, parts, part, kBlockRows), scratch.first(part),
                                scratch.second(part));
      });
      finish_gradients(op, scratch, parts);
      parallel_for(
          parts, rows, c, [&](std::size_t begin, std::size_t end) { backward_rows<T>(op, act, scratch, begin, end); },
          kBlockRows);
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
