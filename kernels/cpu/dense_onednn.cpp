// Dense layers by oneDNN's inner product, on plain row-major tensors.
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/api/two_passes.h"
#include "kernels/cpu/dense.h"
#include "kernels/cpu/mask.h"
#include "kernels/cpu/onednn_cache.h"
#include "kernels/cpu/ops.h"

namespace tsugi {
namespace cpu {
namespace {

using dnnl::memory;
using onednn::Bound;
using onednn::Cursor;

enum class Pass : std::int32_t { forward, backward_data, backward_weight };

struct Entry {
  Bound product;
  std::size_t scratch = 0;
};

struct Descs {
  Descs(const DenseShape& s, DType dtype, memory::data_type weight_type)
      : x({s.n, s.in}, onednn::data_type(dtype), memory::format_tag::nc),
        y({s.n, s.out}, onednn::data_type(dtype), memory::format_tag::nc),
        w({s.out, s.in}, weight_type, memory::format_tag::oi),
        bias({s.out}, memory::data_type::f32, memory::format_tag::a) {}
  memory::desc x, y, w, bias;
};

dnnl::inner_product_forward::primitive_desc forward_desc(const dnnl::engine& engine, const Descs& d, bool bias,
                                                         Activation activation) {
  const auto attributes = onednn::with_user_scratchpad(activation);
  const auto kind = dnnl::prop_kind::forward_training;
  using Product = dnnl::inner_product_forward;
  return bias ? onednn::forward_pd<Product>(engine, attributes, kind, d.x, d.w, d.bias, d.y)
              : onednn::forward_pd<Product>(engine, attributes, kind, d.x, d.w, d.y);
}

/// to += from
void add(const float* from, float* to, std::size_t count, int threads) {
  parallel_for(
      threads, count, 1,
      [=](std::size_t begin, std::size_t end) {
#pragma omp simd
        for (std::size_t i = begin; i < end; ++i) to[i] += from[i];
      },
      64);
}

}  // namespace

struct DenseOnednn::Impl {
  onednn::Cache<Entry> cache;

  static onednn::Key key(Pass pass, const DenseShape& s, DType dtype, bool bias, Activation activation) {
    return onednn::Key{static_cast<std::int32_t>(pass),
                       static_cast<std::int32_t>(dtype),
                       s.n,
                       s.in,
                       s.out,
                       bias ? 1 : 0,
                       static_cast<std::int32_t>(activation.kind),
                       onednn::bits_of(activation.slope)};
  }

  static std::size_t bind_scratch(Bound& bound, const memory::desc& desc) {
    bound.bind(DNNL_ARG_SCRATCHPAD, desc);
    return desc.get_size();
  }

  Entry& forward(const DenseShape& s, DType dtype, bool bias, Activation activation) {
    return cache.get(key(Pass::forward, s, dtype, bias, activation), "dense_forward", [&](Entry& entry) {
      const Descs d(s, dtype, onednn::data_type(dtype));
      const auto desc = forward_desc(cache.engine, d, bias, activation);
      entry.product = Bound(cache.engine, dnnl::inner_product_forward(desc));
      entry.product.bind(DNNL_ARG_SRC, d.x);
      entry.product.bind(DNNL_ARG_WEIGHTS, d.w);
      entry.product.bind(DNNL_ARG_DST, d.y);
      entry.scratch = bind_scratch(entry.product, desc.scratchpad_desc());
      if (bias) entry.product.bind(DNNL_ARG_BIAS, d.bias);
    });
  }

  Entry& backward_data(const DenseShape& s, DType dtype) {
    return cache.get(key(Pass::backward_data, s, dtype, false, {}), "dense_backward_data", [&](Entry& entry) {
      const Descs d(s, dtype, onednn::data_type(dtype));
      const auto desc = onednn::backward_pd<dnnl::inner_product_backward_data>(
          cache.engine, onednn::with_user_scratchpad(), forward_desc(cache.engine, d, false, {}), d.x, d.w, d.y);
      entry.product = Bound(cache.engine, dnnl::inner_product_backward_data(desc));
      entry.product.bind(DNNL_ARG_DIFF_DST, d.y);
      entry.product.bind(DNNL_ARG_WEIGHTS, d.w);
      entry.product.bind(DNNL_ARG_DIFF_SRC, d.x);
      entry.scratch = bind_scratch(entry.product, desc.scratchpad_desc());
    });
  }

