// How oneDNN is called: a primitive with its arguments bound once, the cache that keeps it, and a cursor over
// the caller's workspace. Included by products_onednn.cpp only.
#pragma once

#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/api/kernel_choice.h"
#include "kernels/cpu/headroom.h"

namespace tsugi {
namespace cpu {
namespace onednn {

/// Everything that selects a primitive: the call, whether it has a bias, its activation, how it writes.
using Key = std::tuple<KernelCall, bool, ActivationKind, float, Write>;

/// "conv2d_forward", "dense_forward", ...
inline std::string name_of(const KernelCall& call) {
  const std::string name = tsugi::name_of(call.op);
  return call.dense ? "dense" + name.substr(name.find('_')) : name;
}

inline dnnl::memory::data_type data_type(DType dtype) {
  if (dtype == DType::bf16) return dnnl::memory::data_type::bf16;
  if (dtype == DType::f32) return dnnl::memory::data_type::f32;
  throw Error(std::string("cpu: dtype is ") + tsugi::name_of(dtype) + ", the CPU computes in f32 or bf16");
}

/// Hands out 64-byte aligned pieces of the workspace, in the same order in sizing and in use.
class Cursor {
 public:
  explicit Cursor(void* workspace) : base_(static_cast<char*>(workspace)) {}
  void* take(std::size_t bytes) {
    void* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + 63) / 64 * 64;
    return piece;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

/// A primitive and its memory objects; run() only sets their pointers, nothing is allocated.
class Bound {
 public:
  Bound() = default;
  Bound(const dnnl::engine& engine, dnnl::primitive primitive) : engine_(engine), primitive_(std::move(primitive)) {}

  /// Adds an argument; the order of calls is the order of pointers in run().
  void bind(int argument, const dnnl::memory::desc& desc) {
    memories_.emplace_back(desc, engine_, nullptr);
    arguments_.push_back(dnnl_exec_arg_t{argument, memories_.back().get()});
  }

  /// Pointers beyond the arguments that are bound (a bias that is not there) are left out.
  template <std::size_t N>
  void run(const dnnl::stream& stream, const void* const (&pointers)[N]) {
    if (N < memories_.size())
      throw Error("onednn: " + std::to_string(N) + " pointers, " + std::to_string(memories_.size()) +
                  " arguments are bound");
    for (std::size_t i = 0; i < memories_.size(); ++i) memories_[i].set_data_handle(const_cast<void*>(pointers[i]));
    if (!ran_) require_headroom();  // some code is made when it is first needed
    ran_ = true;
    const dnnl_status_t status =
        dnnl_primitive_execute(primitive_.get(), stream.get(), static_cast<int>(arguments_.size()), arguments_.data());
    if (status == dnnl_out_of_memory) throw std::bad_alloc();
    if (status != dnnl_success) throw Error("onednn: a primitive failed with status " + std::to_string(status));
  }

 private:
  dnnl::engine engine_;
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  bool ran_ = false;
};

/// Engine, stream and the entries made so far. make(entry) fills a new entry; oneDNN's exceptions become Error.
template <typename Entry>
class Cache {
 public:
  Cache() : engine(dnnl::engine::kind::cpu, 0), stream(engine) {}

  template <typename Make>
  Entry& get(const Key& key, const Make& make) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) return found->second;
    require_headroom();
    try {
      Entry entry;
      make(entry);
      return entries_.emplace(key, std::move(entry)).first->second;
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
      throw Error(name_of(std::get<0>(key)) + ": oneDNN has no implementation (" + error.what() + ")");
    }
  }

  std::size_t size() const { return entries_.size(); }

  dnnl::engine engine;
  dnnl::stream stream;

 private:
  std::map<Key, Entry> entries_;
};

// oneDNN 3 takes an op's arguments at once, oneDNN 2 in a descriptor of their own.

/// The primitive descriptor of a forward pass; `args` as oneDNN documents them for `Primitive`, without engine and
/// attributes.
template <typename Primitive, typename... Args>
typename Primitive::primitive_desc forward_pd(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                              const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attributes, engine);
#endif
}

/// The same for a backward pass; `hint` is the descriptor of the forward pass that it belongs to.
template <typename Primitive, typename Hint, typename... Args>
typename Primitive::primitive_desc backward_pd(const dnnl::engine& engine, const dnnl::primitive_attr& attributes,
                                               const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., hint, attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attributes, engine, hint);
#endif
}

/// activation: a rectifier.
inline dnnl::primitive_attr with_user_scratchpad(Activation activation = {}) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation.kind != ActivationKind::none) {
    const float slope = Rectifier(activation).slope;
    dnnl::post_ops post_ops;
#if DNNL_VERSION_MAJOR >= 3
    post_ops.append_eltwise(dnnl::algorithm::eltwise_relu, slope, 0.0f);
#else
    post_ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, slope, 0.0f);
#endif
    attributes.set_post_ops(post_ops);
  }
  return attributes;
}

/// to = from (in another layout) [+ to]; *scratch is what it needs of the workspace, bytes.
inline Bound make_reorder(const dnnl::engine& engine, const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                          Write write, std::size_t* scratch) {
  dnnl::primitive_attr attributes = with_user_scratchpad();
  if (write == Write::accumulate) {
    dnnl::post_ops post_ops;
    post_ops.append_sum(1.0f);
    attributes.set_post_ops(post_ops);
  }
  const dnnl::reorder::primitive_desc desc(engine, from, engine, to, attributes);
  Bound bound(engine, dnnl::reorder(desc));
  bound.bind(DNNL_ARG_FROM, from);
  bound.bind(DNNL_ARG_TO, to);
  bound.bind(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
  *scratch = desc.scratchpad_desc().get_size();
  return bound;
}

}  // namespace onednn
}  // namespace cpu
}  // namespace tsugi
