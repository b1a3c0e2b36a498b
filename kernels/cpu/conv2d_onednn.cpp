// Convolution by oneDNN: activations NHWC, weights reordered from K,R,S,C into the layout that oneDNN prefers.
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/api/two_passes.h"
#include "kernels/cpu/conv2d.h"
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

/// A convolution, the reorder of its weights (or of their gradient) and what both need of the workspace.
struct Entry {
  Bound reorder, convolution;
  std::size_t weights = 0, reorder_scratch = 0, scratch = 0;
  bool plain_weights = false;  ///< oneDNN works on K,R,S,C itself
};

struct Flags {
  bool bias = false;
  Activation activation;
  Write write = Write::overwrite;
};

/// Memory descriptors of one convolution: ours, and with the weights' layout left to oneDNN.
struct Descs {
  Descs(const Conv2dShape& s, DType dtype, memory::data_type weight_type)
      : x({s.n, s.c, s.h, s.w}, onednn::data_type(dtype), memory::format_tag::nhwc),
        y({s.n, s.k, s.p(), s.q()}, onednn::data_type(dtype), memory::format_tag::nhwc),
        bias({s.k}, memory::data_type::f32, memory::format_tag::a),
        strides{s.stride_h, s.stride_w},
        padding{s.pad_h, s.pad_w} {
    const memory::dim c = s.c / s.groups, k = s.k / s.groups, r = s.r, w = s.s;
    // Strides of K,R,S,C/groups, in oneDNN's order of dimensions.
    if (s.groups == 1) {
      plain = memory::desc({k, c, r, w}, weight_type, memory::dims{r * w * c, 1, w * c, c});
      any = memory::desc({k, c, r, w}, weight_type, memory::format_tag::any);
    } else {
      plain = memory::desc({s.groups, k, c, r, w}, weight_type, memory::dims{k * r * w * c, r * w * c, 1, w * c, c});
      any = memory::desc({s.groups, k, c, r, w}, weight_type, memory::format_tag::any);
    }
  }
  memory::desc x, y, bias, plain, any;
  memory::dims strides, padding;
};

constexpr dnnl::algorithm kAlgorithm = dnnl::algorithm::convolution_direct;

dnnl::convolution_forward::primitive_desc forward_desc(const dnnl::engine& engine, const Descs& d, const Flags& flags) {
  const auto attributes = onednn::with_user_scratchpad(flags.activation);
  const auto kind = dnnl::prop_kind::forward_training;
  using Convolution = dnnl::convolution_forward;
  return flags.bias ? onednn::forward_pd<Convolution>(engine, attributes, kind, kAlgorithm, d.x, d.any, d.bias, d.y,
                                                      d.strides, d.padding, d.padding)
                    : onednn::forward_pd<Convolution>(engine, attributes, kind, kAlgorithm, d.x, d.any, d.y, d.strides,
                                                      d.padding, d.padding);
}

}  // namespace

struct Conv2dOnednn::Impl {
  onednn::Cache<Entry> cache;

  static onednn::Key key(Pass pass, const Conv2dShape& s, DType dtype, const Flags& f) {
    return onednn::Key{static_cast<std::int32_t>(pass),
                       static_cast<std::int32_t>(dtype),
                       s.n,
                       s.h,
                       s.w,
                       s.c,
                       s.k,
                       s.r,
                       s.s,
                       s.stride_h,
                       s.stride_w,
                       s.pad_h,
                       s.pad_w,
                       s.groups,
                       f.bias ? 1 : 0,
                       static_cast<std::int32_t>(f.activation.kind),
                       onednn::bits_of(f.activation.slope),
                       static_cast<std::int32_t>(f.write)};
  }

  Entry& forward(const Conv2dShape& s, DType dtype, const Flags& flags) {
    return cache.get(key(Pass::forward, s, dtype, flags), "conv2d_forward", [&](Entry& entry) {
      const Descs d(s, dtype, onednn::data_type(dtype));
      const auto desc = forward_desc(cache.engine, d, flags);
      set_weights(entry, d, desc.weights_desc());
      entry.convolution = Bound(cache.engine, dnnl::convolution_forward(desc));
      entry.convolution.bind(DNNL_ARG_SRC, desc.src_desc());
      entry.convolution.bind(DNNL_ARG_WEIGHTS, desc.weights_desc());
      entry.convolution.bind(DNNL_ARG_DST, desc.dst_desc());
      entry.scratch = bind_scratch(entry.convolution, desc.scratchpad_desc());
      if (flags.bias) entry.convolution.bind(DNNL_ARG_BIAS, desc.bias_desc());
    });
  }