  Entry& backward_weight(const DenseShape& s, DType dtype, bool bias) {
    return cache.get(key(Pass::backward_weight, s, dtype, bias, {}), "dense_backward_weight", [&](Entry& entry) {
      const Descs forward(s, dtype, onednn::data_type(dtype));
      const Descs d(s, dtype, memory::data_type::f32);
      using Product = dnnl::inner_product_backward_weights;
      const auto hint = forward_desc(cache.engine, forward, false, {});
      const auto attributes = onednn::with_user_scratchpad();
      const auto desc = bias ? onednn::backward_pd<Product>(cache.engine, attributes, hint, d.x, d.w, d.bias, d.y)
                             : onednn::backward_pd<Product>(cache.engine, attributes, hint, d.x, d.w, d.y);
      entry.product = Bound(cache.engine, dnnl::inner_product_backward_weights(desc));
      entry.product.bind(DNNL_ARG_SRC, d.x);
      entry.product.bind(DNNL_ARG_DIFF_DST, d.y);
      entry.product.bind(DNNL_ARG_DIFF_WEIGHTS, d.w);
      entry.scratch = bind_scratch(entry.product, desc.scratchpad_desc());
      if (bias) entry.product.bind(DNNL_ARG_DIFF_BIAS, d.bias);
    });
  }
};

DenseOnednn::DenseOnednn() : impl_(std::make_unique<Impl>()) {}
DenseOnednn::~DenseOnednn() = default;

std::size_t DenseOnednn::cached_primitives() const { return impl_->cache.size(); }

std::size_t DenseOnednn::workspace_bytes(const DenseShape& s, DType dtype) {
  std::size_t scratch = 0;
  for (const bool bias : {false, true}) {
    for (const ActivationKind kind : {ActivationKind::none, ActivationKind::relu})
      scratch = std::max(scratch, impl_->forward(s, dtype, bias, {kind, 0.0f}).scratch);
  }
  // Products before they are added: to d_x, or to d_w and d_bias.
  const std::size_t n = static_cast<std::size_t>(s.n), in = static_cast<std::size_t>(s.in);
  const std::size_t out = static_cast<std::size_t>(s.out);
  scratch = std::max(scratch, impl_->backward_data(s, dtype).scratch + n * in * size_of(dtype));
  for (const bool bias : {false, true})
    scratch = std::max(scratch, impl_->backward_weight(s, dtype, bias).scratch + (in + 1) * out * sizeof(float));
  return scratch + 3 * 64;
}

void DenseOnednn::forward(const DenseForward& op, int threads) {
  if (saves_input(op.activation.kind))
    return forward_in_two_passes(
        op, static_cast<std::size_t>(op.shape.n) * op.shape.out,
        [&](const DenseForward& plain) { forward(plain, threads); },
        [&](const ActivationForward& pass) { activation_forward(pass, threads); });
  Entry& entry = impl_->forward(op.shape, op.dtype, op.bias != nullptr, op.activation);
  if (op.bias != nullptr) {
    entry.product.run(impl_->cache.stream, {op.x, op.w, op.y, op.workspace, op.bias});
  } else {
    entry.product.run(impl_->cache.stream, {op.x, op.w, op.y, op.workspace});
  }
}

void DenseOnednn::backward_data(const DenseBackwardData& op, int threads) {
  Entry& entry = impl_->backward_data(op.shape, op.dtype);
  const std::size_t count = static_cast<std::size_t>(op.shape.n) * op.shape.in;
  Cursor workspace(op.workspace);
  void* scratch = workspace.take(entry.scratch);
  void* product = op.write == Write::accumulate ? workspace.take(count * size_of(op.dtype)) : op.d_x;
  entry.product.run(impl_->cache.stream, {op.d_y, op.w, product, scratch});
  if (op.write == Write::accumulate || op.activation.kind != ActivationKind::none)
    mask_gradient(op.dtype, op.activation, op.write, count, product, op.saved, op.d_x, threads);
}

void DenseOnednn::backward_weight(const DenseBackwardWeight& op, int threads) {
  Entry& entry = impl_->backward_weight(op.shape, op.dtype, op.d_bias != nullptr);
  const std::size_t out = static_cast<std::size_t>(op.shape.out), count = out * op.shape.in;
  const bool accumulate = op.write == Write::accumulate;
  Cursor workspace(op.workspace);
  void* scratch = workspace.take(entry.scratch);
  float* d_w = accumulate ? static_cast<float*>(workspace.take(count * sizeof(float))) : op.d_w;
  if (op.d_bias != nullptr) {
    float* d_bias = accumulate ? static_cast<float*>(workspace.take(out * sizeof(float))) : op.d_bias;
    entry.product.run(impl_->cache.stream, {op.x, op.d_y, d_w, scratch, d_bias});
    if (accumulate) add(d_bias, op.d_bias, out, threads);
  } else {
    entry.product.run(impl_->cache.stream, {op.x, op.d_y, d_w, scratch});
  }
  if (accumulate) add(d_w, op.d_w, count, threads);
}

}  // namespace cpu
}  // namespace tsugi
