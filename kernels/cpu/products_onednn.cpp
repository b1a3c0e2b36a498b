// The three passes of a product by oneDNN: what a convolution and an inner product differ in, and the rest.
#include "kernels/cpu/products_onednn.h"

#include <initializer_list>
#include <type_traits>

#include "kernels/api/two_passes.h"
#include "kernels/cpu/mask.h"
#include "kernels/cpu/onednn_cache.h"
#include "kernels/cpu/ops.h"

namespace tsugi {
namespace cpu {
namespace {

using dnnl::memory;
using onednn::Bound;
using onednn::Cursor;

constexpr dnnl::prop_kind kForward = dnnl::prop_kind::forward_training;
constexpr dnnl::algorithm kAlgorithm = dnnl::algorithm::convolution_direct;

/// Memory descriptors of one product: ours, and `w`, whose layout is left to oneDNN. forward() and backward() call make
/// with the arguments of a pass, around its tensors.
struct Convolution {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeight = dnnl::convolution_backward_weights;

  Convolution(const Conv2dShape& s, DType dtype, memory::data_type weight_type)
      : x({s.n, s.c, s.h, s.w}, onednn::data_type(dtype), memory::format_tag::nhwc),
        y({s.n, s.k, s.p(), s.q()}, onednn::data_type(dtype), memory::format_tag::nhwc),
        bias({s.k}, memory::data_type::f32, memory::format_tag::a),
        strides{s.stride_h, s.stride_w},
        padding{s.pad_h, s.pad_w} {
    const memory::dim c = s.c / s.groups, k = s.k / s.groups, r = s.r, columns = s.s;
    memory::dims sizes{k, c, r, columns}, plain_strides{r * columns * c, 1, columns * c, c};  // of K,R,S,C/groups
    if (s.groups != 1) {
      sizes.insert(sizes.begin(), s.groups);
      plain_strides.insert(plain_strides.begin(), k * r * columns * c);
    }
    plain = memory::desc(sizes, weight_type, plain_strides);
    w = memory::desc(sizes, weight_type, memory::format_tag::any);
  }
  template <typename Make, typename... Tensors>
  auto forward(const Make& make, const Tensors&... tensors) const {
    return make(kForward, kAlgorithm, tensors..., strides, padding, padding);
  }
  template <typename Make, typename... Tensors>
  auto backward(const Make& make, const Tensors&... tensors) const {
    return make(kAlgorithm, tensors..., strides, padding, padding);
  }
  memory::desc x, y, bias, plain, w;
  memory::dims strides, padding;
};

struct InnerProduct {
  using Forward = dnnl::inner_product_forward;
  using BackwardData = dnnl::inner_product_backward_data;
  using BackwardWeight = dnnl::inner_product_backward_weights;

  InnerProduct(const DenseShape& s, DType dtype, memory::data_type weight_type)
      : x({s.n, s.in}, onednn::data_type(dtype), memory::format_tag::nc),
        y({s.n, s.out}, onednn::data_type(dtype), memory::format_tag::nc),
        bias({s.out}, memory::data_type::f32, memory::format_tag::a),
        plain({s.out, s.in}, weight_type, memory::format_tag::oi),
        w(plain) {}
  template <typename Make, typename... Tensors>
  auto forward(const Make& make, const Tensors&... tensors) const {
    return make(kForward, tensors...);
  }
  template <typename Make, typename... Tensors>
  auto backward(const Make& make, const Tensors&... tensors) const {
    return make(tensors...);
  }
  memory::desc x, y, bias, plain, w;
};

template <typename Shape>
using ProductOf = std::conditional_t<std::is_same<Shape, Conv2dShape>::value, Convolution, InnerProduct>;

KernelCall call_of(KernelOp op, const Conv2dShape& s, DType dtype) { return {op, s, dtype, false}; }
KernelCall call_of(KernelOp op, const DenseShape& s, DType dtype) { return {op, as_conv2d(s), dtype, true}; }

struct Flags {
  bool bias = false;
  Activation activation;
  Write write = Write::overwrite;
};

/// A product, the reorder of its weights (or of their gradient) and what both need of the workspace.
struct Entry {
  Bound reorder, product;
  std::size_t weights = 0, reorder_scratch = 0, scratch = 0;
  std::size_t bias = 0;        ///< bytes of the bias
  bool plain_weights = false;  ///< oneDNN works on our weights themselves

  std::size_t bytes() const {
    Cursor cursor(nullptr);
    for (const std::size_t part : {weights, reorder_scratch, scratch}) cursor.take(part);
    return cursor.used();
  }
};

}  // namespace

struct OnednnProducts::Impl {
  explicit Impl(int count) : threads(count) {}