  Entry& backward_data(const Conv2dShape& s, DType dtype) {
    return cache.get(key(Pass::backward_data, s, dtype, {}), "conv2d_backward_data", [&](Entry& entry) {
      const Descs d(s, dtype, onednn::data_type(dtype));
      const auto desc = onednn::backward_pd<dnnl::convolution_backward_data>(
          cache.engine, onednn::with_user_scratchpad(), forward_desc(cache.engine, d, {}), kAlgorithm, d.x, d.any, d.y,
          d.strides, d.padding, d.padding);
      set_weights(entry, d, desc.weights_desc());
      entry.convolution = Bound(cache.engine, dnnl::convolution_backward_data(desc));
      entry.convolution.bind(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
      entry.convolution.bind(DNNL_ARG_WEIGHTS, desc.weights_desc());
      entry.convolution.bind(DNNL_ARG_DIFF_SRC, desc.diff_src_desc());
      entry.scratch = bind_scratch(entry.convolution, desc.scratchpad_desc());
    });
  }

  Entry& backward_weight(const Conv2dShape& s, DType dtype, const Flags& flags) {
    return cache.get(key(Pass::backward_weight, s, dtype, flags), "conv2d_backward_weight", [&](Entry& entry) {
      const Descs d(s, dtype, memory::data_type::f32);
      const Descs forward(s, dtype, onednn::data_type(dtype));
      using Convolution = dnnl::convolution_backward_weights;
      const auto hint = forward_desc(cache.engine, forward, {});
      const auto attributes = onednn::with_user_scratchpad();
      const auto desc = flags.bias
                            ? onednn::backward_pd<Convolution>(cache.engine, attributes, hint, kAlgorithm, d.x, d.any,
                                                               d.bias, d.y, d.strides, d.padding, d.padding)
                            : onednn::backward_pd<Convolution>(cache.engine, attributes, hint, kAlgorithm, d.x, d.any,
                                                               d.y, d.strides, d.padding, d.padding);
      const auto blocked = desc.diff_weights_desc();
      entry.plain_weights = blocked == d.plain && flags.write == Write::overwrite;
      entry.weights = entry.plain_weights ? 0 : blocked.get_size();
      entry.reorder = onednn::make_reorder(cache.engine, blocked, d.plain, flags.write, &entry.reorder_scratch);
      entry.convolution = Bound(cache.engine, dnnl::convolution_backward_weights(desc));
      entry.convolution.bind(DNNL_ARG_SRC, desc.src_desc());
      entry.convolution.bind(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
      entry.convolution.bind(DNNL_ARG_DIFF_WEIGHTS, blocked);
      entry.scratch = bind_scratch(entry.convolution, desc.scratchpad_desc());
      if (flags.bias) entry.convolution.bind(DNNL_ARG_DIFF_BIAS, desc.diff_bias_desc());
    });
  }

  void set_weights(Entry& entry, const Descs& d, const memory::desc& wanted) {
    entry.plain_weights = wanted == d.plain;
    entry.weights = entry.plain_weights ? 0 : wanted.get_size();
    entry.reorder = onednn::make_reorder(cache.engine, d.plain, wanted, Write::overwrite, &entry.reorder_scratch);
  }

  static std::size_t bind_scratch(Bound& bound, const memory::desc& desc) {
    bound.bind(DNNL_ARG_SCRATCHPAD, desc);
    return desc.get_size();
  }

  /// The weights in the layout of `entry`, reordered into the workspace where needed.
  const void* weights(Entry& entry, const void* plain, Cursor& workspace) {
    if (entry.plain_weights) return plain;
    void* weights = workspace.take(entry.weights);
    entry.reorder.run(cache.stream, {plain, weights, workspace.take(entry.reorder_scratch)});
    return weights;
  }

  static std::size_t bytes(const Entry& entry) {
    Cursor cursor(nullptr);
    cursor.take(entry.weights);
    cursor.take(entry.reorder_scratch);
    cursor.take(entry.scratch);
    return cursor.used();
  }
};

Conv2dOnednn::Conv2dOnednn() : impl_(std::make_unique<Impl>()) {}
Conv2dOnednn::~Conv2dOnednn() = default;

std::size_t Conv2dOnednn::cached_primitives() const { return impl_->cache.size(); }

std::size_t Conv2dOnednn::workspace_bytes(const Conv2dShape& shape, DType dtype) {
  std::size_t bytes = 0;
  for (const bool bias : {false, true}) {
    for (const ActivationKind kind : {ActivationKind::none, ActivationKind::relu}) {
      bytes = std::max(bytes, Impl::bytes(impl_->forward(shape, dtype, {bias, {kind, 0.0f}, Write::overwrite})));
    }
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      bytes = std::max(bytes, Impl::bytes(impl_->backward_weight(shape, dtype, {bias, {}, write})) +
                                  static_cast<std::size_t>(shape.k) * sizeof(float) + 64);
    }
  }
  // The product before it is added to d_x.
  return std::max(bytes, Impl::bytes(impl_->backward_data(shape, dtype)) + shape.x_count() * size_of(dtype) + 64);
}

void Conv2dOnednn::forward(const Conv2dForward& op, int threads) {
  if (saves_input(op.activation.kind))
    return forward_in_two_passes(
        op, op.shape.y_count(), [&](const Conv2dForward& plain) { forward(plain, threads); },
        [&](const ActivationForward& pass) { activation_forward(pass, threads); });
  Entry& entry = impl_->forward(op.shape, op.dtype, {op.bias != nullptr, op.activation, Write::overwrite});
  Cursor workspace(op.workspace);
  const void* w = impl_->weights(entry, op.w, workspace);
  void* scratch = workspace.take(entry.scratch);
  if (op.bias != nullptr) {
    entry.convolution.run(impl_->cache.stream, {op.x, w, op.y, scratch, op.bias});
  } else {
    entry.convolution.run(impl_->cache.stream, {op.x, w, op.y, scratch});
  }
}

void Conv2dOnednn::backward_data(const Conv2dBackwardData& op, int threads) {
  Entry& entry = impl_->backward_data(op.shape, op.dtype);
  Cursor workspace(op.workspace);
  const void* w = impl_->weights(entry, op.w, workspace);
  void* scratch = workspace.take(entry.scratch);
  const std::size_t count = op.shape.x_count();
  void* product = op.write == Write::accumulate ? workspace.take(count * size_of(op.dtype)) : op.d_x;
  entry.convolution.run(impl_->cache.stream, {op.d_y, w, product, scratch});
  if (op.write == Write::accumulate || op.activation.kind != ActivationKind::none)
    mask_gradient(op.dtype, op.activation, op.write, count, product, op.saved, op.d_x, threads);
}

void Conv2dOnednn::backward_weight(const Conv2dBackwardWeight& op) {
  Entry& entry = impl_->backward_weight(op.shape, op.dtype, {op.d_bias != nullptr, {}, op.write});
  Cursor workspace(op.workspace);
  const bool add = op.write == Write::accumulate;
  void* d_w = entry.plain_weights ? op.d_w : workspace.take(entry.weights);
  void* reorder_scratch = workspace.take(entry.reorder_scratch);
  void* scratch = workspace.take(entry.scratch);
  const std::size_t k = static_cast<std::size_t>(op.shape.k);
  if (op.d_bias != nullptr) {
    float* d_bias = add ? static_cast<float*>(workspace.take(k * sizeof(float))) : op.d_bias;
    entry.convolution.run(impl_->cache.stream, {op.x, op.d_y, d_w, scratch, d_bias});
    for (std::size_t i = 0; add && i < k; ++i) op.d_bias[i] += d_bias[i];
  } else {
    entry.convolution.run(impl_->cache.stream, {op.x, op.d_y, d_w, scratch});
  }
  if (!entry.plain_weights) entry.reorder.run(impl_->cache.stream, {d_w, op.d_w, reorder_scratch});
}

}  // namespace cpu
}  // namespace tsugi
