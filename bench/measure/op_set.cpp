#include "bench/measure/op_set.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "bench/measure/environment.h"
#include "kernels/api/half.h"
#include "kernels/api/philox.h"

namespace tsugi::bench {
namespace {

constexpr std::size_t kMaxCopies = 4096;
constexpr int kNormVectors = 8;  // gamma, beta, running and saved statistics, gradients

DenseShape dense_shape(const Conv2dShape& s) { return {s.n, s.c, s.k}; }

/// Uniform in [-scale, scale], by a hash of the place: the same every time.
float value_at(std::size_t i, float scale) {
  std::uint32_t bits = static_cast<std::uint32_t>(i) * 2654435761u;
  bits ^= bits >> 15;
  bits *= 2246822519u;
  bits ^= bits >> 13;
  return scale * (static_cast<float>(bits) / 2147483648.0f - 1.0f);
}

/// Appends float32, float16 or the upper half of float32 (bfloat16, rounded towards zero: these are random values).
void append(std::vector<std::uint8_t>& bytes, DType dtype, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (dtype == DType::f16) bits = float_to_half(value);
  if (dtype == DType::bf16) bits >>= 16;
  for (std::size_t i = 0; i < size_of(dtype); ++i) bytes.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
}

}  // namespace

std::size_t cold_bytes() { return std::max(kColdBytes, 2 * last_level_cache_bytes()); }

void BenchMemory::reset(std::size_t bytes) {
  used_ = 0;
  if (bytes <= block_.bytes()) return;
  block_ = DeviceBuffer();  // before the larger one is made: both may not fit
  block_ = DeviceBuffer(backend_, bytes);
}

void* BenchMemory::take(std::size_t bytes) {
  if (used_ + rounded(bytes) > block_.bytes())
    throw Error("bench: " + std::to_string(bytes) + " bytes asked for, " + std::to_string(block_.bytes() - used_) +
                " left");
  void* taken = block_.as<std::uint8_t>() + used_;
  used_ += rounded(bytes);
  return taken;
}

OpSet::Sizes OpSet::sizes() const {
  Sizes n;
  if (case_.kind == NodeKind::pool) {
    n.x = case_.pool.x_count(), n.y = case_.pool.y_count();
    n.saved = case_.pool.kind == PoolKind::max ? n.y : 0;
    return n;
  }
  n.x = case_.shape.x_count();
  n.y = case_.product() ? case_.shape.y_count() : n.x;
  if (case_.product()) n.w = case_.shape.w_count();
  if (case_.product() && case_.epilogue.activation.kind != ActivationKind::none) n.z = n.x;  // what masks are read from
  if (case_.kind == NodeKind::batch_norm || case_.kind == NodeKind::add) n.z = n.d = n.x;
  if (case_.residual) n.w = n.x;
  if (case_.kind == NodeKind::activation) n.d = n.x;
  if (case_.kind == NodeKind::dropout) n.saved = n.x;
  return n;
}

OpSet::OpSet(BenchMemory& memory, const OpCase& op_case, DType dtype, std::size_t cold)
    : owner_(memory.backend()), case_(op_case), dtype_(dtype) {
  const Sizes n = sizes();
  const auto bytes = [&](std::size_t count) { return BenchMemory::rounded(count * size_of(dtype)); };
  const std::size_t one =
      bytes(n.x) + bytes(n.w) + bytes(n.y) + bytes(n.z) + bytes(n.d) + BenchMemory::rounded(n.saved);
  const std::size_t copies = std::clamp<std::size_t>((cold + one - 1) / one, 1, kMaxCopies);
  const std::size_t gradient = case_.product() ? n.w * sizeof(float) : 0;
  const std::size_t filters = case_.product() ? 2 * static_cast<std::size_t>(case_.shape.k) * sizeof(float) : 0;
  const std::size_t channels = static_cast<std::size_t>(kNormVectors * case_.shape.c) * sizeof(float);
  const std::size_t step = sizeof(StepState) + static_cast<std::size_t>(case_.shape.n) * sizeof(std::uint32_t);
  memory.reset(copies * one + BenchMemory::rounded(gradient) + BenchMemory::rounded(filters) +
               BenchMemory::rounded(channels) + BenchMemory::rounded(step));

  const Conv2dShape& s = case_.shape;
  const float terms = static_cast<float>(s.r * s.s * (s.c / s.groups));
  const auto tensor = [&](std::size_t count, float scale) -> void* {
    if (count == 0) return nullptr;
    void* taken = memory.take(count * size_of(dtype_));
    fill(taken, count, scale);
    return taken;
  };
  for (std::size_t i = 0; i < copies; ++i) {
    Tensors t;
    t.x = tensor(n.x, 1.0f);
    t.w = tensor(n.w, 1.0f / std::sqrt(terms));
    t.y = tensor(n.y, 1.0f);
    t.z = tensor(n.z, 1.0f);
    t.d = tensor(n.d, 1.0f);
    if (n.saved > 0) t.saved = static_cast<std::uint8_t*>(memory.take(n.saved));
    copies_.push_back(t);
  }
  d_w_ = static_cast<float*>(memory.take(gradient));
  filters_ = static_cast<float*>(memory.take(filters));
  owner_.fill_zero(filters_, filters);
  channels_ = static_cast<float*>(memory.take(channels));
  const std::vector<float> ones(channels / sizeof(float), 1.0f);
  owner_.copy_to_device(channels_, ones.data(), channels);
  step_ = static_cast<std::uint8_t*>(memory.take(step));
  std::vector<std::uint32_t> ids(static_cast<std::size_t>(s.n));
  std::iota(ids.begin(), ids.end(), 0u);
  const StepState state;
  owner_.copy_to_device(step_, &state, sizeof state);
  owner_.copy_to_device(step_ + sizeof state, ids.data(), ids.size() * sizeof ids[0]);
  owner_.synchronize();
}

/// A pattern of a quarter million values repeated: enough to be no pattern to a kernel.
void OpSet::fill(void* to, std::size_t count, float scale) {
  constexpr std::size_t kPattern = std::size_t{1} << 18;
  const std::size_t element = size_of(dtype_), part = std::min(count, kPattern);
  std::vector<std::uint8_t>& host = patterns_[scale];
  for (std::size_t i = host.size() / element; i < part; ++i) append(host, dtype_, value_at(i, scale));
  for (std::size_t begin = 0; begin < count; begin += part)
    owner_.copy_to_device(static_cast<std::uint8_t*>(to) + begin * element, host.data(),
                          std::min(part, count - begin) * element);
}

void* OpSet::workspace(std::size_t bytes) {
  workspaces_.push_back(std::make_unique<DeviceBuffer>(owner_, std::max<std::size_t>(bytes, 16)));
  return workspaces_.back()->data();
}

Contender OpSet::contender(const std::string& name, Backend& backend, OpPass pass) {
  const auto call_of = case_.product()                      ? &OpSet::product_call
                       : case_.kind == NodeKind::batch_norm ? &OpSet::norm_call
                       : case_.kind == NodeKind::pool       ? &OpSet::pool_call
                                                            : &OpSet::pointwise_call;
  return {name, &backend,
          [this, call = (this->*call_of)(backend, pass)](int copy) { call(copies_[static_cast<std::size_t>(copy)]); }};
}

OpSet::Call OpSet::product_call(Backend& backend, OpPass pass) {
  const Conv2dShape s = case_.shape;
  const DenseShape dense = dense_shape(s);
  const bool is_dense = case_.kind == NodeKind::dense;
  void* scratch = workspace(is_dense ? backend.workspace_bytes(dense, dtype_) : backend.workspace_bytes(s, dtype_));
  const Epilogue& e = case_.epilogue;
  float* bias = e.bias ? filters_ : nullptr;
  float* d_bias = e.bias ? filters_ + s.k : nullptr;
  return [this, s, dense, is_dense, scratch, pass, e, bias, d_bias, &backend](const Tensors& t) {
    if (pass == OpPass::forward && is_dense) {
      backend.dense_forward({dense, dtype_, t.x, t.w, bias, e.activation, t.y, scratch});
    } else if (pass == OpPass::forward) {
      backend.conv2d_forward({s, dtype_, t.x, t.w, bias, e.activation, t.y, scratch});
    } else if (pass == OpPass::backward_data && is_dense) {
      backend.dense_backward_data({dense, dtype_, t.y, t.w, t.z, e.activation, e.write, t.x, scratch});
    } else if (pass == OpPass::backward_data) {
      backend.conv2d_backward_data({s, dtype_, t.y, t.w, t.z, e.activation, e.write, t.x, scratch});
    } else if (is_dense) {
      backend.dense_backward_weight({dense, dtype_, t.x, t.y, e.write, d_w_, d_bias, scratch});
    } else {
      backend.conv2d_backward_weight({s, dtype_, t.x, t.y, e.write, d_w_, d_bias, scratch});
    }
  };
}

OpSet::Call OpSet::norm_call(Backend& backend, OpPass pass) {
  const auto c = static_cast<std::size_t>(case_.shape.c);
  const BatchNormShape shape{case_.shape.n * case_.shape.h * case_.shape.w, case_.shape.c};
  void* scratch = workspace(backend.workspace_bytes(shape, dtype_));
  BatchNormForward f;
  f.shape = shape, f.dtype = dtype_, f.activation = case_.activation, f.workspace = scratch;
  f.gamma = channels_, f.beta = channels_ + c, f.running_mean = channels_ + 2 * c, f.running_var = channels_ + 3 * c;
  f.saved_mean = channels_ + 4 * c, f.saved_inv_std = channels_ + 5 * c;
  BatchNormBackward b;
  b.shape = shape, b.dtype = dtype_, b.activation = case_.activation, b.workspace = scratch;
  b.gamma = f.gamma, b.saved_mean = f.saved_mean, b.saved_inv_std = f.saved_inv_std;
  b.d_gamma = channels_ + 6 * c, b.d_beta = channels_ + 7 * c;
  return [this, f, b, pass, &backend](const Tensors& t) {
    if (pass == OpPass::forward) {
      BatchNormForward op = f;
      op.x = t.x, op.residual = case_.residual ? t.z : nullptr, op.y = t.y;
      backend.batch_norm_forward(op);
    } else {
      BatchNormBackward op = b;
      op.x = t.x, op.saved = t.y, op.d_y = t.z, op.d_x = t.d;
      op.d_residual = case_.residual ? t.w : nullptr;
      backend.batch_norm_backward(op);
    }
  };
}

OpSet::Call OpSet::pool_call(Backend& backend, OpPass pass) {
  const auto forward = [this, &backend](const Tensors& t) {
    backend.pool_forward({case_.pool, dtype_, t.x, t.y, t.saved});
  };
  if (pass == OpPass::forward) return forward;
  for (const Tensors& t : copies_) forward(t);  // where the maxima are
  return [this, &backend](const Tensors& t) {
    backend.pool_backward({case_.pool, dtype_, t.y, t.saved, nullptr, nullptr, {}, Write::overwrite, t.x});
  };
}

OpSet::Call OpSet::pointwise_call(Backend& backend, OpPass pass) {
  const std::size_t count = case_.shape.x_count();
  const bool forward = pass == OpPass::forward;
  if (case_.kind == NodeKind::add)
    return [this, count, forward, &backend](const Tensors& t) {
      if (forward) return backend.add_forward({count, dtype_, t.x, t.z, case_.activation, t.y});
      for (void* d_input : {t.z, t.d})
        backend.activation_backward({count, dtype_, {}, nullptr, t.x, Write::overwrite, d_input});
    };
  if (case_.kind == NodeKind::activation)
    return [this, count, forward, &backend](const Tensors& t) {
      if (forward) return backend.activation_forward({count, dtype_, case_.activation, t.x, t.y});
      backend.activation_backward({count, dtype_, case_.activation, t.y, t.x, Write::overwrite, t.d});
    };
  DropoutForward drop;
  drop.n = case_.shape.n, drop.per_sample = count / static_cast<std::size_t>(case_.shape.n), drop.dtype = dtype_;
  drop.draw_purpose = purpose::kDropout, drop.step = reinterpret_cast<const StepState*>(step_);
  drop.sample_ids = reinterpret_cast<const std::uint32_t*>(step_ + sizeof(StepState));
  const auto run_forward = [this, drop, &backend](const Tensors& t) {
    DropoutForward op = drop;
    op.x = t.x, op.y = t.y, op.mask = t.saved;
    backend.dropout_forward(op);
  };
  if (forward) return run_forward;
  for (const Tensors& t : copies_) run_forward(t);  // which elements stay
  return [this, count, drop, &backend](const Tensors& t) {
    backend.dropout_backward({count, dtype_, drop.rate, t.saved, nullptr, {}, t.y, Write::overwrite, t.x});
  };
}

}  // namespace tsugi::bench