  const int threads;
  onednn::Cache<Entry> cache;

  template <typename Product>
  auto forward_desc(const Product& d, const Flags& flags) {
    const auto attributes = onednn::with_user_scratchpad(flags.activation);
    const auto make = [&](const auto&... arguments) {
      return onednn::forward_pd<typename Product::Forward>(cache.engine, attributes, arguments...);
    };
    return flags.bias ? d.forward(make, d.x, d.w, d.bias, d.y) : d.forward(make, d.x, d.w, d.y);
  }

  /// tensors: of the backward pass of `d`; forward: what it belongs to.
  template <typename Primitive, typename Product, typename... Tensors>
  auto backward_desc(const Product& d, const Product& forward, const Tensors&... tensors) {
    const auto hint = forward_desc(forward, {});
    const auto attributes = onednn::with_user_scratchpad();
    const auto make = [&](const auto&... arguments) {
      return onednn::backward_pd<Primitive>(cache.engine, attributes, hint, arguments...);
    };
    return d.backward(make, tensors...);
  }

  /// Makes the primitive, to be run with pointers of these arguments, its scratch memory and, where there is one, the
  /// bias (0: none).
  template <typename Primitive, typename Desc>
  void bind(Entry& entry, const Desc& desc, std::initializer_list<int> arguments, int bias) {
    entry.product = Bound(cache.engine, Primitive(desc));
    for (const int argument : arguments) entry.product.bind(argument, argument_desc(desc, argument));
    entry.product.bind(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
    entry.scratch = desc.scratchpad_desc().get_size();
    if (bias != 0) entry.product.bind(bias, argument_desc(desc, bias));
  }
  template <typename Desc>
  static memory::desc argument_desc(const Desc& desc, int argument) {
    return desc.query_md(dnnl::query::exec_arg_md, argument);
  }

  /// from and to: the weights' layout before and after the reorder; the workspace holds the larger one, oneDNN's.
  void set_weights(Entry& entry, const memory::desc& from, const memory::desc& to, Write write = Write::overwrite) {
    entry.plain_weights = from == to && write == Write::overwrite;
    if (entry.plain_weights) return;
    entry.weights = std::max(from.get_size(), to.get_size());
    entry.reorder = onednn::make_reorder(cache.engine, from, to, write, &entry.reorder_scratch);
  }

  template <typename Product>
  void make_forward(Entry& entry, const Product& d, const Flags& flags) {
    const auto desc = forward_desc(d, flags);
    set_weights(entry, d.plain, desc.weights_desc());
    bind<typename Product::Forward>(entry, desc, {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                    flags.bias ? DNNL_ARG_BIAS : 0);
  }

  template <typename Product>
  void make_backward_data(Entry& entry, const Product& d) {
    const auto desc = backward_desc<typename Product::BackwardData>(d, d, d.x, d.w, d.y);
    set_weights(entry, d.plain, desc.weights_desc());
    bind<typename Product::BackwardData>(entry, desc, {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC}, 0);
  }

  /// d: with float32 weights; forward: with those of the forward pass.
  template <typename Product>
  void make_backward_weight(Entry& entry, const Product& d, const Product& forward, const Flags& flags) {
    using Primitive = typename Product::BackwardWeight;
    const auto desc = flags.bias ? backward_desc<Primitive>(d, forward, d.x, d.w, d.bias, d.y)
                                 : backward_desc<Primitive>(d, forward, d.x, d.w, d.y);
    set_weights(entry, desc.diff_weights_desc(), d.plain, flags.write);
    bind<Primitive>(entry, desc, {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS},
                    flags.bias ? DNNL_ARG_DIFF_BIAS : 0);
    entry.bias = d.bias.get_size();
  }

  template <typename Shape>
  Entry& entry(KernelOp op, const Shape& s, DType dtype, const Flags& flags = {}) {
    using Product = ProductOf<Shape>;
    const onednn::Key key{call_of(op, s, dtype), flags.bias, flags.activation.kind, flags.activation.slope,
                          flags.write};
    return cache.get(key, [&](Entry& made) {
      const Product d(s, dtype, onednn::data_type(dtype));
      if (op == KernelOp::conv2d_forward) {
        make_forward(made, d, flags);
      } else if (op == KernelOp::conv2d_backward_data) {
        make_backward_data(made, d);
      } else {
        make_backward_weight(made, Product(s, dtype, memory::data_type::f32), d, flags);
      }
    });
  }

  template <typename Shape>
  std::size_t workspace_bytes(const Shape& s, DType dtype) {
    std::size_t bytes = 0;
    for (const bool bias : {false, true}) {
      for (const ActivationKind kind : {ActivationKind::none, ActivationKind::relu})
        bytes = std::max(bytes, entry(KernelOp::conv2d_forward, s, dtype, {bias, {kind, 0.0f}}).bytes());
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        const Entry& weight = entry(KernelOp::conv2d_backward_weight, s, dtype, {bias, {}, write});
        bytes = std::max(bytes, weight.bytes() + weight.bias + 64);
      }
    }
    // The product before it is added to d_x.
    return std::max(bytes, entry(KernelOp::conv2d_backward_data, s, dtype).bytes() + s.x_count() * size_of(dtype) + 64);
  }

  /// The weights in the layout of `entry`, reordered into the workspace where needed.
  const void* weights(Entry& entry, const void* plain, Cursor& workspace) {
    if (entry.plain_weights) return plain;
    void* weights = workspace.take(entry.weights);
    entry.reorder.run(cache.stream, {plain, weights, workspace.take(entry.reorder_scratch)});
    return weights;
  }

  template <typename Op>
  void forward(const Op& op) {
    if (saves_input(op.activation.kind))
      return forward_in_two_passes(
          op, op.shape.y_count(), [&](const Op& plain) { forward(plain); },
          [&](const ActivationForward& pass) { activation_forward(pass, threads); });
    Entry& made = entry(KernelOp::conv2d_forward, op.shape, op.dtype, {op.bias != nullptr, op.activation});
    Cursor workspace(op.workspace);
    const void* w = weights(made, op.w, workspace);
    made.product.run(cache.stream, {op.x, w, op.y, workspace.take(made.scratch), op.bias});
  }

  template <typename Op>
  void backward_data(const Op& op) {
    Entry& made = entry(KernelOp::conv2d_backward_data, op.shape, op.dtype);
    Cursor workspace(op.workspace);
    const void* w = weights(made, op.w, workspace);
    void* scratch = workspace.take(made.scratch);
    const std::size_t count = op.shape.x_count();
    const bool add = op.write == Write::accumulate;
    void* product = add ? workspace.take(count * size_of(op.dtype)) : op.d_x;
    made.product.run(cache.stream, {op.d_y, w, product, scratch});
    if (add || op.activation.kind != ActivationKind::none)
      mask_gradient(op.dtype, op.activation, op.write, count, product, op.saved, op.d_x, threads);
  }

  template <typename Op>
  void backward_weight(const Op& op) {
    const bool has_bias = op.d_bias != nullptr, add = has_bias && op.write == Write::accumulate;
    Entry& made = entry(KernelOp::conv2d_backward_weight, op.shape, op.dtype, {has_bias, {}, op.write});
    Cursor workspace(op.workspace);
    void* d_w = made.plain_weights ? op.d_w : workspace.take(made.weights);
    void* reorder_scratch = workspace.take(made.reorder_scratch);
    void* scratch = workspace.take(made.scratch);
    float* d_bias = add ? static_cast<float*>(workspace.take(made.bias)) : op.d_bias;
    made.product.run(cache.stream, {op.x, op.d_y, d_w, scratch, d_bias});
    for (std::size_t i = 0; add && i < made.bias / sizeof(float); ++i) op.d_bias[i] += d_bias[i];
    if (!made.plain_weights) made.reorder.run(cache.stream, {d_w, op.d_w, reorder_scratch});
  }
};

OnednnProducts::OnednnProducts(int threads) : impl_(std::make_unique<Impl>(threads)) {}
OnednnProducts::~OnednnProducts() = default;

std::size_t OnednnProducts::cached_primitives() const { return impl_->cache.size(); }

std::size_t OnednnProducts::workspace_bytes(const Conv2dShape& s, DType t) { return impl_->workspace_bytes(s, t); }
std::size_t OnednnProducts::workspace_bytes(const DenseShape& s, DType t) { return impl_->workspace_bytes(s, t); }

void OnednnProducts::run(const Conv2dForward& op) { impl_->forward(op); }
void OnednnProducts::run(const Conv2dBackwardData& op) { impl_->backward_data(op); }
void OnednnProducts::run(const Conv2dBackwardWeight& op) { impl_->backward_weight(op); }
void OnednnProducts::run(const DenseForward& op) { impl_->forward(op); }
void OnednnProducts::run(const DenseBackwardData& op) { impl_->backward_data(op); }
void OnednnProducts::run(const DenseBackwardWeight& op) { impl_->backward_weight(op); }

}  // namespace cpu
}  // namespace tsugi
